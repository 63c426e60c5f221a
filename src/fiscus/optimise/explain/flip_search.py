"""The solves behind :mod:`fiscus.optimise.explain.flips`: a line forced in, left out, weighted and stretched."""

from __future__ import annotations

import dataclasses
import math
from typing import Any

import numpy as np

from fiscus.core.arrays import FloatArray, frozen
from fiscus.core.curves import Curves
from fiscus.core.dynamics import stocks
from fiscus.core.facts import Lines
from fiscus.core.problem import Problem
from fiscus.core.rows import FUNDED_ABOVE
from fiscus.core.rules import Envelope, Risk
from fiscus.optimise.explain.flips import Flip, Target
from fiscus.optimise.explain.ranging import straight_piece
from fiscus.optimise.explain.value_function import SAME, Sample, ValueFunction
from fiscus.optimise.repair.conflict import conflict
from fiscus.optimise.result import Result
from fiscus.optimise.solve import find

FLIP_GAP, FLIP_GAP_OF_S = 1e-9, 1e-7
"""Gaps asked of the solves whose values are compared; the second where curves are S-shaped."""

MOST_CROSSINGS = 30
QUADRUPLINGS = 10
HALVINGS = 60
SECONDS = 20.0
ABOVE = 1e-4
"""Relative distance above a crossing that was guessed, so that the line gets more than dust there."""
BESIDE = 1e-7
"""Relative distance at which a slope is taken where curves are smooth."""
NEAR = 1e-5
"""Relative width at which a bisection of weights ends."""


