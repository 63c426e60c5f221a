"""The kinds of rules people may write (§4, §7). Each is one class; no other module restates it.

All-or-nothing and minimum ticket are properties of lines, and the caps and floors of units and lines are columns of their
tables; they are stated in :mod:`fiscus.core.statement` in the same form.
"""

from fiscus.core.rules.base import Fault, Rule, kinds
from fiscus.core.rules.choice import AtLeast, AtMost, Requires, Resource, Staged, Whole
from fiscus.core.rules.guidance import Asks, Near, Targets
from fiscus.core.rules.money import Change, Envelope, Freeze, Reserve, Share, Turnover
from fiscus.core.rules.risk import Risk

__all__ = [
    "Asks",
    "AtLeast",
    "AtMost",
    "Change",
    "Envelope",
    "Fault",
    "Freeze",
    "Near",
    "Requires",
    "Reserve",
    "Resource",
    "Risk",
    "Rule",
    "Share",
    "Staged",
    "Targets",
    "Turnover",
    "Whole",
    "kinds",
]
