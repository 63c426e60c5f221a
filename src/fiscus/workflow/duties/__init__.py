"""Segregation of duties: who may not do what because of what they did, and whether enough others are there."""
