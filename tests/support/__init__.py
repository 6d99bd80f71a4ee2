"""What tests of all areas share: the database, the cast, the clock and the closed network."""
