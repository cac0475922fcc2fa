"""One file a revision, named by its place in the chain."""
