"""Prices of many groups at once: for each the price at which its total falls from above to below its target.

Demand at a price never rises with the price. It jumps at the slopes of linear pieces and is continuous between, so the search
halves the jumps inside the bracket first and then closes in on the continuous part by regula falsi on logarithms
(Anderson & Bjorck 1973), with bisection where that stalls. It ends with two prices next to each other, or with totals that are
equal to rounding; the answer is the mixture of the two that meets the target, which is optimal because both are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.optimise.tree.passes import Part, Pass

SMALLEST, LARGEST = 1e-300, 1e300
CLOSE = 1e-13
"""Relative width of totals at which a bracket is closed."""

MOST_STEPS = 400


@dataclass
class Brackets:
    """Two prices for each group: at ``low`` the total is at least the target, at ``high`` at most.

    Attributes:
        target: Shape (g,).
        low: Shape (g,).
        high: Shape (g,).
        above: Total at ``low``; NaN before it is known.
        below: Total at ``high``; NaN before it is known.
        closed: Groups that are done.
        passes: Passes made.
    """

    target: FloatArray
    low: FloatArray
    high: FloatArray
    above: FloatArray
    below: FloatArray
    closed: BoolArray
    passes: int = 0
    factor: FloatArray = field(init=False)
    side: IntArray = field(init=False)
    stalled: IntArray = field(init=False)
    left: FloatArray = field(init=False)
    right: FloatArray = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.target)
        self.factor = np.full(count, 1.5)
        self.side = np.zeros(count, np.int64)
        self.stalled = np.zeros(count, np.int64)
        self.left, self.right = np.full(count, np.nan), np.full(count, np.nan)

    @property
    def known(self) -> BoolArray:
        """Both ends are evaluated."""
        return np.isfinite(self.above) & np.isfinite(self.below)


def close_in(part: Part, run: Pass, brackets: Brackets, guess: FloatArray, lowest: float) -> None:
    """Close every bracket, in place.

    Args:
        part: One group for each bracket.
        run: The pass to use.
        brackets: Ends that are known; open ones are looked for.
        guess: First price to try where neither end is bracketed closely, NaN for none, shape (g,).
        lowest: Price at which every leaf takes its upper bound.
    """
    breaks = part.leaves.breaks
    here, active = part, np.arange(len(brackets.target))
    for _ in range(MOST_STEPS):
        open_ = active[~brackets.closed[active]]
        if not len(open_):
            return
        if len(open_) < len(active) // 2:
            here, active = part.only(open_), open_
        trial = np.where(
            brackets.closed[active], brackets.high[active], _trials(brackets, active, breaks, guess, lowest)
        )
        taken = run(here, trial)
        brackets.passes += 1
        _update(brackets, active, trial, taken.total[here.top])
        # Float dust can put a target beyond what the leaves' own bounds allow: their bounds are the answer then.
        dust = np.where(taken.total[here.top] > brackets.target[active], trial >= LARGEST, trial <= lowest)
        _close(brackets, active, breaks, dust)
        guess = np.full(len(guess), np.nan)


def _trials(brackets: Brackets, active: IntArray, breaks: FloatArray, guess: FloatArray, lowest: float) -> FloatArray:
    low, high = brackets.low[active], brackets.high[active]
    known = brackets.known[active]
    trial = guess[active].copy()
    usable = np.isfinite(trial) & (trial > low) & (trial < high)
    for each in np.flatnonzero(~usable & ~known).tolist():
        group = active[each]
        brackets.factor[group] = min(brackets.factor[group] ** 2, 1e100)
        if np.isnan(brackets.below[group]):
            trial[each] = min(max(low[each], SMALLEST) * brackets.factor[group], LARGEST)
        else:
            further = high[each] / brackets.factor[group]
            trial[each] = (
                further if further > max(low[each], SMALLEST) else (SMALLEST if high[each] > SMALLEST else lowest)
            )
    both = np.flatnonzero(~usable & known)
    if len(both):
        trial[both] = _inside(brackets, active[both], breaks)
    return trial


def _inside(brackets: Brackets, which: IntArray, breaks: FloatArray) -> FloatArray:
    """A price inside closed brackets: a jump near the middle of the jumps there, else by regula falsi."""
    low, high = brackets.low[which], brackets.high[which]
    # The jump at a price happens just above it, so one at the lower end is still inside.
    begin, end = np.searchsorted(breaks, low, "left"), np.searchsorted(breaks, high, "left")
    inside = end - begin
    trial = _falsi(brackets, which)
    jumps = np.flatnonzero(inside > 0)
    if len(jumps):
        lone = inside[jumps] == 1
        first = breaks[begin[jumps]]
        above = np.nextafter(np.maximum(first, low[jumps]), np.inf)
        only = np.where(first > low[jumps], first, above)
        middle = breaks[np.minimum((begin + end)[jumps] // 2, len(breaks) - 1)]
        trial[jumps] = np.where(lone, only, np.where(middle > low[jumps], middle, above))
    return trial


def _falsi(brackets: Brackets, which: IntArray) -> FloatArray:
    low, high = brackets.low[which], brackets.high[which]
    positive = low > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        start, stop = np.where(positive, np.log(low), low), np.where(positive, np.log(high), high)
        left, right = brackets.left[which], brackets.right[which]
        weight = left / (left - right)
    weight = np.where(np.isfinite(weight) & (brackets.stalled[which] < 2), weight, 0.5)
    # Regula falsi loves the ends; a hair inside, so that each step learns something.
    at = start + np.clip(weight, 1e-3, 1.0 - 1e-3) * (stop - start)
    with np.errstate(
        over="ignore"
    ):  # Where the price may be negative, ``at`` is no logarithm and exp of it is not used.
        trial = np.where(positive, np.exp(at), at)
    # Where the price may be negative, as under a cost of change, see first on which side of zero it lies.
    trial = np.where((low < -SMALLEST) & (high > 0), np.where(high > SMALLEST, SMALLEST, -SMALLEST), trial)
    return np.clip(trial, np.nextafter(low, np.inf), np.nextafter(high, -np.inf))


def _update(brackets: Brackets, active: IntArray, trial: FloatArray, total: FloatArray) -> None:
    open_ = ~brackets.closed[active]
    which, trial, total = active[open_], trial[open_], total[open_]
    target = brackets.target[which]
    width = _width(brackets, which)
    more = total >= target
    low, high = which[more], which[~more]
    with np.errstate(divide="ignore", invalid="ignore"):
        level = np.where(target > 0, np.log(total / target), total - target)
    for side, chosen, gained, own, other in (
        (1, more, low, brackets.left, brackets.right),
        (-1, ~more, high, brackets.right, brackets.left),
    ):
        again = brackets.side[gained] == side
        with np.errstate(divide="ignore", invalid="ignore"):
            shrink = 1.0 - level[chosen] / own[gained]
        other[gained] = np.where(again, other[gained] * np.where(shrink > 0, shrink, 0.5), other[gained])
        own[gained] = level[chosen]
        brackets.side[gained] = side
    brackets.low[low], brackets.above[low] = trial[more], total[more]
    brackets.high[high], brackets.below[high] = trial[~more], total[~more]
    after = _width(brackets, which)
    brackets.stalled[which] = np.where(after > 0.5 * width, brackets.stalled[which] + 1, 0)


def _width(brackets: Brackets, which: IntArray) -> FloatArray:
    low, high = brackets.low[which], brackets.high[which]
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.where(low > 0, np.log(high) - np.log(low), high - low)


def _close(brackets: Brackets, active: IntArray, breaks: FloatArray, dust: BoolArray) -> None:
    open_ = ~brackets.closed[active]
    which, dust = active[open_], dust[open_]
    low, high = brackets.low[which], brackets.high[which]
    above, below, target = brackets.above[which], brackets.below[which], brackets.target[which]
    hit = above == target
    with np.errstate(invalid="ignore"):
        near = above - below <= CLOSE * np.abs(target)
        jumps = np.searchsorted(breaks, high, "left") > np.searchsorted(breaks, low, "left")
        touching = high - low <= 4e-16 * np.maximum(np.abs(low), np.abs(high)) + 3.0 * SMALLEST
    short = dust & ~(above > target)
    brackets.high[which] = np.where(hit | (dust & ~short), low, high)
    brackets.below[which] = np.where(hit | (dust & ~short), above, below)
    brackets.low[which] = np.where(short, high, low)
    brackets.above[which] = np.where(short, below, above)
    brackets.closed[which] = hit | dust | (brackets.known[which] & ((near & ~jumps) | touching))
