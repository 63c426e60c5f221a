"""One period's money where it is worth most at the margin, for whole batches: the tree's price search without a solver (§4, tree).

The best value of a subtree is concave in its total, so its demand at a price is the sum of its children's, inside its floor and cap.
Every family of nodes finds the price at which its children take what their parent has, from the root down.
"""

from __future__ import annotations

import numpy as np

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.core.dynamics import State
from fiscus.core.facts import Facts
from fiscus.core.nested import Level, Nest

LOG_RANGE = 300.0
"""Logarithms of prices lie between minus this and this: beyond any margin, and products with amounts stay within float64."""

HALVINGS = 60
"""Steps of the search for a price: after these two prices differ by float64 dust, and what lies between is shared."""


def slopes(facts: Facts, state: State, factor: FloatArray, spend: FloatArray) -> FloatArray:
    """Value of one more unit of money this period on each line, effects on later periods left out.

    Args:
        facts: The plan's facts.
        state: Before the period.
        factor: Multiplier of each line's benefit, shape (B, n).
        spend: Major units, shape (B, n).

    Returns:
        Undiscounted value per major unit, shape (B, n).
    """
    lines = facts.lines
    slope = lines.curves.derivative(lines.retention * state.stock + spend)
    gain = factor * lines.weight
    return np.multiply(gain, slope, out=np.zeros(slope.shape), where=gain > 0)


def priced(
    nest: Nest, facts: Facts, state: State, factor: FloatArray, total: FloatArray, low: FloatArray, high: FloatArray
) -> FloatArray:
    """The split of a total that is worth most this period, exact where curves are concave.

    A curve that is not concave (an S, a step) counts as the straight line from its floor to its cap.

    Args:
        nest: Floors and caps.
        facts: The plan's facts.
        state: Before the period.
        factor: Multiplier of each line's benefit, not negative, shape (B, n).
        total: To be split, between the root's floor and cap, major units, shape (B,).
        low: Least each node must get, major units, shape (B, nodes + 1).
        high: Most it may get, the same shape.

    Returns:
        Major units, shape (B, n).
    """
    demand = _Demand(nest, facts, state, factor, low, high)
    node = np.zeros(low.shape)
    node[:, nest.root] = total
    for level, under in zip(nest.levels, _families(nest), strict=True):
        want = node[:, level.parents]
        bottom, top = np.full(want.shape, -LOG_RANGE), np.full(want.shape, LOG_RANGE)
        for _ in range(HALVINGS):
            middle = 0.5 * (bottom + top)
            scarce = _asked(demand.at(middle, under), level) >= want
            bottom, top = np.where(scarce, middle, bottom), np.where(scarce, top, middle)
        # Between two prices that are the same but for the last bit lies what a line takes that is worth just that price.
        few, many = demand.at(top, under), demand.at(bottom, under)
        short, more = want - _asked(few, level), _asked(many, level) - _asked(few, level)
        part = np.clip(np.divide(short, more, out=np.zeros_like(short), where=more > 0), 0.0, 1.0)[..., None]
        children = few[:, level.children] + part * (many[:, level.children] - few[:, level.children])
        node[:, level.children] = children
    # What rounding left is shared, so that the total is met to the last bit that it can be.
    return nest.nearest(node[:, nest.line_nodes], total, low, high)


class _Demand:
    """What every node takes when each line faces the price of a family above it."""

    def __init__(
        self, nest: Nest, facts: Facts, state: State, factor: FloatArray, low: FloatArray, high: FloatArray
    ) -> None:
        lines = facts.lines
        self.nest, self.low, self.high = nest, low, high
        self.kept = lines.retention * state.stock
        self.gain = factor * lines.weight
        self.bent = np.flatnonzero(~lines.curves.concave)
        self.round = np.flatnonzero(lines.curves.concave)
        self.curves = lines.curves.take(self.round)
        self.floor, self.cap = low[:, nest.line_nodes], high[:, nest.line_nodes]
        value = lines.curves.value
        rise = value(self.kept + self.cap) - value(self.kept + self.floor)
        width = self.cap - self.floor
        self.chord = self.gain * np.divide(rise, width, out=np.zeros_like(rise), where=width > 0)

    def at(self, log_price: FloatArray, under: IntArray) -> FloatArray:
        """Amounts of all nodes, shape (B, nodes + 1).

        Args:
            log_price: Of each family, shape (B, f).
            under: Family above each line, shape (n,); -1 for lines that are settled, which take their floor.
        """
        price = np.exp(log_price)[:, np.maximum(under, 0)]
        want = np.where(self.chord >= price, self.cap, self.floor)
        gain = self.gain[:, self.round]
        each = np.divide(price[:, self.round], gain, out=np.full(gain.shape, np.inf), where=gain > 0)
        want[:, self.round] = self.curves.inverse_derivative(each) - self.kept[:, self.round]
        return self.nest.gathered(want, self.low, self.high)


def _asked(node: FloatArray, level: Level) -> FloatArray:
    return np.asarray(np.add.reduce(node[:, level.children], axis=-1))


def _families(nest: Nest) -> list[IntArray]:
    """For each level the family above each line, shape (n,), -1 where the line hangs higher up."""
    above = np.full(nest.units + nest.lines + 1, -1)
    for level in nest.levels:
        for parent, children in zip(level.parents.tolist(), level.children.tolist(), strict=True):
            above[[child for child in children if child < nest.units + nest.lines]] = parent
    found = []
    for level in nest.levels:
        family = {parent: position for position, parent in enumerate(level.parents.tolist())}
        under = np.full(nest.lines, -1)
        for line in range(nest.lines):
            node = above[nest.units + line]
            while node >= 0 and node not in family:
                node = above[node]
            under[line] = family.get(int(node), -1)
        found.append(under)
    return found
