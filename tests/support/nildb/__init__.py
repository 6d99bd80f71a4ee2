"""Three nilDB nodes on this machine."""
