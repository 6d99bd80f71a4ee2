"""Everything may be killed at any moment: `python -m obscura.local.chaos` does, and counts what came of it."""
