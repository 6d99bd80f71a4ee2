"""What ends open copies by itself: limits, exits, leads that cannot be heard, kill switches."""
