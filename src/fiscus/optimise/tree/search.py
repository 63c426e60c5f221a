"""Prices of many groups at once: for each the price at which its total falls from above to below its target.

Demand at a price never rises with the price. It jumps at the slopes of linear pieces and is continuous between, so the search
halves the jumps inside the bracket first and then closes in on the continuous part: from the last two trials and the falls there,
by inverse Hermite interpolation on logarithms (Ostrowski 1960, order 2.7), each step aimed a hair beyond the target so that both ends
of the bracket come close; by halves where that stalls. It ends with two prices next to each other, or with totals that are equal
to rounding; the answer is the mixture of the two that meets the target, which is optimal because both are.
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.optimise.tree.passes import Part, Pass, Taken

SMALLEST, LARGEST = 1e-300, 1e300
CLOSE = 1e-13
"""Relative width of totals at which a bracket is closed."""

BEYOND = 0.2 * CLOSE
"""How far beyond the target steps aim, relative to it."""

FURTHEST = 3.0
"""Largest step of a price's logarithm."""

PATIENT = 3
"""Poor steps in a row towards an open end after which it is looked for further away."""

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
        trials: The last two prices tried, the later first, shape (2, g); NaN before.
        missed: Logarithm of total over target there, or what is too much where the target is nothing, shape (2, g).
        rate: Its derivative by the logarithm of the price, jumps aside, shape (2, g).
        factor: By how much open ends are moved next.
        poor: How many steps in a row missed by more than half of the step before.
    """

    target: FloatArray
    low: FloatArray
    high: FloatArray
    above: FloatArray
    below: FloatArray
    closed: BoolArray
    passes: int = 0
    trials: FloatArray = field(init=False)
    missed: FloatArray = field(init=False)
    rate: FloatArray = field(init=False)
    factor: FloatArray = field(init=False)
    poor: IntArray = field(init=False)

    def __post_init__(self) -> None:
        count = len(self.target)
        self.trials, self.missed, self.rate = (np.full((2, count), np.nan) for _ in range(3))
        self.factor = np.full(count, 1.5)
        self.poor = np.zeros(count, np.int64)

    def note(self, which: IntArray, price: FloatArray, total: FloatArray, fall: FloatArray) -> None:
        """Remember what some groups took at a price, for the next step from there."""
        target = self.target[which]
        positive = target > 0
        with np.errstate(divide="ignore", invalid="ignore"):
            missed = np.where(positive, np.log(total / target), total - target)
            rate = np.where(positive, fall / total, fall)
        for kept, now in ((self.trials, price), (self.missed, missed), (self.rate, -rate)):
            kept[1, which], kept[0, which] = kept[0, which], now
        # A first trial counts as no worse than the one before, which is NaN.
        poor = np.abs(missed) > 0.5 * np.abs(self.missed[1, which])
        self.poor[which] = np.where(poor, self.poor[which] + 1, 0)


def close_in(part: Part, run: Pass, brackets: Brackets, guess: FloatArray, lowest: float) -> tuple[Taken, Taken]:
    """Close every bracket, in place.

    Args:
        part: One group for each bracket.
        run: The pass to use.
        brackets: Ends that are known; open ones are looked for.
        guess: First price to try where neither end is bracketed closely, NaN for none, shape (g,).
        lowest: Price at which every leaf takes its upper bound.

    Returns:
        What is taken at the lower and at the upper ends.
    """
    breaks = part.leaves.breaks
    here, active = part, np.arange(len(brackets.target))
    for _ in range(MOST_STEPS):
        open_ = active[~brackets.closed[active]]
        if not len(open_):
            break
        if len(open_) < len(active) // 2:
            here, active = part.only(open_), open_
        trial = _trials(brackets, active, breaks, guess, lowest)
        if len(open_) < len(active):
            trial = np.where(brackets.closed[active], brackets.high[active], trial)
        taken = run(here, trial)
        brackets.passes += 1
        total = taken.total[here.top]
        still = slice(None) if len(open_) == len(active) else np.flatnonzero(~brackets.closed[active])
        _update(brackets, open_, trial[still], total[still], taken.fall[here.top][still])
        # Float dust can put a target beyond what the leaves' own bounds allow: their bounds are the answer then.
        dust = np.where(total > brackets.target[active], trial >= LARGEST, trial <= lowest)
        _close(brackets, open_, breaks, dust[still])
        guess = np.full(len(guess), np.nan)
    low = run(part, brackets.low)
    if (brackets.low == brackets.high).all():
        brackets.passes += 1
        return low, low
    brackets.passes += 2
    return low, run(part, brackets.high)


def _trials(brackets: Brackets, active: IntArray, breaks: FloatArray, guess: FloatArray, lowest: float) -> FloatArray:
    low, high = brackets.low[active], brackets.high[active]
    known = np.isfinite(brackets.above[active]) & np.isfinite(brackets.below[active])
    # Noise of the sums is no reason to halve: steps that aim further beyond get past it.
    stalled = known & (brackets.poor[active] > 0) & (np.abs(brackets.missed[0, active]) > 10.0 * CLOSE)
    trial = np.where(np.isfinite(guess[active]), guess[active], _steps(brackets, active))
    # Towards an open end steps may creep: for ever towards no money at all, which some curves want at no price.
    creeping = ~known & ((brackets.poor[active] >= PATIENT) | (brackets.target[active] <= 0))
    usable = (trial > low) & (trial < high) & ~stalled & ~creeping  # False for NaN.
    if known.any():
        both = np.flatnonzero(known)
        trial[both] = _inside(low[both], high[both], breaks, np.where(usable, trial, np.nan)[both])
    lost = np.flatnonzero(~usable & ~known)
    if len(lost):
        trial[lost] = _further(brackets, active[lost], lowest)
    return trial


def _steps(brackets: Brackets, which: IntArray) -> FloatArray:
    """The price that should meet the target, and a hair more: NaN where nothing tells."""
    (at, before), (missed, earlier), (rate, old) = (
        each[:, which] for each in (brackets.trials, brackets.missed, brackets.rate)
    )
    with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
        aim = -np.copysign(np.where(brackets.target[which] > 0, BEYOND * 4.0 ** brackets.poor[which], 0.0), missed)
        newton = (aim - missed) / rate
        # The cubic through the logarithms of both prices as functions of what was missed, in Newton's form.
        span = earlier - missed
        chord = np.log(before / at) / span
        bend, other = (chord - 1.0 / rate) / span, (1.0 / old - chord) / span
        cubic = newton + (aim - missed) ** 2 * (bend + (aim - earlier) * (other - bend) / span)
        step = np.where(np.abs(cubic - newton) < 0.5 * np.abs(newton), cubic, newton)  # False for NaN.
        return np.where(at > 0, at * np.exp(np.clip(step, -FURTHEST, FURTHEST)), np.nan)


def _further(brackets: Brackets, which: IntArray, lowest: float) -> FloatArray:
    """A price beyond an end that is known, each time further."""
    low, high = np.maximum(brackets.low[which], SMALLEST), brackets.high[which]
    factor = brackets.factor[which] = np.minimum(brackets.factor[which] ** 2, 1e100)
    dearer, cheaper = np.minimum(low * factor, LARGEST), high / factor
    cheaper = np.where(cheaper > low, cheaper, np.where(high > SMALLEST, SMALLEST, lowest))
    return np.where(np.isnan(brackets.below[which]), dearer, cheaper)


def _inside(low: FloatArray, high: FloatArray, breaks: FloatArray, step: FloatArray) -> FloatArray:
    """A price inside brackets: a jump near the middle of the jumps there, else the step where there is one, else the middle."""
    trial = np.where(np.isnan(step), _middle(low, high), step)
    trial = np.clip(trial, np.nextafter(low, np.inf), np.nextafter(high, -np.inf))
    if not len(breaks):
        return trial
    # The jump at a price happens just above it, so one at the lower end is still inside.
    begin, end = np.searchsorted(breaks, low, "left"), np.searchsorted(breaks, high, "left")
    inside = end - begin
    jumps = np.flatnonzero(inside > 0)
    if len(jumps):
        lone = inside[jumps] == 1
        first = breaks[begin[jumps]]
        above = np.nextafter(np.maximum(first, low[jumps]), np.inf)
        only = np.where(first > low[jumps], first, above)
        middle = breaks[np.minimum((begin + end)[jumps] // 2, len(breaks) - 1)]
        trial[jumps] = np.where(lone, only, np.where(middle > low[jumps], middle, above))
    return trial


def _middle(low: FloatArray, high: FloatArray) -> FloatArray:
    """The geometric middle; where prices may be negative, as under a cost of change, see first on which side of zero."""
    positive = low > 0
    with np.errstate(divide="ignore", invalid="ignore"):
        geometric = np.exp(0.5 * (np.log(low) + np.log(high)))
    side = np.where(high > SMALLEST, SMALLEST, -SMALLEST)
    return np.where(positive, geometric, np.where((low < -SMALLEST) & (high > 0), side, 0.5 * (low + high)))


def _update(brackets: Brackets, which: IntArray, trial: FloatArray, total: FloatArray, fall: FloatArray) -> None:
    more = total >= brackets.target[which]
    for end, sum_, chosen in ((brackets.low, brackets.above, more), (brackets.high, brackets.below, ~more)):
        end[which] = np.where(chosen, trial, end[which])
        sum_[which] = np.where(chosen, total, sum_[which])
    brackets.note(which, trial, total, fall)


def _close(brackets: Brackets, which: IntArray, breaks: FloatArray, dust: BoolArray) -> None:
    low, high = brackets.low[which], brackets.high[which]
    above, below, target = brackets.above[which], brackets.below[which], brackets.target[which]
    hit = above == target
    near = above - below <= CLOSE * np.abs(target)  # False for NaN, as is what follows.
    with np.errstate(invalid="ignore"):
        touching = high - low <= 4e-16 * np.maximum(np.abs(low), np.abs(high)) + 3.0 * SMALLEST
    known = np.isfinite(above) & np.isfinite(below)
    if len(breaks):
        near &= ~(np.searchsorted(breaks, high, "left") > np.searchsorted(breaks, low, "left"))
    short = dust & ~(above > target)
    full = hit | (dust & ~short)
    if full.any() or short.any():
        brackets.high[which], brackets.below[which] = np.where(full, low, high), np.where(full, above, below)
        brackets.low[which], brackets.above[which] = np.where(short, high, low), np.where(short, below, above)
    brackets.closed[which] = hit | dust | (known & (near | touching))
