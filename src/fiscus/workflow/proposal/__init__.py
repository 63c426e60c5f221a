"""A proposal from draft to closed books: what may happen to it (``decide``) and what then is (``evolve``), without any store."""
