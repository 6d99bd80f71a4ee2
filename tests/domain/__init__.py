"""The pure parts: no framework, no database, no network, done in a moment."""
