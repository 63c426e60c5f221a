"""Curves of best plans from one persistent model, and variants of a plan side by side."""
