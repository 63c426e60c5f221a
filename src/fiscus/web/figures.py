"""What a version of a proposal says in figures: lines, units above them, and what the solve left; made once for each version."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from fiscus.core.money import Currency, compact, currency, format_amount, percent
from fiscus.workflow.proposal.content import Content
from fiscus.workflow.service.reading import Parsed
from fiscus.workflow.service.views import by_hand

SORTS = ("change", "line", "unit", "asked", "amount", "given", "prior")
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
    def given(self) -> float | None:
        """What is recommended of what was asked for, as a fraction; None where nothing was asked for."""
        return self.amount / self.asked if self.asked else None

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
            "given": lambda row: -1.0 if row.given is None else row.given,
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

    def by_hand(self, row: Row) -> bool:
        """Whether people changed an amount after it was computed."""
        return [row.period, row.id] in self._changed

    @cached_property
    def _changed(self) -> Sequence[Sequence[str]]:
        return [list(cell) for cell in self.evidence("carried", {}).get("changed", ())]

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
        if "carried" in self.content.evidence:
            return "manual", by_hand(self.content.evidence["carried"])
        if status == PROVED:
            least = percent(gap) if gap and gap > 1e-6 else "a millionth"
            return PROVED, (
                f"No allowed plan is worth even {least} more than this one. That was proved in exact arithmetic from the "
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
    def binding(self) -> Sequence[tuple[str, str, str, str]]:
        """Rules that bind in their own words, where, at what limit, and what a little more room in them would be worth."""
        texts = {str(rule.get("id")): str(rule.get("text") or "") for rule in self.evidence("rules", ())}
        found = []
        for row in self.evidence("binding", []):
            name, price = str(row.get("rule", "")), row.get("price")
            where = ", ".join(str(part) for part in row.get("row", ())[1:])
            limit = self._amount(row.get("bound")) if name in self._in_money else "\N{EN DASH}"
            found.append((texts.get(name) or self._limit(name), where, limit, self._price(price)))
        return found

    @cached_property
    def word(self) -> str:
        """What people call one of the currency."""
        return currency(self.content.currency).word

    def _price(self, price: float | None) -> str:
        if not price:
            return "no price"
        return f"{price:.4g} per {self.word}" if price > 0 else f"this rule costs {-price:.4g} per {self.word}"

    def _amount(self, major: float | None) -> str:
        return "\N{EN DASH}" if major is None else format_amount(round(major * 10**self._exact.exponent), self._exact)

    @cached_property
    def _exact(self) -> Currency:
        return currency(self.content.currency)

    @cached_property
    def _in_money(self) -> frozenset[str]:
        """Rules whose limits are money."""
        known: Mapping[str, Sequence[Any]] = self.evidence("standings", {})
        return frozenset(rule for rule, told in known.items() if told[3] is not None)

    def _limit(self, name: str) -> str:
        """A limit that is no rule of its own: the budget, or that of a unit."""
        kind, _, unit = name.partition(" ")
        if name == "budget":
            return "The budget: everything together may not cost more"
        return f"The limit of {self.titles.get(unit, unit)}" if kind == "unit" and unit else name

    @cached_property
    def rules(self) -> Sequence[tuple[str, str, str, str]]:
        """Every rule of the plan: its text, whether it is hard, who owns it, and how the plan stands to it."""
        stated = [
            (
                str(rule.get("text") or rule.get("id")),
                "always kept" if rule.get("hard") else "kept where it is worth it",
                str(rule.get("owner") or ""),
                self._standing(str(rule.get("id"))),
            )
            for rule in self.evidence("rules", ())
        ]
        known = {str(rule.get("id")) for rule in self.evidence("rules", ())}
        tables = [name for name in self.evidence("standings", {}) if name == "budget" or name.startswith("unit ")]
        own = [(self._limit(name), "always kept", "", self._standing(name)) for name in tables if name not in known]
        return own + stated

    def _standing(self, rule: str) -> str:
        """Whether a rule binds, is kept or is not kept, with its amounts; empty where that is not known."""
        told = self.evidence("standings", {}).get(rule)
        if told is None or "carried" in self.content.evidence:
            return ""
        standing, least, most, spent = told
        if spent is None:
            return str(standing)
        words = [f"{format_amount(spent, self._exact)} is spent"]
        words += [f"at least {format_amount(least, self._exact)} must be"] if least is not None and least > 0 else []
        words += [f"{format_amount(most, self._exact)} may be"] if most is not None else []
        return f"{standing}: {', '.join(words)}"

    def score(self, line: str) -> str:
        """The score that a line has in the plan, in words; empty where all have the same or none is known."""
        known: Mapping[str, float] = self.evidence("scores", {})
        if line not in known:
            return ""
        low, high = min(known.values()), max(known.values())
        return f"Its score in the plan is {known[line]:.4g}; scores go from {low:.4g} to {high:.4g}."

    @cached_property
    def refusal(self) -> Sequence[str]:
        """What it would cost to say no, in sentences: the best other plan of the same money first."""
        known = self.evidence("last_year", {})
        if not known:
            return ()
        plan, before = float(known["plan"]), float(known["value"])
        told = [f"The plan is worth {compact(plan)} by the scores it was made with.", *self._second_best]
        if plan > 0:
            money, spent = self.content.total / 10**self._exact.exponent, float(known["spend"])
            told.append(
                f"Last year's amounts again ({compact(spent)} in all{_beside(spent, money)}) would be worth {compact(before)}: "
                f"{_against(before, plan)}."
            )
        return told

    @property
    def _second_best(self) -> Sequence[str]:
        value, money = self.evidence("value"), self.content.total / 10**self._exact.exponent
        found = [
            each
            for each in self.evidence("alternatives", ())
            if each.get("value") is not None and abs(_total(each.get("allocated")) - money) <= 0.01 * money
        ]
        if not found or not value or float(value) <= 0:
            return ()
        best = max(found, key=lambda each: float(each["value"]))
        worth, name = float(best["value"]), str(best["run"]).replace("_", " ")
        against = _against(worth, float(value))
        return [
            f"The best other plan of the same money that was considered ({name}) is worth {compact(worth)}: {against}."
        ]


def _total(allocated: Any) -> float:
    """Of all periods, major units."""
    return sum(map(float, (allocated or {}).values()))


def _against(one: float, other: float) -> str:
    share = (other - one) / other
    return f"{percent(share)} less" if share >= 0 else f"{percent(-share)} more"


def _beside(spent: float, money: float) -> str:
    """How much smaller or larger last year's money was, where it was another amount."""
    if not money or abs(spent - money) <= 0.005 * money:
        return ""
    return f", {abs(money - spent) / money:.0%} {'less' if spent < money else 'more'} money than the {compact(money)} of this plan"


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
