"""The sets that weights are projected onto, one file a set or family."""
