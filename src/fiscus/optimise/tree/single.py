"""The price of one group alone: the search of :mod:`fiscus.optimise.tree.search` in plain numbers.

Arrays of length one would cost more than the pass over ten thousand leaves does. Step by step it is the same search.
"""

from __future__ import annotations

import math

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.optimise.tree.passes import Part, Pass, Taken
from fiscus.optimise.tree.search import (
    BEYOND,
    CLOSE,
    FURTHEST,
    LARGEST,
    MOST_STEPS,
    PATIENT,
    SMALLEST,
    Brackets,
)


class Single:
    """The search for one price.

    Args:
        brackets: One; its ends are set when the search is done.
        breaks: Prices at which demand jumps, rising.
        lowest: Price at which every leaf takes its upper bound.
    """

    def __init__(self, brackets: Brackets, breaks: FloatArray, lowest: float) -> None:
        self.target, self.low, self.high = (float(each[0]) for each in (brackets.target, brackets.low, brackets.high))
        self.above, self.below = float(brackets.above[0]), float(brackets.below[0])
        self.at, self.missed, self.rate = (
            float(each[0, 0]) for each in (brackets.trials, brackets.missed, brackets.rate)
        )
        self.before, self.earlier, self.old = (
            float(each[1, 0]) for each in (brackets.trials, brackets.missed, brackets.rate)
        )
        self.breaks, self.lowest = breaks, lowest
        self.factor, self.poor, self.closed = 1.5, 0, bool(brackets.closed[0])

    def trial(self, guess: float) -> float:
        """The next price to try.

        Args:
            guess: One from elsewhere, NaN for none.
        """
        known = not (math.isnan(self.above) or math.isnan(self.below))
        trial = self._step() if math.isnan(guess) else guess
        if known:
            stalled = self.poor > 0 and abs(self.missed) > 10.0 * CLOSE
            return self._inside(trial if self.low < trial < self.high and not stalled else self._middle())
        creeping = self.poor >= PATIENT or self.target <= 0
        return trial if self.low < trial < self.high and not creeping else self._further()

    def note(self, price: float, total: float, fall: float) -> None:
        """Take in what a pass found at a price."""
        if total >= self.target:
            self.low, self.above = price, total
        else:
            self.high, self.below = price, total
        missed, rate = total - self.target, fall
        if self.target > 0:
            ratio = total / self.target  # May be nothing though the total is not.
            missed = math.log(ratio) if ratio > 0 else -math.inf
            rate = fall / total if ratio > 0 else math.nan
        self.poor = self.poor + 1 if abs(missed) > 0.5 * abs(self.missed) else 0
        self.before, self.earlier, self.old = self.at, self.missed, self.rate
        self.at, self.missed, self.rate = price, missed, -rate
        self._close((total >= self.target and price >= LARGEST) or (total <= self.target and price <= self.lowest))

    def _step(self) -> float:
        aim = 0.0
        if self.target > 0:
            aim = -math.copysign(BEYOND * 4.0 ** min(self.poor, 500), self.missed)
        if not (self.rate < 0 and self.at > 0 and math.isfinite(self.missed)):
            return math.nan
        step = newton = (aim - self.missed) / self.rate
        span = self.earlier - self.missed
        if self.old < 0 and self.before > 0 and span != 0 and math.isfinite(span):
            chord = math.log(self.before / self.at) / span
            bend, other = (chord - 1.0 / self.rate) / span, (1.0 / self.old - chord) / span
            cubic = newton + (aim - self.missed) ** 2 * (bend + (aim - self.earlier) * (other - bend) / span)
            if abs(cubic - newton) < 0.5 * abs(newton):
                step = cubic
        return self.at * math.exp(min(max(step, -FURTHEST), FURTHEST))

    def _further(self) -> float:
        self.factor = min(self.factor**2, 1e100)
        if math.isnan(self.below):
            return min(max(self.low, SMALLEST) * self.factor, LARGEST)
        cheaper = self.high / self.factor
        if cheaper > max(self.low, SMALLEST):
            return cheaper
        return SMALLEST if self.high > SMALLEST else self.lowest

    def _middle(self) -> float:
        if self.low > 0:
            return math.exp(0.5 * (math.log(self.low) + math.log(self.high)))
        if self.low < -SMALLEST and self.high > 0:
            return SMALLEST if self.high > SMALLEST else -SMALLEST
        return 0.5 * (self.low + self.high)

    def _inside(self, trial: float) -> float:
        trial = min(max(trial, math.nextafter(self.low, math.inf)), math.nextafter(self.high, -math.inf))
        if not len(self.breaks):
            return trial
        begin, end = (int(np.searchsorted(self.breaks, each, "left")) for each in (self.low, self.high))
        if end == begin:
            return trial
        above = math.nextafter(max(float(self.breaks[begin]), self.low), math.inf)
        jump = float(self.breaks[begin if end - begin == 1 else (begin + end) // 2])
        return jump if jump > self.low else above

    def _close(self, dust: bool) -> None:
        if self.above == self.target:
            self.high, self.below, self.closed = self.low, self.above, True
        elif dust:
            if self.above > self.target:
                self.high, self.below = self.low, self.above
            else:
                self.low, self.above = self.high, self.below
            self.closed = True
        else:
            near = self.above - self.below <= CLOSE * abs(self.target)
            if near and len(self.breaks):
                begin, end = np.searchsorted(self.breaks, (self.low, self.high), "left")
                near = bool(begin == end)
            apart = 4e-16 * max(abs(self.low), abs(self.high)) + 3.0 * SMALLEST
            known = not (math.isnan(self.above) or math.isnan(self.below))
            self.closed = near or (known and self.high - self.low <= apart)


def close_one(part: Part, run: Pass, brackets: Brackets, guess: float, lowest: float) -> tuple[Taken, Taken]:
    """Close one bracket, in place; arguments and answer as of ``search.close_in``."""
    search = Single(brackets, part.leaves.breaks, lowest)
    ends: dict[float, Taken] = {}
    for _ in range(MOST_STEPS):
        if search.closed:
            break
        price = search.trial(guess)
        guess = math.nan
        taken = ends[price] = run(part, np.array([price]))
        brackets.passes += 1
        search.note(price, float(taken.total[part.top[0]]), float(taken.fall[part.top[0]]))
        ends = {price: each for price, each in ends.items() if price in (search.low, search.high)}
    for end, price, kept, total in (
        (brackets.low, search.low, brackets.above, search.above),
        (brackets.high, search.high, brackets.below, search.below),
    ):
        end[0], kept[0] = price, total
        if price not in ends:
            ends[price] = run(part, np.array([price]))
            brackets.passes += 1
    brackets.closed[0] = search.closed
    return ends[search.low], ends[search.high]
