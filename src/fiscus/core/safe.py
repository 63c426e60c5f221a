"""Plans that stay within every hard rule, whatever is wished for: a step towards a wish from a plan that is known to be allowed.

Each plan of a batch is whole: periods already decided, the one being decided, and a continuation that keeps every rule to the
end. A wish for the period is first tried as it is, with a few continuations; then on the way from the known plan to it, and
then line by line. Every plan that is kept was found to obey every row, so the map is safe for any rule that has rows, also for
rules that make the allowed set neither convex nor connected; where it is convex, what is kept lies on the set's edge.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from fiscus.core.activity import Activity
from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.problem import Problem

EXACT = 1e-10
"""Distance beyond a bound, in parts of the bound, up to which a plan counts as allowed: float64 dust."""

HALVINGS = 40
"""Steps of the search along a ray: after these the rest of the way is float64 dust."""

STEPS = (1.0, 0.5, 0.25, 0.125)
"""Parts of the way to its wish that a single line tries."""


@dataclass(frozen=True, eq=False)
class Safe:
    """The known-feasible map of a problem.

    Attributes:
        problem: With its rules.
        rows: Every hard row.
        anchor: A plan that obeys every hard rule, major units, shape (T, n).
    """

    problem: Problem
    rows: Activity
    anchor: FloatArray

    def allowed(self, plans: FloatArray) -> BoolArray:
        """Which whole plans, shape (B, T, n), obey every row and every line's floor and cap."""
        lines = self.problem.lines
        inside = ((plans >= lines.floor) & (plans <= lines.cap)).all(axis=(1, 2))
        return np.asarray(inside & (self.rows.excess(plans) <= EXACT))

    def tried(self, plans: FloatArray, period: IntArray, wish: FloatArray) -> tuple[BoolArray, FloatArray]:
        """Whole plans with exactly a wish in one period.

        Args:
            plans: Allowed ones, major units, shape (B, T, n); not changed.
            period: Being decided, shape (B,).
            wish: For that period, major units, shape (B, n).

        Returns:
            Where some continuation of the wish obeys every rule, shape (B,), and the plans, as given where none does.
        """
        best, found = plans.copy(), np.zeros(len(plans), dtype=bool)
        for aim in self._continued(plans, period, wish):
            places = np.flatnonzero(~found)
            good = self.allowed(aim[places])
            best[places[good]] = aim[places[good]]
            found[places[good]] = True
        return found, best

    def advanced(self, plans: FloatArray, period: IntArray, wish: FloatArray) -> FloatArray:
        """Whole plans that come as near to a wish for one period as the rules let them.

        Args:
            plans: Allowed ones, major units, shape (B, T, n); not changed.
            period: Being decided, shape (B,); periods before it stay as they are.
            wish: For that period, major units, shape (B, n).

        Returns:
            Allowed plans, shape (B, T, n).
        """
        best = plans.copy()
        wish = self._rounded(period, wish)
        open_ = self._differs(best, period, wish)
        for aim in self._continued(plans, period, wish):
            if not open_.any():
                return best
            places = np.flatnonzero(open_)
            good = self.allowed(aim[places])
            best[places[good]] = aim[places[good]]
            open_[places[good]] = False
        places = np.flatnonzero(open_)
        if len(places):
            best[places] = self._towards(best[places], period[places], wish[places])
        return best

    def _towards(self, plans: FloatArray, period: IntArray, wish: FloatArray) -> FloatArray:
        """The farthest point on the way to a wish, then each line alone, the one farthest from its wish first."""
        best = self._ray(plans, period, wish)
        rows = np.arange(len(best))
        missed = np.abs(wish - best[rows, period])
        order = np.argsort(-missed, axis=1, kind="stable")
        for rank in range(order.shape[1]):
            line = order[:, rank]
            places = np.flatnonzero(missed[rows, line] > EXACT * np.maximum(1.0, np.abs(wish[rows, line])))
            for step in STEPS:
                if not len(places):
                    break
                target = best[places, period[places]].copy()
                chosen = line[places]
                here = np.arange(len(places))
                target[here, chosen] += step * (wish[places, chosen] - target[here, chosen])
                target = self._rounded(period[places], target)
                done = np.zeros(len(places), dtype=bool)
                for aim in self._continued(best[places], period[places], target):
                    good = ~done & self.allowed(aim)
                    best[places[good]] = aim[good]
                    done |= good
                places = places[~done]
        return best

    def _ray(self, plans: FloatArray, period: IntArray, wish: FloatArray) -> FloatArray:
        """The farthest allowed point between each plan and the nearest of its aims, by halving."""
        best, reached = plans.copy(), np.zeros(len(plans))
        for aim in self._continued(plans, period, wish):
            low, high = np.zeros(len(plans)), np.ones(len(plans))
            for _ in range(HALVINGS):
                middle = 0.5 * (low + high)
                good = self.allowed(_between(plans, aim, middle))
                low, high = np.where(good, middle, low), np.where(good, high, middle)
            farther = low > reached
            best[farther] = _between(plans, aim, low)[farther]
            reached = np.maximum(reached, low)
        return best

    def _continued(self, plans: FloatArray, period: IntArray, wish: FloatArray) -> list[FloatArray]:
        """Whole plans with the wish in its period and different continuations: as known, as the anchor, held, gliding back."""
        rows, later = np.arange(len(plans)), np.arange(plans.shape[1])[None, :] > period[:, None]
        aims = []
        ahead = np.maximum(np.arange(plans.shape[1])[None, :] - period[:, None], 0)
        held = np.broadcast_to(wish[:, None, :], plans.shape)
        glide = np.minimum(GLIDE * ahead, 1.0)[..., None]
        anchor = np.broadcast_to(self.anchor, plans.shape)
        after = [plans]
        if later.any():
            after += [anchor, held, (1.0 - glide) * held + glide * anchor]
        for continuation in after:
            aim = np.where(
                later[..., None], np.clip(continuation, self.problem.lines.floor, self.problem.lines.cap), plans
            )
            aim[rows, period] = wish
            aims.append(aim)
        return aims

    def _rounded(self, period: IntArray, wish: FloatArray) -> FloatArray:
        """Wishes that lines can have one by one: all or nothing by halves, tickets at least, between floor and cap."""
        lines = self.problem.lines
        floor, cap = lines.floor[period], lines.cap[period]
        wish = np.clip(wish, floor, cap)
        wish = np.where(lines.lumpy, np.where(2.0 * wish >= cap, cap, 0.0), wish)
        least = np.maximum(lines.min_ticket, self.problem.minor_unit)
        indicated = self.problem.statement.indicated[period] & ~lines.lumpy
        small = indicated & (wish < least)
        return np.asarray(np.where(small, np.where(2.0 * wish >= least, least, 0.0), wish))

    @staticmethod
    def _differs(plans: FloatArray, period: IntArray, wish: FloatArray) -> BoolArray:
        return np.asarray((plans[np.arange(len(plans)), period] != wish).any(axis=1))


GLIDE = 0.25
"""Part of the way back to the anchor that a gliding continuation goes in each period."""


def _between(start: FloatArray, end: FloatArray, part: FloatArray) -> FloatArray:
    return np.asarray(start + part[:, None, None] * (end - start))
