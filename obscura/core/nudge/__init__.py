"""Nudges: the row is the truth, the queue is a hint. Losing a message costs seconds, never work."""
