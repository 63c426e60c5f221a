"""Infeasible problems in the words of a business: which limits cannot all hold, and the cheapest ways out, verified."""
