"""The key provider whose keys are shared among three nilDB nodes, two of which are needed."""
