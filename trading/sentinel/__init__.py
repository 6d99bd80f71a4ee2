"""The watch over lead accounts: every fill seen, written once, and made into signals."""