class FlipSearch:
    """Solves around one result for one line."""

    def __init__(self, result: Result, line: int, function: ValueFunction | None = None) -> None:
        self.result, self.line, self.problem = result, line, result.problem
        self.lines = self.problem.lines
        self.weight = float(self.lines.weight[line])
        self.given = np.asarray(result.allocation)[:, line]
        self.model = function or ValueFunction(result)
        # Aversion and limits on risk do not move in proportion to a weight.
        self.risky = self.problem.risk is not None or any(isinstance(rule, Risk) for rule in self.problem.rules)

    def solved(self, problem: Problem) -> Result:
        """The best plan of a changed problem, to a tight gap."""
        bent = bool((~problem.lines.curves.concave & ~problem.lines.curves.polyhedral).any())
        gap = FLIP_GAP_OF_S if bent else FLIP_GAP
        return find(problem, method=self.result.method, gap=gap, seed=self.result.seed)

    def worth(self, spend: FloatArray) -> float:
        """The line's own benefit at weight 1, discounted and expected, units of value."""
        benefit = self.problem.scenarios.expected() * self.lines.curves.value(stocks(self.problem, spend))
        return float((benefit * self.problem.benefit_discount[:, None])[:, self.line].sum())

    def flip(self, period: int | None) -> Flip:
        """See :func:`flip`."""
        name = None if period is None else self.problem.periods[period]
        line = self.lines.id[self.line]
        cells = self._open(period)
        unfunded = bool((self.given[cells if period is not None else slice(None)] <= FUNDED_ABOVE).all())
        target: Target = "whole" if self.lines.lumpy[self.line] else ("first unit" if unfunded else "ask")
        base = Flip(line, name, "funded", target, self.weight)
        if not cells:
            return base
        if self.risky:
            return self._by_halving(base, cells)
        if self._divisible(cells):
            return self._by_unit(base, cells, first=unfunded)
        if target == "first unit":
            return self._by_growth(base, cells)
        return self._by_whole(base, cells)

    def _open(self, period: int | None) -> list[int]:
        """Periods in which the line could get more than it does: up to its ask, else up to its cap or what it can reach."""
        lumpy = bool(self.lines.lumpy[self.line])
        wanted = np.array([self._target(t) for t in range(self.problem.shape[0])])
        if not lumpy:  # Who asks for no amount and has no cap has all it asks for once it has something.
            wanted = np.where(np.isinf(wanted) & (self.given > FUNDED_ABOVE), self.given, wanted)
        short = self.given < wanted * (1.0 - SAME) - FUNDED_ABOVE
        periods = range(self.problem.shape[0]) if period is None else [period]
        found = [t for t in periods if short[t]]
        nothing = (self.given <= FUNDED_ABOVE).all()
        return found if period is not None or nothing else found[:1]

    def _divisible(self, cells: list[int]) -> bool:
        """Whether the line's amount may grow from nothing and no choice of any line is in the way."""
        tied = bool(self.problem.statement.indicated[cells, self.line].any())
        return not tied and bool(self.lines.curves.concave[self.line]) and not self.model.choices_fixed

    def _by_unit(self, base: Flip, cells: list[int], *, first: bool) -> Flip:
        """The weight at which a unit of money earns its price: the first one, or the last one of the ask."""
        best: Flip = base
        shut: list[tuple[int, float]] = []
        for period in cells:
            target = 0.0 if first else self._target(period)
            if not math.isfinite(target):
                return dataclasses.replace(base, status="never")
            here = self._unit_flip(base, period, target)
            if here.status == "forbidden":
                shut.append((period, self._some(period) if first else target))
                if not first:
                    continue
            if best is base or _sooner(here, best):
                best = here
        if best is base or best.status == "forbidden":
            return self._forbidden(base, *shut[0])
        if len(cells) > 1 and best.needed is not None:
            best = self._crossed(best, best.needed, cells)
        return best

    def _some(self, period: int) -> float:
        """An amount that is no rounding beside the line's own, to ask why it cannot have any."""
        target = self._target(period)
        return max(self.problem.minor_unit, 1e-3 * target if math.isfinite(target) else 1.0)

    def _unit_flip(self, base: Flip, period: int, target: float) -> Flip:
        function = self.model.of_floor(period, self.line, target)
        start = function.at(target)
        if not math.isfinite(start.value):
            return dataclasses.replace(base, status="forbidden")
        slope = _slope_beside(function, start, 1.0 if target == 0.0 else -1.0)
        if math.isinf(slope):
            return dataclasses.replace(base, status="forbidden")
        loss = max(-slope if target == 0.0 else slope, 0.0)
        gain = self._gain(period, target)
        if gain <= 0.0:
            return dataclasses.replace(base, status="never", loss=loss)
        needed = self.weight + (0.0 if math.isinf(gain) else loss / gain)
        return _flips(base, needed, loss)

    def _gain(self, period: int, target: float) -> float:
        """Value at weight 1 of the first unit of money, or of the last one of a target, later periods included."""
        spend = np.array(self.result.allocation)
        spend[period, self.line] = target if target == 0.0 else target * (1.0 - 1e-9)
        slope = self.lines.curves.derivative(stocks(self.problem, spend))[:, self.line]
        kept = self.lines.retention[self.line] ** np.arange(self.problem.shape[0] - period)
        expected = self.problem.scenarios.expected()[period:, self.line] * self.problem.benefit_discount[period:]
        return float((expected * slope[period:] * kept).sum())

    def _target(self, period: int) -> float:
        lines = self.lines
        if lines.lumpy[self.line]:
            return float(lines.cap[period, self.line])
        return float(min(lines.ask[period, self.line], lines.cap[period, self.line]))

    def forced(self, period: int, amount: float, weight: float | None = None) -> Result:
        """The best plan in which the line gets at least an amount in a period."""
        return self.solved(self._with_floor(period, amount, weight))

    def _with_floor(self, period: int, amount: float, weight: float | None = None) -> Problem:
        problem = self.changed(weight)
        floor = np.array(problem.lines.floor)
        floor[period, self.line] = max(floor[period, self.line], amount)
        return problem.but(lines=dataclasses.replace(problem.lines, floor=frozen(floor)))

    def _forbidden(self, base: Flip, period: int, amount: float) -> Flip:
        """The rules that cannot hold together with an amount for the line."""
        found = conflict(self._with_floor(period, amount).but(method=self.result.method), time_limit=SECONDS)
        said = found.sentences if found is not None else self.forced(period, amount).reasons
        return dataclasses.replace(base, status="forbidden", reasons=tuple(said))

    def changed(self, weight: float | None = None, ratio: float = 1.0) -> Problem:
        """The problem with another weight of the line, and the line stretched to another cost."""
        lines = self.lines if ratio == 1.0 else stretched(self.lines, self.line, ratio)
        if weight is not None:
            weights = np.array(lines.weight)
            weights[self.line] = weight
            lines = dataclasses.replace(lines, weight=frozen(weights))
        return self.problem.but(lines=lines)

    def _by_whole(self, base: Flip, cells: list[int]) -> Flip:
        """The weight at which the best plan with the whole amount meets the best plan."""
        free = self.solved(self.problem)
        plans = {t: self.forced(t, self._target(t)) for t in cells if math.isfinite(self._target(t))}
        shut = [t for t, each in plans.items() if each.solution is None]
        plans = {t: each for t, each in plans.items() if each.solution is not None}
        if not plans:
            return self._forbidden(base, shut[0], self._target(shut[0])) if shut else _never(base)
        options = [self._risen(base, period, inside, free) for period, inside in plans.items()]
        best = options[0]
        for other in options[1:]:
            best = other if _sooner(other, best) else best
        if len(plans) > 1 and best.needed is not None and base.target == "whole":
            best = self._crossed(best, best.needed, cells)
        return best

    def _risen(self, base: Flip, period: int, inside: Result, free: Result) -> Flip:
        """Raise the weight from crossing to crossing until the plan with the amount is the best one."""
        loss, weight, slack = max(free.value - inside.value, 0.0), self.weight, 0.0
        for _ in range(MOST_CROSSINGS):
            gap = free.value - inside.value
            more = self.worth(inside.allocation) - self.worth(free.allocation)
            if gap <= _rounding(free.value):
                return _flips(base, weight, loss, slack)
            if more <= 1e-12 * max(1.0, abs(self.worth(inside.allocation))):
                return dataclasses.replace(base, status="never", loss=loss)
            slack = (free.bound - free.value + inside.bound - inside.value) / more
            weight += gap / more
            inside, free = self.forced(period, self._target(period), weight), self.solved(self.changed(weight))
            if inside.solution is None or free.solution is None:
                break
        return _flips(base, weight, loss, slack)

    def _by_growth(self, base: Flip, cells: list[int]) -> Flip:
        """Raise the weight until the line is funded, then go back to where that begins."""
        weight, base = self._grown(base, cells)
        return base if weight is None else self._crossed(base, weight, cells)

    def _grown(self, base: Flip, cells: list[int]) -> tuple[float | None, Flip]:
        """A weight at which the line gets its target, or None and why there is none."""
        least = max(self.problem.minor_unit, float(self.lines.min_ticket[self.line]))
        amounts = {t: least if base.target == "first unit" else self._target(t) for t in cells}
        amounts = {t: amount for t, amount in amounts.items() if math.isfinite(amount)}
        shut = all(self.forced(t, amount).solution is None for t, amount in amounts.items())
        weight = self.weight or 1.0
        near = None if shut or self.risky else self._guessed(base, cells)
        if near is not None and self._reached(base, cells, near):
            return near, base
        for _ in range(QUADRUPLINGS if self.risky or not shut else 0):
            weight *= 4.0
            if self._reached(base, cells, weight):
                return weight, base
        return None, (self._forbidden(base, *next(iter(amounts.items()))) if shut and amounts else _never(base))

    def _guessed(self, base: Flip, cells: list[int]) -> float | None:
        """A weight a little above that at which the first unit earns its price with the plan's choices kept."""
        tied = self.problem.statement.indicated[cells, self.line].any() or not self.lines.curves.concave[self.line]
        if tied or base.target != "first unit":
            return None
        needed = [self._unit_flip(base, period, 0.0).needed for period in cells]
        known = [weight for weight in needed if weight is not None]
        return min(known) * (1.0 + ABOVE) if known else None

    def _reached(self, base: Flip, cells: list[int], weight: float, ratio: float = 1.0) -> bool:
        """Whether the best plan at a weight and a cost gives the line its target in some period."""
        found = self.solved(self.changed(weight, ratio))
        if found.solution is None or not self.worth(found.allocation) > 0.0:
            return False
        least = [
            FUNDED_ABOVE if base.target == "first unit" else ratio * self._target(t) * (1.0 - SAME) - 1e-9
            for t in cells
        ]
        return bool((found.allocation[cells, self.line] > np.array(least)).any())

    def _by_halving(self, base: Flip, cells: list[int]) -> Flip:
        """Where nothing is in proportion to the weight: halve the interval between too little and enough."""
        high, base = self._grown(base, cells)
        if high is None:
            return base
        low = self.weight
        for _ in range(HALVINGS):
            if high - low <= NEAR * high:
                break
            middle = 0.5 * (low + high)
            if self._reached(base, cells, middle):
                high = middle
            else:
                low = middle
        return _flips(base, high, None, high - low)

    def _crossed(self, flip: Flip, weight: float, cells: list[int]) -> Flip:
        """Lower the weight from crossing to crossing until no plan with the line is better than the best without it."""
        slack, loss = flip.uncertainty, flip.loss
        out = self.solved(self._without(cells, weight))
        # A line that gets nothing anywhere is worth nothing whatever its weight.
        same = len(cells) == self.problem.shape[0] and out.solution is not None and self.worth(out.allocation) == 0.0
        for turn in range(MOST_CROSSINGS):
            found = self.solved(self.changed(weight))
            out = out if same or turn == 0 else self.solved(self._without(cells, weight))
            if out.solution is None or found.solution is None:
                break
            lead, more = found.value - out.value, self.worth(found.allocation) - self.worth(out.allocation)
            if lead <= _rounding(out.value) or more <= 0:
                break
            slack = (found.bound - found.value + out.bound - out.value) / more
            lower = max(weight - lead / more, self.weight)
            if lower >= weight * (1.0 - 1e-12):
                break
            weight = lower
        return _flips(flip, weight, loss, slack)

    def _without(self, cells: list[int], weight: float | None = None) -> Problem:
        """The problem with the line left out in some periods."""
        problem, line = self.changed(weight), self.lines.id[self.line]
        names = tuple(problem.periods[period] for period in cells)
        out = Envelope(id=f"without {line}", lines=(line,), cap=0.0, periods=names)
        return problem.but(rules=(*problem.rules, out))

    def with_cost(self, found: Flip) -> Flip:
        """Bisect the cost of an all-or-nothing line, in minor units, between nothing and what it costs now."""
        period = self._costly(found)
        cells = self._open(None if found.period is None else period)
        now = int(self.problem.currency.to_minor_array(self.lines.cap[period, self.line]))
        none, all_ = 0, now
        while all_ - none > 1:
            middle = (none + all_) // 2
            if self._reached(found, cells, self.weight, ratio=middle / now):
                none = middle
            else:
                all_ = middle
        return dataclasses.replace(found, cost=now, needed_cost=none or None)

    def _costly(self, found: Flip) -> int:
        if found.period is not None:
            return self.problem.periods.index(found.period)
        return int(np.argmax(self.lines.cap[:, self.line] > 0))


