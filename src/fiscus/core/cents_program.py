"""Moving single minor units until every hard rule holds: a small integer program (§3.1)."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import BoolArray, FloatArray, IntArray
from fiscus.core.cents import EXACT, constant_part, hard_rows, misses, to_the_cent, whole_rows
from fiscus.core.dynamics import evaluate
from fiscus.core.problem import Problem
from fiscus.core.rounding import Forest, Limits, snapped
from fiscus.core.rows import Rows

MOST_FREE = 4000
"""Amounts that may move at once, about."""

MOST_WORK = 2e8
"""Benefits evaluated at most to see what single minor units do to the value."""

SECONDS = 10.0
"""Longest search of one program."""


@dataclass(frozen=True, eq=False)
class Block:
    """Rows of the program: ``lower <= matrix @ offsets <= upper``, in minor units."""

    matrix: sp.csr_array
    lower: FloatArray
    upper: FloatArray
    source: Rows | None = None


@dataclass(frozen=True, eq=False)
class Program:
    """Whole minor units near the amounts wanted, such that every hard row holds.

    The columns are offsets from ``start``, in minor units where they are money, so that the rows' numbers stay small:
    first the amounts, then the other quantities that hard rules speak of, tied to them by the statement's definitions.
    What is funded stays funded. The value by scenario is taken to be linear in single minor units.

    Attributes:
        problem: With its rules.
        forest: The tree in each period.
        limits: Of amounts and totals, minor units.
        wanted: Amounts before rounding, minor units, shape (T*n,).
        start: Rounded amounts, minor units, shape (T*n,).
    """

    problem: Problem
    forest: Forest
    limits: Limits
    wanted: FloatArray
    start: IntArray

    def solve(self, reach: int, *, keep_totals: bool, margins: dict[Rows, FloatArray]) -> IntArray | None:
        """Move as little as possible from the amounts wanted.

        Args:
            reach: Minor units beyond its two neighbours that an amount may move.
            keep_totals: Whether every unit's total stays at one of its two neighbours.
            margins: Distance to keep from the bounds of hard rows, in the rows' unit.

        Returns:
            Minor units, shape (T*n,), for the caller to check; None where there are none.
        """
        low, high = self._ranges(reach)
        free = self._free(low, high)
        cells = np.flatnonzero(free)
        if not len(cells):
            return np.asarray(self.start + low, dtype=np.int64)
        blocks = [*self._rules, *self._definitions, *([self._totals] if keep_totals else [])]
        matrix = sp.csc_array(sp.vstack([block.matrix for block in blocks]))
        fixed = matrix[:, : len(low)] @ np.where(free, 0, low)
        keep = [
            np.zeros(len(block.lower))
            if block.source is None
            else margins.get(block.source, np.zeros(len(block.lower)))
            for block in blocks
        ]
        margin = np.concatenate(keep) / self.problem.minor_unit
        lower = np.concatenate([block.lower for block in blocks]) - fixed + margin
        upper = np.concatenate([block.upper for block in blocks]) - fixed - margin
        others = np.arange(len(low), matrix.shape[1])
        answer = self._search(
            matrix[:, np.concatenate([cells, others])], (lower, upper), cells, (low[cells], high[cells])
        )
        if answer is None:
            return None
        offsets = low.copy()
        offsets[cells] = answer
        return np.asarray(self.start + offsets, dtype=np.int64)

    def _search(
        self,
        matrix: sp.csc_array,
        rows: tuple[FloatArray, FloatArray],
        cells: IntArray,
        ranges: tuple[IntArray, IntArray],
    ) -> IntArray | None:
        """Offsets of the free amounts, with one more column for the distance of each from what is wanted."""
        from scipy.optimize import Bounds, LinearConstraint, milp

        if (rows[0] > rows[1]).any():
            return None
        count, width = len(cells), matrix.shape[1]
        away, least = _distances(self.wanted[cells], self.start[cells], width)
        padded = sp.hstack([matrix, sp.csc_array((matrix.shape[0], count))])
        lower, upper = self._columns
        answer = milp(
            np.concatenate([np.zeros(width), np.ones(count)]),
            integrality=np.concatenate([np.ones(count), np.zeros(width)]),
            bounds=Bounds(
                np.concatenate([ranges[0], lower, np.zeros(count)]),
                np.concatenate([ranges[1], upper, np.full(count, np.inf)]),
            ),
            constraints=[LinearConstraint(padded, *rows), LinearConstraint(away, least, np.inf)],
            options={"time_limit": SECONDS, "mip_rel_gap": 1e-3},
        )
        return None if answer.x is None else np.rint(answer.x[:count]).astype(np.int64)

    def _ranges(self, reach: int) -> tuple[IntArray, IntArray]:
        """Offsets that each amount may take, shapes (T*n,)."""
        bounds = self.limits.cell_lower, self.limits.cell_upper
        down, up = np.floor(self.wanted).astype(np.int64) - reach, np.ceil(self.wanted).astype(np.int64) + reach
        return np.clip(down, *bounds) - self.start, np.clip(up, *bounds) - self.start

    def _free(self, low: IntArray, high: IntArray) -> BoolArray:
        """Amounts that may move: all, or in a large plan those of some of the units that broken rules touch.

        Whole units, so that money can move inside each. The other amounts' ranges are closed where they stand.
        """
        free = np.asarray(low < high)
        if int(free.sum()) <= MOST_FREE:
            return free
        touched = np.zeros(len(low), dtype=bool)
        for miss in misses(self.problem, self.start.reshape(self.problem.shape)):
            plain = "spend" in miss.rows.terms
            touched |= abs(miss.rows.terms["spend"][miss.row]).sum(axis=0) > 0 if plain else True
        owners = np.unique(self.forest.owner[free & touched])
        near = free & np.isin(self.forest.owner, owners)
        every = -(-int(near.sum()) // MOST_FREE)
        chosen = near & np.isin(self.forest.owner, owners[::every])
        stay = free & ~chosen
        low[stay] = high[stay] = 0
        return chosen

    @cached_property
    def _point(self) -> dict[str, FloatArray]:
        """Every column at the start, with what is funded fixed by the amounts wanted."""
        return self._at(self.start)

    def _at(self, minor: IntArray) -> dict[str, FloatArray]:
        """Every column at some minor units, with yes-or-no columns as they are for the amounts wanted."""
        statement, shape = self.problem.statement, self.problem.shape
        point = statement.point(self.problem.currency.to_major_array(minor.reshape(shape)))
        before = statement.point((self.wanted * self.problem.minor_unit).reshape(shape))
        names = ("spend", "funded", *self._names)
        return {name: (before if statement.columns[name].integer else point)[name].ravel() for name in names}

    def tightened(self, margins: dict[Rows, FloatArray], minor: IntArray) -> dict[Rows, FloatArray]:
        """Margins that also cover what an answer is off by, in rows that are not linear in the amounts.

        Args:
            margins: That the answer was found with.
            minor: The answer, minor units, shape (T*n,).
        """
        point, more = self._at(minor), dict(margins)
        for block in (*self._rules, *self._definitions):
            if block.source is None:
                continue
            activity = block.source.activity(point)
            slack = to_the_cent(self.problem, block.source, point["funded"])
            distance = np.maximum(activity - block.source.upper, block.source.lower - activity) - slack
            bent = (distance > 0) & (block.source.lower < block.source.upper)
            if bent.any():
                extra = np.where(bent, 1.5 * distance + EXACT * block.source.scale(point), 0.0)
                more[block.source] = more.get(block.source, np.zeros(len(block.source))) + extra
        return more

    @cached_property
    def _names(self) -> tuple[str, ...]:
        """Blocks of columns besides ``spend`` and ``funded`` that hard rows speak of, directly or by definition."""
        constant = {"spend", "funded"}
        needed = {name for rows in hard_rows(self.problem) for name in rows.terms} - constant
        size = -1
        while size < len(needed):
            size = len(needed)
            for rows in self.problem.statement.definitions:
                if needed & set(rows.terms):
                    needed |= set(rows.terms) - constant
        return tuple(sorted(needed))

    @cached_property
    def _columns(self) -> tuple[FloatArray, FloatArray]:
        """Bounds of the other columns' offsets; yes-or-no columns stay as they are."""
        lower, upper = [np.zeros(0)], [np.zeros(0)]
        for name in self._names:
            block, at = self.problem.statement.columns[name], self._point[name]
            if block.integer:
                lower.append(np.zeros(block.size))
                upper.append(np.zeros(block.size))
                continue
            sides = (np.broadcast_to(bound, block.shape).ravel() for bound in (block.lower, block.upper))
            least, most = ((side - at) / self.problem.minor_unit for side in sides)
            lower.append(np.minimum(least, 0.0))
            upper.append(np.maximum(most, 0.0))
        return np.concatenate(lower), np.concatenate(upper)

    @cached_property
    def _rules(self) -> list[Block]:
        """Hard rows."""
        return [self._block(rows) for rows in hard_rows(self.problem)]

    @cached_property
    def _definitions(self) -> list[Block]:
        """Rows that tie the other columns to the amounts."""
        used = set(self._names)
        found = [
            self._block(rows) for rows in self.problem.statement.definitions if used & set(rows.terms) and len(rows)
        ]
        return [*found, self._values] if "value" in used else found

    def _block(self, rows: Rows) -> Block:
        """A block of the statement's rows in offsets and minor units.

        Rows of whole coefficients on money alone get whole bounds, so that no dust in a bound costs a minor unit.
        """
        scale = 1.0 / self.problem.minor_unit
        spend = rows.terms.get("spend", sp.csr_array((len(rows), len(self.wanted))))
        constant = constant_part(rows, self._point["funded"])
        other = [name for name in self._names if name in rows.terms]
        constant = constant + sum((rows.terms[name] @ self._point[name] for name in other), np.zeros(len(rows)))
        slack = to_the_cent(self.problem, rows, self._point["funded"]) * (1.0 - 1e-6)
        started = spend @ self.start
        lower = (rows.lower - slack - constant) * scale - started
        upper = (rows.upper + slack - constant) * scale - started
        if not other:
            exact = whole_rows(spend)
            lower = np.where(exact & np.isfinite(lower), np.ceil(snapped(lower)), lower)
            upper = np.where(exact & np.isfinite(upper), np.floor(snapped(upper)), upper)
        parts = [spend]
        for name in self._names:
            empty = sp.csr_array((len(rows), self.problem.statement.columns[name].size))
            parts.append(rows.terms.get(name, empty))
        return Block(sp.csr_array(sp.hstack(parts)), lower, upper, rows)

    @cached_property
    def _values(self) -> Block:
        """What one minor unit of each amount does to each scenario's value; nothing is said where that takes long."""
        size, cells, unit = self.problem.scenarios.size, len(self.wanted), self.problem.minor_unit
        movable = np.flatnonzero(self.limits.cell_lower < self.limits.cell_upper)
        work = float(len(movable)) * size * cells
        gain = np.zeros((size, cells))
        if work <= MOST_WORK:
            sign = np.where(self.start[movable] < self.limits.cell_upper[movable], 1, -1)
            batch = max(1, int(2e6 / (size * cells)))
            for first in range(0, len(movable), batch):
                chosen = movable[first : first + batch]
                signs = sign[first : first + batch]
                trial = np.tile(self.start, (len(chosen), 1))
                trial[np.arange(len(chosen)), chosen] += signs
                spend = self.problem.currency.to_major_array(trial).reshape(-1, *self.problem.shape)
                gain[:, chosen] = (evaluate(self.problem, spend) - self._point["value"]).T * signs
        parts = [sp.csr_array(-gain / unit)]
        for name in self._names:
            width = self.problem.statement.columns[name].size
            parts.append(sp.eye_array(size, format="csr") if name == "value" else sp.csr_array((size, width)))
        none = np.full(size, np.inf)
        zero = np.zeros(size) if work <= MOST_WORK else none
        return Block(sp.csr_array(sp.hstack(parts)), -zero, zero)

    @cached_property
    def _totals(self) -> Block:
        """Every unit's total stays at one of the two neighbours of what was wanted."""
        periods = self.problem.shape[0]
        members = sp.kron(sp.eye_array(periods, format="csr"), self.problem.membership, format="csr")
        wanted, started = snapped(members @ self.wanted), members @ self.start
        others = sum(self.problem.statement.columns[name].size for name in self._names)
        matrix = sp.csr_array(sp.hstack([members, sp.csr_array((members.shape[0], others))]))
        return Block(matrix, np.floor(wanted) - started, np.ceil(wanted) - started)


def _distances(wanted: FloatArray, start: IntArray, width: int) -> tuple[sp.csr_array, FloatArray]:
    """Rows that keep each amount's distance column at least ``|amount - wanted|``, exact at whole numbers.

    The third cut joins the distances at the two neighbours, so that the relaxation gains nothing by fractions.
    """
    count = len(wanted)
    fraction = wanted - np.floor(wanted)
    offset = np.floor(wanted) - start
    eye, gap = sp.eye_array(count, format="csr"), sp.csr_array((count, width - count))
    slope = 1.0 - 2.0 * fraction
    matrix = sp.vstack([
        sp.hstack([-eye, gap, eye]),
        sp.hstack([eye, gap, eye]),
        sp.hstack([sp.diags_array(-slope), gap, eye]),
    ])  # fmt: skip
    least = np.concatenate([start - wanted, wanted - start, fraction - slope * offset])
    return sp.csr_array(matrix), least
