"""What would have to change for a line to be funded: the weight (score) or the cost at which the best plan takes it in.

**Weight.** Only plans that fund the line gain from its weight, in proportion to the line's own benefit in them. So with ``V`` the
value of the best plan without the line, ``V_in`` that of the best plan with it and ``B`` the line's benefit there, the best plans
cross where the weight is ``w * (1 + (V - V_in) / B)``. An amount that grows from nothing crosses where its first unit of money
earns its price: ``w * (price / value of the first unit)``, the price being that of the plan's limits, solved for on its model.
Other plans may come in earlier as the weight rises, so the crossing is solved again until no plan is better there.

**Cost.** An all-or-nothing line is stretched: the same project, with the same benefit, for another amount of money. The highest
cost at which a plan with the line is as good as the best without is found to the minor unit by solving again.
"""

from __future__ import annotations

from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Literal

from fiscus.core.money import format_amount
from fiscus.core.problem import Problem
from fiscus.errors import InvalidInput
from fiscus.optimise.explain.data import worth
from fiscus.optimise.result import Result

if TYPE_CHECKING:
    from fiscus.optimise.explain.value_function import ValueFunction

Status = Literal["funded", "flips", "never", "forbidden"]
Target = Literal["first unit", "whole", "ask"]


@dataclass(frozen=True, slots=True)
class Flip:
    """What would have to change for a line.

    Attributes:
        line: Its id.
        period: The period asked about; None for any of them.
        status: ``funded``: it already gets all it can or asks for; ``flips``: at the weight given; ``never``: at no weight, for
            it has no benefit that weight could raise; ``forbidden``: by the rules, whatever it is worth.
        target: What it would get: its ``first unit`` of money, the ``whole`` amount, or all it asks (``ask``).
        weight: Of the line now.
        needed: Weight above which it is funded; None where there is none.
        factor: The same as a multiple of the weight now; None where that is zero.
        loss: Value lost by funding it at its weight now, per unit of money for a first unit.
        uncertainty: Of ``needed``, from the gaps of the solves that it compares.
        cost: All-or-nothing lines: its cost in minor units (in the period, or in the first in which it costs something).
        needed_cost: Most it may cost in minor units, with the same benefit, to be funded; None where no cost would do or the
            question makes no sense.
        reasons: Sentences that say why it is forbidden.
    """

    line: str
    period: str | None
    status: Status
    target: Target
    weight: float
    needed: float | None = None
    factor: float | None = None
    loss: float | None = None
    uncertainty: float = 0.0
    cost: int | None = None
    needed_cost: int | None = None
    reasons: tuple[str, ...] = ()

    def as_dict(self) -> dict[str, Any]:
        """Plain data."""
        return {**asdict(self), "reasons": list(self.reasons)}

    def sentences(self, problem: Problem) -> list[str]:
        """For people."""
        name = problem.lines.name[problem.line_position[self.line]]
        when = f" in {self.period}" if self.period else ""
        if self.status == "funded":
            return [f"{name} already gets all that it asks for or may get{when}."]
        if self.status == "forbidden":
            return [f"{name} cannot be funded{when} whatever it is worth: the rules forbid it.", *self.reasons]
        goal = {"first unit": "get its first unit of money", "whole": "be funded", "ask": "get all that it asks for"}
        if self.needed is None:
            return [f"No weight would make {name} {goal[self.target]}{when}."]
        said = [
            f"{name} would {goal[self.target]}{when} at a weight above {self.needed:.4g}; it has {self.weight:.4g}."
        ]
        if self.loss is not None and self.target == "first unit":
            said.append(f"Today its first unit of money would cost {worth(self.loss)} of value more than it brings.")
        elif self.loss is not None:
            said.append(f"Funding it today would lower the value of the plan by {worth(self.loss)}.")
        return said + self._cost_sentences(problem)

    def _cost_sentences(self, problem: Problem) -> list[str]:
        if self.cost is None:
            return []
        code, money = problem.currency.code, problem.currency
        if self.needed_cost is None:
            return ["With the same benefit it would not be funded at any cost."]
        most, now = format_amount(self.needed_cost, money), format_amount(self.cost, money)
        return [f"With the same benefit it would be funded at a cost of up to {code} {most}; it costs {code} {now}."]


def flip(
    result: Result,
    line: str,
    period: str | None = None,
    *,
    cost: bool = True,
    function: ValueFunction | None = None,
) -> Flip:
    """What would have to change for a line that gets nothing, or less than it asks, to be funded.

    Args:
        result: With an allocation, of a method that seeks value.
        line: Its id.
        period: Name of the period; any of them when not given.
        cost: Whether to look for the cost at which an all-or-nothing line would be funded.
        function: Of the result, shared by many questions; made when not given.

    Raises:
        InvalidInput: For a line or period that does not exist, or a method that does not seek value.
        NoAllocation: Where there is no allocation.
    """
    problem = result.problem
    if line not in problem.line_position:
        raise InvalidInput(f"no line is called {line!r}")
    if period is not None and period not in problem.periods:
        raise InvalidInput(f"no period is called {period!r}; the periods are {', '.join(problem.periods)}")
    from fiscus.optimise.explain.flip_search import FlipSearch

    search = FlipSearch(result, problem.line_position[line], function)
    found = search.flip(None if period is None else problem.periods.index(period))
    if cost and found.status == "flips" and bool(problem.lines.lumpy[search.line]):
        found = search.with_cost(found)
    return found
