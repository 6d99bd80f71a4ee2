"""What copying costs and how fast it is, measured on everything at once: `python -m obscura.local.bench`."""
