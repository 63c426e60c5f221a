"""What the words on an approver's pages mean. A heading that is not here cannot be shown: undocumented means failing."""

from __future__ import annotations

from collections.abc import Mapping

HELP: Mapping[str, str] = {
    "Requested": "What was asked for, before anything was weighed; a dash where nothing was asked for.",
    "Recommended": "What this proposal gives. This is the amount that is signed.",
    "Last year": "What the same lines had in the year before.",
    "Change": "Recommended less last year. ▲ is more, ▼ is less, = is the same.",
    "Lines": "Projects, programmes or cost centres that the money is for, each counted once a period.",
    "Line": "A project, programme or cost centre, with its short name below it.",
    "Unit": "The department or other part of the organisation that the line belongs to.",
    "Period": "The budget year, or other span, that the money is for.",
    "Fund": "The source that the money comes from.",
    "Stage": "A body or person whose approval the authority matrix asks for.",
    "Signed by": "Who gave the approval, and for whom where somebody was away.",
    "When": "Day and time, UTC.",
    "By what right": "The role that entitled them, looked up again in the registry. ✓ it was there at that moment, ✗ it was not.",
    "Rule": "A limit that the plan had to keep.",
    "Where": "The period, and what else the limit is about.",
    "Given": "The share of the request that is recommended; a dash where nothing was asked for.",
    "Limit": "Where the rule binds, in money; a dash where it counts something else.",
    "A little more room is worth": (
        "How much more the plan would be worth, by its scores, if the limit were wider by one of the currency. What a rule costs: what "
        "the plan is worth less for each that the rule forces. No price: it holds, and a little more room would change nothing."
    ),
    "Before": "What the line has now, without this move.",
    "After": "What it has once this move is adopted.",
    "Moved": "What the move adds to the line, or takes from it.",
    "Plan": "Another way to split the same money that was computed and set beside this one.",
    "Method": "How that plan was made: from targets above, from requests below, from both, or for the most worth.",
    "Worth": "The sum of the scores that the plan was made with. It compares plans; it is no amount of money.",
    "Money in other places": "How much money that plan would give to other lines than this one does.",
    "Available now": "Money of the budget that nobody has spoken for yet.",
    "This proposal": "What the last signature would reserve in that budget.",
    "Left after it": "What would still be available in that budget then.",
    "Control": "Hard: the budget can never be overdrawn, whoever signs. Soft: overdrawing is shown, not stopped.",
    "Still reserved": "Approved money of the line that was not released yet.",
    "Release now": "How much of it may be spent from now on. Only for the button that releases these amounts; empty for none.",
    "Budget": "All that the unit was given for the period and fund.",
    "Reserved": "Approved by the last signature, not yet released.",
    "Released": "Free to be spent.",
    "Committed": "Ordered, not yet paid.",
    "Actual": "Paid.",
    "Available": "Budget less everything reserved, released, committed and paid.",
}
"""By heading: a sentence for somebody who sees the page for the first time."""


def meaning(term: str) -> str:
    """What a heading means.

    Raises:
        KeyError: For one that nobody explained.
    """
    return HELP[term]
