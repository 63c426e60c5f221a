"""The log that nobody can change unseen: a hash chain with Merkle checkpoints, verified with no store at hand."""
