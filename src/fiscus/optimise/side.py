"""Rules across a tree, as what a split uses of each: priced, they only change what single leaves bring and cost.

A rule on amounts is linear. A limit on what moves is convex and falls apart into leaves, so its price is a cost of change. A limit on
the loss in the worst scenarios (CVaR, or the worst case) is the largest of many mixtures of scenarios (Rockafellar & Uryasev
2000); each mixture, a cut, is a rule on the leaves' benefits, and its price makes those benefits count for more.
"""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import scipy.sparse as sp

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.problem import Problem
from fiscus.core.risk import Measure, RiskAversion
from fiscus.core.rows import Rows
from fiscus.core.rules import Risk
from fiscus.optimise.certificate import RowKey
from fiscus.optimise.tree import Program, solve_tree
from fiscus.optimise.tree.leaves import SEGMENTS, Leaves

TOLERANCE = 5e-9
"""Share of its size by which a split may miss a rule and count as obeying it."""


@dataclass(frozen=True, eq=False)
class Side:
    """Rules ``lower <= use(x) <= upper`` over the leaves: ``use = matrix @ x + moved @ |x - prior| - gain @ benefit(x)``.

    What moves and what is gained is limited from above only, so that the use is convex and a mixture of splits uses no more than
    they do.

    Attributes:
        matrix: Shape (r, m).
        moved: Not negative, shape (r, m).
        gain: Not negative, of the leaves' expected benefits, shape (r, m).
        lower: Shape (r,).
        upper: Shape (r,).
        rows: Block and row of the statement that each of the first is; cuts come after them.
    """

    matrix: sp.csr_array
    moved: sp.csr_array
    gain: sp.csr_array
    lower: FloatArray
    upper: FloatArray
    rows: tuple[tuple[Rows, int], ...]

    @classmethod
    def of(cls, side: tuple[tuple[Rows, IntArray], ...], lines: int, *, spare: int = 0) -> Side | None:
        """Rows of a split; None where one speaks of more than amounts and first movements.

        Args:
            side: Blocks and positions.
            lines: n; movements after the first period depend on two amounts.
            spare: Leaves besides those of the lines, of which the rows do not speak.
        """
        blocks: list[tuple[sp.csr_array, sp.csr_array]] = []
        for rows, which in side:
            if any(matrix.nnz for name, matrix in rows.terms.items() if name not in ("spend", "moved")):
                return None
            size = next(iter(rows.terms.values())).shape[1]
            none = sp.csr_array((len(which), size))
            spend, moved = (rows.terms[name][which] if name in rows.terms else none for name in ("spend", "moved"))
            limited = np.isfinite(rows.lower[which]).any() or (moved.data < 0).any() or (moved.indices >= lines).any()
            if moved.nnz and limited:
                return None
            blocks.append((spend, moved))
        if not blocks:
            return None
        none = sp.csr_array((sum(len(which) for _, which in side), spare))
        stacked = (sp.vstack(parts) for parts in zip(*blocks, strict=True))
        matrix, moved = (sp.csr_array(sp.hstack([block, none])) for block in stacked)
        return cls(
            matrix,
            moved,
            sp.csr_array(matrix.shape),
            np.concatenate([rows.lower[which] for rows, which in side]),
            np.concatenate([rows.upper[which] for rows, which in side]),
            tuple((rows, row) for rows, which in side for row in which.tolist()),
        )

    @classmethod
    def none(cls, leaves: int) -> Side:
        """No rules yet."""
        empty = sp.csr_array((0, leaves))
        return cls(empty, empty, empty, np.zeros(0), np.zeros(0), ())

    def __len__(self) -> int:
        return len(self.lower)

    def with_cut(self, matrix: FloatArray, moved: FloatArray, gain: FloatArray, upper: float) -> Side:
        """With one more rule, of arrays of shape (m,)."""
        return Side(
            _below(self.matrix, matrix),
            _below(self.moved, moved),
            _below(self.gain, gain),
            np.append(self.lower, -np.inf),
            np.append(self.upper, upper),
            self.rows,
        )

    def use(self, leaves: Leaves, amount: FloatArray) -> FloatArray:
        """What a split uses of each rule, shape (r,)."""
        use = self.matrix @ amount
        if self.moved.nnz:
            use = use + self.moved @ np.abs(amount - leaves.prior)
        return np.asarray(use - self.gain @ benefit(leaves, amount) if self.gain.nnz else use)

    def size(self, leaves: Leaves, amount: FloatArray) -> FloatArray:
        """Size of the terms of each use, at least 1, shape (r,)."""
        size = abs(self.matrix) @ np.abs(amount) + self.moved @ np.abs(amount - leaves.prior)
        return np.asarray(np.maximum(1.0, size + self.gain @ np.abs(benefit(leaves, amount))))

    def strength(self, money: float) -> sp.csr_array:
        """How strongly each amount moves each use, where a unit of money brings so much, shape (r, m)."""
        return sp.csr_array(abs(self.matrix) + self.moved + money * self.gain)

    def factor(self, mu: FloatArray) -> FloatArray:
        """By what prices multiply each leaf's benefit, shape (m,)."""
        return np.asarray(1.0 + self.gain.T @ mu)

    def priced(self, leaves: Leaves, mu: FloatArray) -> Leaves:
        """Leaves that pay for what they use."""
        made = replace(leaves, charge=np.asarray(self.matrix.T @ mu))
        if self.moved.nnz:
            made = replace(made, cost=leaves.cost + self.moved.T @ mu)
        if self.gain.nnz:
            factor = self.factor(mu)
            segment = np.repeat(factor, np.diff(leaves.first))
            made = replace(made, a=leaves.a * factor, slope=leaves.slope * segment, chord=leaves.chord * factor)
        return made


