"""A running stack is hurt and searched: `python -m obscura.local.chaos` does, and counts what came of it."""