def stretched(lines: Lines, line: int, ratio: float) -> Lines:
    """The lines with one of them the same project for ``ratio`` times the money: every amount and its curve stretched alike."""
    curves = lines.curves
    a, h, points = np.array(curves.a), np.array(curves.h), list(curves.points)
    family, knots = curves.family[line], points[line]
    if family in ("linear", "capped"):
        a[..., line] /= ratio
    if family == "power":
        a[..., line] *= ratio ** -curves.p[..., line]
    if family in ("capped", "log", "saturating", "hill", "step"):
        h[..., line] *= ratio
    if knots is not None:
        points[line] = tuple((money * ratio, benefit) for money, benefit in knots)
    changes: dict[str, Any] = {"curves": Curves(curves.family, frozen(a), frozen(h), curves.p, tuple(points))}
    for name in ("cap", "ask", "floor", "min_ticket", "initial_stock"):
        values = np.array(getattr(lines, name))
        values[..., line] *= ratio
        changes[name] = frozen(values)
    return dataclasses.replace(lines, **changes)


def _flips(base: Flip, needed: float, loss: float | None, slack: float = 0.0) -> Flip:
    factor = needed / base.weight if base.weight > 0 else None
    return dataclasses.replace(
        base, status="flips", needed=needed, factor=factor, loss=loss, uncertainty=max(slack, 0.0)
    )


def _never(base: Flip) -> Flip:
    return dataclasses.replace(base, status="never")


def _sooner(one: Flip, other: Flip) -> bool:
    """Whether one flip needs less weight than another."""
    least = [math.inf if each.needed is None else each.needed for each in (one, other)]
    return least[0] < least[1] or (other.status == "forbidden" and one.status != "forbidden")


def _slope_beside(function: ValueFunction, start: Sample, direction: float) -> float:
    """Slope, along a direction, of the value next to where the bound stands; infinite where the bound cannot go there."""
    if function.newton is None:
        return straight_piece(function, start, direction, refine=False)[0].slope
    near = function.at(function.standing + direction * BESIDE * max(1.0, abs(function.standing)))
    return direction * near.slope if math.isfinite(near.value) else -math.inf


def _rounding(value: float) -> float:
    return SAME * max(1.0, abs(value))
