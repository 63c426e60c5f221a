"""Whether exactly one rule takes each proposal, exactly.

All proposals form a space of unit x risk x origin x amount x change, where "new" is a change of its own. The bounds of the rules
cut amount and change into elementary pieces, within which no rule can tell proposals apart. Which rules take a piece is a set
of bits; the space is walked one dimension after another with the rules still in play, and slices that leave the same rules in
play are walked once.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cache, reduce
from itertools import combinations, pairwise
from operator import and_, or_

from fiscus.workflow.authority.conditions import ELSEWHERE, EVERY_CHANGE, LEAST_CHANGE, ORIGINS, Condition, Number, Span
from fiscus.workflow.authority.matrix import Matrix, Rule
from fiscus.workflow.authority.routing import Facts


@dataclass(frozen=True, slots=True)
class Gap:
    """Proposals that no rule takes.

    Attributes:
        region: All of them, of this gap.
        example: One of them.
    """

    region: Condition
    example: Facts


@dataclass(frozen=True, slots=True)
class Overlap:
    """Two rules that take the same proposals.

    Attributes:
        first: Rule.
        second: Rule.
        example: A proposal that both take.
    """

    first: str
    second: str
    example: Facts


def overlaps(matrix: Matrix) -> tuple[Overlap, ...]:
    """Each two rules that overlap, with an example; names in conditions must be known."""
    found = []
    for first, second in combinations(matrix.rules, 2):
        both = _meet(first.when, second.when)
        if both is not None:
            found.append(Overlap(first.id, second.id, _example(both, matrix)))
    return tuple(found)


def gaps(matrix: Matrix) -> tuple[Gap, ...]:
    """All that no rule takes, each proposal in one gap; names in conditions must be known."""
    space = _Space(matrix)
    regions = (region for box in space.open() for region in space.regions(box))
    return tuple(Gap(region, _example(region, matrix)) for region in regions)


def _meet(first: Condition, second: Condition) -> Condition | None:
    """What both conditions take; None for nothing."""
    amount = first.amount.meet(second.amount)
    change = first.change.meet(second.change) if first.change and second.change else None
    new = first.new and second.new
    names = [
        _common(first.units, second.units),
        _common(first.risks, second.risks),
        _common(first.origins, second.origins),
    ]
    units, risks, origins = names
    if amount is None or (change is None and not new) or units is None or risks is None or origins is None:
        return None
    return Condition(amount, change, new, units, risks, origins)


def _common(first: tuple[str, ...], second: tuple[str, ...]) -> tuple[str, ...] | None:
    """Names of both, where none stands for all; None where they share none."""
    if not first or not second:
        return first or second
    return tuple(name for name in first if name in second) or None


def _example(region: Condition, matrix: Matrix) -> Facts:
    return Facts(
        region.amount.start,
        region.change.start if region.change is not None else None,
        (region.units or (*matrix.units, ELSEWHERE))[0],
        (region.risks or matrix.risk_bands or ("",))[0],
        (region.origins or ORIGINS)[0],
    )


Box = tuple[tuple[int, ...], ...]
"""Positions along each dimension; dimensions that are left out at the end do not matter."""


class _Space:
    """All proposals, cut where rules begin and end."""

    def __init__(self, matrix: Matrix) -> None:
        rules = matrix.rules
        self.units = (*matrix.units, ELSEWHERE)
        self.risks = matrix.risk_bands or ("",)
        self.amounts = _pieces(0, (rule.when.amount for rule in rules))
        self.changes = _pieces(LEAST_CHANGE, (rule.when.change for rule in rules if rule.when.change is not None))
        self.masks = (
            [_mask(rules, _names(name, lambda when: when.units)) for name in self.units],
            [_mask(rules, _names(name, lambda when: when.risks)) for name in self.risks],
            [_mask(rules, _names(name, lambda when: when.origins)) for name in ORIGINS],
            [_mask(rules, _begins(piece.start)) for piece in self.amounts],
            [*(_mask(rules, _changes(piece.start)) for piece in self.changes), _mask(rules, lambda when: when.new)],
        )
        self.whole = (1 << len(rules)) - 1

    def open(self) -> tuple[Box, ...]:
        """Boxes that no rule takes."""
        depth_of_all = len(self.masks)
        # Rules that take everything from a dimension on: where one of them is in play, nothing further down is open.
        every = [self.whole] * (depth_of_all + 1)
        for depth in reversed(range(depth_of_all)):
            every[depth] = every[depth + 1] & reduce(and_, self.masks[depth])

        @cache
        def walk(depth: int, playing: int) -> tuple[Box, ...]:
            if not playing:
                return ((),)
            if playing & every[depth]:
                return ()
            slices: dict[tuple[Box, ...], list[int]] = {}
            for position, mask in enumerate(self.masks[depth]):
                rest = walk(depth + 1, playing & mask)
                if rest:
                    slices.setdefault(rest, []).append(position)
            return tuple((tuple(positions), *box) for rest, positions in slices.items() for box in rest)

        return walk(0, self.whole)

    def regions(self, box: Box) -> Iterator[Condition]:
        """A box as conditions, one for each row of pieces that lie side by side."""
        everything: Box = ((),) * (len(self.masks) - len(box))
        units, risks, origins, amounts, changes = box + everything
        new = len(self.changes)
        had = [position for position in changes if position != new]
        past: list[tuple[Span[float] | None, bool]] = [(EVERY_CHANGE, True)]
        if changes:
            # What is new stands beside the first row of changes, or alone.
            past = [(span, False) for span in _runs(self.changes, had)] or [(None, False)]
            past[0] = (past[0][0], new in changes)
        for amount in _runs(self.amounts, amounts or range(len(self.amounts))):
            for change, is_new in past:
                yield Condition(
                    amount,
                    change,
                    is_new,
                    _all_or(self.units, units),
                    () if self.risks == ("",) else _all_or(self.risks, risks),
                    _all_or(ORIGINS, origins),
                )


def _pieces(least: Number, spans: Iterable[Span[Number]]) -> list[Span[Number]]:
    """Elementary pieces between the bounds of some spans."""
    bounds: set[Number] = {least}
    for span in spans:
        bounds.add(span.start)
        if span.below is not None:
            bounds.add(span.below)
    ends: list[Number] = sorted(bounds)
    pieces: list[Span[Number]] = [Span(start, below) for start, below in pairwise(ends)]
    pieces.append(Span(ends[-1]))
    return pieces


def _runs(pieces: list[Span[Number]], positions: Iterable[int]) -> list[Span[Number]]:
    """Pieces that lie side by side, as one each."""
    runs: list[Span[Number]] = []
    for position in positions:
        piece = pieces[position]
        if runs and runs[-1].below == piece.start:
            runs[-1] = Span(runs[-1].start, piece.below)
        else:
            runs.append(piece)
    return runs


def _all_or(names: tuple[str, ...], positions: tuple[int, ...]) -> tuple[str, ...]:
    return () if len(positions) in (0, len(names)) else tuple(names[position] for position in positions)


Test = Callable[[Condition], bool]


def _mask(rules: tuple[Rule, ...], test: Test) -> int:
    """Rules whose conditions pass, a bit each."""
    return reduce(or_, _bits(rules, test), 0)


def _bits(rules: tuple[Rule, ...], test: Test) -> Iterator[int]:
    return (1 << position for position, rule in enumerate(rules) if test(rule.when))


def _names(name: str, part: Callable[[Condition], tuple[str, ...]]) -> Test:
    return lambda when: not part(when) or name in part(when)


def _begins(amount: int) -> Test:
    return lambda when: when.amount.holds(amount)


def _changes(change: float) -> Test:
    return lambda when: when.change is not None and when.change.holds(change)
