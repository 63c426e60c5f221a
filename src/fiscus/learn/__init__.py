"""Policies, their training, and the tournament that judges them."""
