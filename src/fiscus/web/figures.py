"""What a version of a proposal says in figures: lines, units above them, and what the solve left; made once for each version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fiscus.core.money import compact, percent
from fiscus.workflow.proposal.content import Content
from fiscus.workflow.service.reading import Parsed

SORTS = ("change", "line", "unit", "asked", "amount", "prior")
PAGE = 50
"""Rows of a table on one page."""

PROVED, REPORTED = "proved", "reported"

KEPT = Parsed(64)


@dataclass(frozen=True, slots=True)
class Row:
    """A line in a period, or a unit with all below it.

    Attributes:
        period: Of the budget; empty for a unit over all of them.
        id: Of the line or unit.
        title: For people.
        unit: That it belongs to.
        asked: Minor units; None where nothing was asked for.
        amount: Recommended, minor units.
        prior: Last year's; None for nothing known.
    """

    period: str
    id: str
    title: str
    unit: str
    asked: int | None
    amount: int
    prior: int | None

    @property
    def change(self) -> int:
        """Against last year, minor units."""
        return self.amount - (self.prior or 0)

    @property
    def rate(self) -> float | None:
        """Against last year, as a fraction; None where there was nothing."""
        return self.change / self.prior if self.prior else None


@dataclass(frozen=True, eq=False)
class Figures:
    """A version in figures.

    Attributes:
        content: It.
        parents: Unit above each unit; empty for the root.
        titles: Of units.
    """

    content: Content
    parents: Mapping[str, str]
    titles: Mapping[str, str] = field(default_factory=dict)

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """All lines, those that asked and got nothing included."""
        asked = {
            (period, line): (unit, title, amount) for period, line, unit, title, amount in self.evidence("asked", [])
        }
        found = []
        for item in self.content.items:
            _, title, wanted = asked.pop(item.cell, ("", "", None))
            name = item.title or title or item.line
            found.append(Row(item.period, item.line, name, item.unit, wanted, item.amount, item.prior))
        for (period, line), (unit, title, wanted) in asked.items():
            found.append(Row(period, line, title or line, unit, wanted, 0, 0))
        return tuple(found)

    def evidence(self, name: str, otherwise: Any = None) -> Any:
        """A part of what the solve left."""
        found = self.content.evidence.get(name)
        return otherwise if found is None else found

    @cached_property
    def periods(self) -> tuple[str, ...]:
        """Of its lines, in order."""
        return tuple(dict.fromkeys(row.period for row in self.rows))

    @cached_property
    def asked(self) -> int | None:
        """All requests, minor units; None where nothing is known of them."""
        known = [row.asked for row in self.rows if row.asked is not None]
        return sum(known) if known else None

    @cached_property
    def _by_unit(self) -> Mapping[str, Row]:
        """Units and everything below them."""
        sums: dict[str, list[int | None]] = {}
        for row in self.rows:
            for unit in self._upwards(row.unit):
                whole = sums.setdefault(unit, [None, 0, None])
                for place, amount in enumerate((row.asked, row.amount, row.prior)):
                    if amount is not None:
                        whole[place] = (whole[place] or 0) + amount
        return {
            unit: Row("", unit, self.titles.get(unit, unit), self.parents.get(unit, ""), asked, amount or 0, prior)
            for unit, (asked, amount, prior) in sums.items()
        }

    def _upwards(self, unit: str) -> Sequence[str]:
        found: list[str] = []
        while unit and unit not in found:
            found.append(unit)
            unit = self.parents.get(unit, "")
        return found

    @cached_property
    def root(self) -> str:
        """The lowest unit that everything hangs on; empty where units hang on several."""
        tops = {self._upwards(row.unit)[-1] for row in self.rows}
        if len(tops) != 1:
            return ""
        unit = tops.pop()
        while len(children := self.children(unit)) == 1 and not self.lines_of(unit):
            unit = children[0].id
        return unit

    def unit(self, name: str) -> Row | None:
        """A unit that has a part in this; None for another."""
        return self._by_unit.get(name)

    def children(self, unit: str) -> tuple[Row, ...]:
        """Units right below one, the largest first; what is below a unit that is alone there under the same name is."""
        found = self._below(unit)
        while self._repeats(unit):
            unit = found[0].id
            found = self._below(unit)
        return tuple(sorted(found, key=lambda row: (-row.amount, row.id)))

    def lines_of(self, unit: str) -> tuple[Row, ...]:
        """Lines right below a unit, the largest first."""
        while self._repeats(unit):
            unit = self._below(unit)[0].id
        return self._own(unit)

    def _own(self, unit: str) -> tuple[Row, ...]:
        return tuple(sorted((row for row in self.rows if row.unit == unit), key=lambda row: (-row.amount, row.id)))

    def _below(self, unit: str) -> list[Row]:
        return [row for row in self._by_unit.values() if row.unit == unit and row.id != unit]

    def _repeats(self, unit: str) -> bool:
        """Whether a unit holds nothing but one of the same name."""
        below = self._below(unit)
        if len(below) != 1 or unit not in self._by_unit or any(row.unit == unit for row in self.rows):
            return False
        return below[0].title.casefold() == self._by_unit[unit].title.casefold()

    def trail(self, unit: str) -> tuple[Row, ...]:
        """Units from the root to one."""
        return tuple(self._by_unit[name] for name in reversed(self._upwards(unit)) if name in self._by_unit)

    def table(self, unit: str, sort: str, descending: bool) -> tuple[Row, ...]:
        """Lines below a unit, or all, in an order."""
        return self._tables.get(f"{sort} {descending} {unit}", lambda: self._sorted(unit, sort, descending))

    @cached_property
    def _tables(self) -> Parsed:
        return Parsed(16)

    def _sorted(self, unit: str, sort: str, descending: bool) -> tuple[Row, ...]:
        rows = self.rows if not unit else tuple(row for row in self.rows if unit in self._upwards(row.unit))
        keys: Mapping[str, Any] = {
            "line": lambda row: row.title.casefold(),
            "unit": lambda row: self.titles.get(row.unit, row.unit).casefold(),
            "asked": lambda row: row.asked or 0,
            "amount": lambda row: row.amount,
            "prior": lambda row: row.prior or 0,
            "change": lambda row: abs(row.change),
        }
        return tuple(sorted(rows, key=keys.get(sort, keys["change"]), reverse=descending))

    @cached_property
    def changes(self) -> tuple[Row, ...]:
        """Lines, the largest changes against last year first."""
        return tuple(sorted(self.rows, key=lambda row: (-abs(row.change), row.id)))

    def reasons(self, line: str) -> Sequence[str]:
        """Why a line got what it got; none where nothing computed it."""
        found: Sequence[str] = self.evidence("reasons", {}).get(line, ())
        return found

    def without(self, line: str) -> float | None:
        """Value that the plan would lose without a line."""
        found: float | None = self.evidence("without", {}).get(line)
        return found

    @cached_property
    def proof(self) -> tuple[str, str]:
        """Whether the plan is shown to be the best one, and what that means."""
        proof = self.evidence("proof", {})
        status, gap = proof.get("status"), proof.get("proved_gap")
        if not self.content.evidence:
            return "manual", "People wrote these amounts. Nothing computed them, so nothing is proved about them."
        if status == PROVED:
            least = percent(gap) if gap and gap > 1e-6 else "a millionth"
            return PROVED, (
                f"No allowed plan is worth more than this one by over {least}. That was proved in exact arithmetic from the "
                "plan's own files before it was proposed, and does not rest on the solver's word."
            )
        if status == REPORTED:
            return REPORTED, (
                "The solver says that no allowed plan is worth more. Its word was not proved; that all rules are kept was "
                "checked in exact arithmetic."
            )
        return (
            "unknown",
            "All rules are kept, which was checked in exact arithmetic. How far it is from the best plan is not known.",
        )

    @property
    def checks(self) -> Sequence[Sequence[str]]:
        """What was checked before it was proposed: name, standing, sentence."""
        found: Sequence[Sequence[str]] = self.evidence("checks", [])
        return found

    @cached_property
    def binding(self) -> Sequence[tuple[str, str, str]]:
        """Rules that bind in their own words, where, and what one more unit of money in them would be worth."""
        texts = {str(rule.get("id")): str(rule.get("text") or "") for rule in self.evidence("rules", ())}
        found = []
        for row in self.evidence("binding", []):
            name, price = str(row.get("rule", "")), row.get("price")
            where = ", ".join(str(part) for part in row.get("row", ())[1:])
            found.append((texts.get(name) or self._limit(name), where, f"{price:.3g}" if price else "no price"))
        return found

    def _limit(self, name: str) -> str:
        """A limit that is no rule of its own: the budget, or that of a unit."""
        kind, _, unit = name.partition(" ")
        if name == "budget":
            return "The budget: everything together may not cost more"
        return f"The limit of {self.titles.get(unit, unit)}" if kind == "unit" and unit else name

    @property
    def rules(self) -> Sequence[tuple[str, str, str]]:
        """Every rule of the plan: its text, whether it is hard, and who owns it."""
        return [
            (
                str(rule.get("text") or rule.get("id")),
                "always kept" if rule.get("hard") else "kept where it is worth it",
                str(rule.get("owner") or ""),
            )
            for rule in self.evidence("rules", ())
        ]

    @cached_property
    def refusal(self) -> Sequence[str]:
        """What it would cost to say no, in sentences."""
        known = self.evidence("last_year", {})
        if not known:
            return ()
        plan, before = float(known["plan"]), float(known["value"])
        told = [f"The plan is worth {compact(plan)} by the scores it was made with."]
        if plan > 0:
            share = (plan - before) / plan
            words = f"{percent(share)} less" if share >= 0 else f"{percent(-share)} more"
            spent = compact(float(known["spend"]))
            told.append(f"Last year's amounts again ({spent} in all) would be worth {compact(before)}: {words}.")
        return told


def figures(content: Content, digest: str, parents: Mapping[str, str]) -> Figures:
    """A version in figures.

    Args:
        content: It.
        digest: Of it, as the proposal names it.
        parents: Unit above each unit, as of the registry; a solve's own tree comes first.
    """

    def made() -> Figures:
        units = content.evidence.get("units") or []
        above = {name: parent for name, parent, _ in units}
        return Figures(content, {**parents, **above}, {name: title for name, _, title in units})

    key = digest if content.evidence.get("units") else f"{digest} {hash(frozenset(parents.items()))}"
    return KEPT.get(key, made)