def _below(block: sp.csr_array, row: FloatArray) -> sp.csr_array:
    return sp.csr_array(sp.vstack([block, sp.csr_array(row[None, :])]))


def benefit(leaves: Leaves, amount: FloatArray) -> FloatArray:
    """What each leaf's curve brings, without costs, shape (m,)."""
    costs = leaves.cost * np.abs(amount - leaves.prior) + leaves.charge * amount
    return np.asarray(leaves.value(amount) + costs)


def charges(program: Program) -> FloatArray:
    """What money itself costs at each leaf, shape (m,)."""
    charge = program.base.copy()
    for level in program.levels[1:]:
        charge[level] = charge[program.parent[level]]
    return np.asarray(charge[program.owner])


def edges(side: Side, mu: FloatArray, step: FloatArray) -> tuple[FloatArray, FloatArray]:
    """Objective of one unit less and of one unit more use of each row: keeps the rows' duals within a step of mu."""
    dearest = np.where(np.isfinite(side.upper), mu + step, np.minimum(mu + step, 0.0))
    cheapest = np.where(np.isfinite(side.lower), mu - step, np.maximum(mu - step, 0.0))
    return -dearest, cheapest


MARGIN = 0.1
"""Room for risk saved beyond what can be saved, and below nothing, as a share of what can be."""

AVERSION = "aversion"
"""In place of a rule's id where risk is no rule but part of the objective."""


def with_spare(program: Program, worth: float, most: float) -> Program:
    """A program with one more leaf under a root of its own: risk that is saved, each unit worth the same.

    Args:
        program: Any.
        worth: Of a unit.
        most: Largest amount of it.
    """
    leaves, node = program.leaves, len(program.parent)
    more = {"upper": most, "h": 1.0, "p": 1.0}
    arrays = {
        name: np.append(getattr(leaves, name), more.get(name, 0.0))
        for name in ("a", "h", "p", "shift", "lower", "upper", "chord", "touch", "cost", "prior", "charge")
    }
    first = np.append(leaves.first, leaves.first[-1] + 1)
    slope, width = np.append(leaves.slope, worth), np.append(leaves.width, most)
    kind = np.append(leaves.kind, SEGMENTS)
    return Program(
        leaves=Leaves(kind=kind, first=first, slope=slope, width=width, **arrays),
        owner=np.append(program.owner, node),
        parent=np.append(program.parent, -1),
        levels=(np.append(program.levels[0], node), *program.levels[1:]),
        floor=np.append(program.floor, 0.0),
        cap=np.append(program.cap, most),
        base=np.append(program.base, 0.0),
        rows=program.rows,
    )


