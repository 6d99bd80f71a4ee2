"""Audit: append-only rows, written in the same transaction as what they tell of."""
