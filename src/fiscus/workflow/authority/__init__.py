"""Who has to approve what: authority matrices, their check for gaps and overlaps, and the path a proposal takes."""
