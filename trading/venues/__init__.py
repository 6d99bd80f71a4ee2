"""The venues Obscura trades on: sessions, differences, and an exchange of our own."""