@dataclass(frozen=True, eq=False)
class RiskLimit:
    """A limit on the loss in the worst scenarios; or aversion to it, as a limit under which what is saved is worth something.

    Attributes:
        rule: Id of the rule, or ``AVERSION``.
        measure: ``cvar`` or ``worst``.
        limit: Largest measure of the loss, units of value.
        probability: Of the scenarios, shape (S,).
        share: Benefit in each scenario in parts of the expected one, shape (S, m).
        leaves: Without prices.
        money: What money costs at each leaf, and 1 at the leaf of what is saved, shape (m,).
    """

    rule: str
    measure: Measure
    limit: float
    probability: FloatArray
    share: FloatArray
    leaves: Leaves
    money: FloatArray

    @classmethod
    def of(cls, problem: Problem, rule: Risk, program: Program) -> RiskLimit | None:
        """A rule of a problem that the tree can hold; None for a chance, which is not convex."""
        measure, probability = Measure.parse(rule.measure), problem.scenarios.probability
        if measure.kind not in PRICED:
            return None
        shares = _shares(problem, program)
        return cls(rule.id, measure, rule.limit, probability, shares, program.leaves, charges(program))

    @classmethod
    def of_aversion(cls, problem: Problem, risk: RiskAversion, program: Program) -> tuple[RiskLimit, Program] | None:
        """Aversion of a problem, and its tree with a leaf for the risk saved; None where nothing can be allocated.

        The limit is a little more than the risk of the best split without aversion: with it, none would risk more.
        """
        best = solve_tree(program)
        if best is None:
            return None
        shares, probability = _shares(problem, program), problem.scenarios.probability
        plain = cls(AVERSION, risk.measure, 0.0, probability, shares, program.leaves, charges(program))
        worst = plain.excess(plain.losses(best.amount))
        # No split loses less than all there is to gain in the best scenario.
        safest = -float((shares @ benefit(program.leaves, program.leaves.upper)).max())
        # Room on both sides, so that the price of risk is the aversion itself, and not what an end would add.
        room = MARGIN * max(worst - safest, abs(worst))
        limit = worst + room
        wide = with_spare(program, risk.aversion, limit - safest + room)
        shares = np.concatenate([shares, np.zeros((len(shares), 1))], axis=1)
        return cls(AVERSION, risk.measure, limit, probability, shares, wide.leaves, np.append(plain.money, 1.0)), wide

    def losses(self, amount: FloatArray) -> FloatArray:
        """Loss in each scenario, units of value, shape (S,)."""
        costs = float(self.money @ amount + self.leaves.cost @ np.abs(amount - self.leaves.prior))
        return np.asarray(costs - self.share @ benefit(self.leaves, amount))

    def excess(self, loss: FloatArray) -> float:
        """How far losses are beyond the limit, negative inside it."""
        return float(self.measure.of_loss(loss, self.probability)) - self.limit

    def worst(self, loss: FloatArray) -> FloatArray:
        """The mixture of scenarios in which the loss is the measure, shape (S,), sums to 1."""
        possible = self.probability > 0
        weight = np.zeros(len(loss))
        if self.measure.kind == "worst":
            weight[np.argmax(np.where(possible, loss, -np.inf))] = 1.0
            return weight
        left = 1.0
        order = np.argsort(-loss, kind="stable")
        most = self.probability[order] / (1.0 - self.measure.level)
        before = np.cumsum(most) - most
        weight[order] = np.clip(left - before, 0.0, most)
        return np.asarray(weight / weight.sum())

    def cut(self, side: Side, mixture: FloatArray) -> Side:
        """With the rule that a mixture of scenarios, shape (S,), loses no more than the limit."""
        return side.with_cut(self.money, self.leaves.cost, mixture @ self.share, self.limit)

    def prices(self, mixture: FloatArray, price: float) -> dict[RowKey, float]:
        """Prices of the rule's own rows.

        Args:
            mixture: Price of each scenario's loss, shape (S,).
            price: Of the limit, their sum.
        """
        each = {f"scenario {place}": amount for place, amount in enumerate(mixture.tolist()) if amount}
        prices: dict[RowKey, float] = {}
        if self.rule == AVERSION:
            kind = f"{AVERSION}.worst" if self.measure.kind == "worst" else f"{AVERSION}.excess"
            named = kind if self.measure.kind == "worst" else AVERSION
            return prices | {(kind, (named, name)): -amount for name, amount in each.items()}
        if self.measure.kind == "worst":
            prices |= {(Risk.kind, (self.rule, name)): amount for name, amount in each.items()}
            return prices
        prices |= {(f"{self.rule}.excess", (self.rule, name)): -amount for name, amount in each.items()}
        return prices | {(Risk.kind, (self.rule, "all")): price}


PRICED = ("cvar", "worst")
"""Measures of the loss that are convex and fall apart into mixtures of scenarios."""


def _shares(problem: Problem, program: Program) -> FloatArray:
    """Benefit of each leaf in each scenario in parts of the expected one, shape (S, m)."""
    theta = problem.scenarios.theta.reshape(problem.scenarios.size, len(program.leaves))
    mean = problem.scenarios.expected().ravel()
    return np.divide(theta, mean, out=np.ones_like(theta), where=mean > 0)
