"""Where the paper venue's prices come from: a recording, a seeded walk, or the real exchange's public streams."""
