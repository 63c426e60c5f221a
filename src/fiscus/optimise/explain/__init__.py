"""Explanations: why each line and unit got what it got, what a limit is worth and how far, what would change the answer (§4)."""

from fiscus.optimise.explain.data import LineExplanation, UnitExplanation
from fiscus.optimise.explain.lines import explain_line, explanation, largest_changes, rule_text, unit_explanation

__all__ = [
    "LineExplanation",
    "UnitExplanation",
    "explain_line",
    "explanation",
    "largest_changes",
    "rule_text",
    "unit_explanation",
]
