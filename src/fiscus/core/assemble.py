"""From raw tables and settings to the fields of a problem, with everything that is wrong told at once (§3.9)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from pydantic import ValidationError

from fiscus.core.arrays import FloatArray, frozen
from fiscus.core.cells import near, short_repr
from fiscus.core.columns import Collector, ColumnReader, Table
from fiscus.core.curves import Curves, parameter_fault
from fiscus.core.facts import CURVE_COLUMNS, Account, Facts, Lines, Units
from fiscus.core.fields import columns_of
from fiscus.core.findings import Finding
from fiscus.core.money import Currency, currency
from fiscus.core.options import MethodOptions
from fiscus.core.process import Scenarios
from fiscus.core.risk import Measure, RiskAversion
from fiscus.core.rules import Rule, kinds
from fiscus.core.scenario_table import read_scenarios
from fiscus.core.settings import PlanSettings, complaints, period_names
from fiscus.core.statement import state
from fiscus.core.tree import Tree, tree_faults
from fiscus.errors import InvalidInput, InvalidMoney, InvalidRule

PLAN = "plan.yaml"
UNIT_COLUMNS = columns_of(Units)
LINE_COLUMNS = {**columns_of(Lines), **CURVE_COLUMNS}
ROUNDING = 1e-9


@dataclass(frozen=True, slots=True)
class RuleEntry:
    """One rule as written.

    Attributes:
        content: Its keys, or a rule already made.
        row: Line of the file it starts on.
    """

    content: object
    row: int | None = None


def assemble(
    settings: Mapping[str, Any],
    units: Table | None,
    lines: Table,
    rules: Sequence[RuleEntry] = (),
    scenarios: Table | None = None,
    *,
    rules_name: str = "rules.yaml",
) -> tuple[dict[str, Any] | None, list[Finding]]:
    """The fields of a problem.

    Args:
        settings: Keys of ``plan.yaml``.
        units: Their table; one root unit when None.
        lines: Their table.
        rules: As written.
        scenarios: Their table; none when None.
        rules_name: File the rules are in.

    Returns:
        Keyword arguments of ``Problem``, None where any finding is an error; and the findings.
    """
    collector = Collector()
    plan = _settings(settings, collector)
    money = _currency(plan, collector)
    for name in {name for name in plan.periods if plan.periods.count(name) > 1}:
        collector.error(PLAN, None, "periods", f"the period {name!r} is listed twice")
    fields = _Reader(plan, money, collector).read(units, lines)
    made_lines: Lines | None = fields["lines"]
    if made_lines is not None:
        fields["scenarios"] = Scenarios.certain(len(plan.periods), len(made_lines.id))
        if scenarios is not None:
            read = read_scenarios(scenarios, plan.periods, made_lines.id, money, collector)
            fields["scenarios"] = read or fields["scenarios"]
    risk = _risk(plan, collector)
    made = [_rule(entry, rules_name, collector) for entry in rules]
    if made_lines is None or fields["tree"] is None:
        return None, collector.findings
    facts = Facts(**fields)
    _check_amounts(facts, units, lines, collector)
    good = _check_rules(facts, made, rules, rules_name, collector)
    if collector.failed:
        return None, collector.findings
    options = MethodOptions(plan.growth, plan.cut, plan.target_weight, plan.ask_weight)
    return {**fields, "rules": good, "method": plan.method, "risk": risk, "options": options}, collector.findings


def _settings(settings: Mapping[str, Any], collector: Collector) -> PlanSettings:
    """The keys that can be used; the others are told, and stand at their defaults while the tables are checked too."""
    keys = dict(settings)
    try:
        return PlanSettings.model_validate(keys)
    except ValidationError as error:
        told = complaints(error, PlanSettings.model_fields)
    for key, sentence in told:
        collector.error(PLAN, None, key, sentence)
    wrong = {key.partition(".")[0] for key, _ in told}
    try:
        return PlanSettings.model_validate({key: value for key, value in keys.items() if key not in wrong})
    except ValidationError:
        return PlanSettings()


def _currency(plan: PlanSettings, collector: Collector) -> Currency:
    try:
        return currency(plan.currency)
    except InvalidMoney as error:
        collector.error(PLAN, None, "currency", str(error))
        return currency("USD")


def _risk(plan: PlanSettings, collector: Collector) -> RiskAversion | None:
    if plan.risk is None:
        return None
    try:
        measure = Measure.parse(plan.risk)
    except InvalidInput as error:
        collector.error(PLAN, None, "risk", str(error))
        return None
    if not plan.aversion:
        collector.add(
            "warning", PLAN, None, "risk", "the measure of risk counts for nothing; give aversion, its weight"
        )
    return RiskAversion(measure, plan.aversion) if plan.aversion > 0 else None


@dataclass
class _Reader:
    """Reads the two tables that every plan has."""

    plan: PlanSettings
    money: Currency
    collector: Collector

    def read(self, units: Table | None, lines: Table) -> dict[str, Any]:
        """Fields of the facts but the scenarios; entries are None where a table could not be used."""
        plan = self.plan
        tree, envelopes = self._units(units if units is not None else _one_root(plan))
        made = self._lines(lines, tree, rooted=units is None)
        return {
            "name": plan.name,
            "currency": self.money,
            "periods": plan.periods,
            "tree": tree,
            "units": envelopes,
            "lines": made,
            "budget": self._by_period(plan.budget, "budget", np.inf),
            "spend_weight": plan.spend_weight,
            "discount_rate": plan.discount_rate,
            "account": self._account(),
            "ignore_prior": False,
        }

    def _by_period(self, given: float | dict[str, float] | None, key: str, empty: float) -> FloatArray:
        plan = self.plan
        if not isinstance(given, dict):
            return frozen(np.full(len(plan.periods), empty if given is None else given))
        for name in given.keys() - set(plan.periods):
            self.collector.error(PLAN, None, key, f"no period is called {name!r}{near(name, plan.periods)}")
        for name in plan.periods:
            if name not in given:
                self.collector.error(PLAN, None, key, f"there is no amount for the period {name!r}")
        return frozen([given.get(name, np.nan) for name in plan.periods])

    def _account(self) -> Account | None:
        plan = self.plan
        reserve = self._by_period(plan.reserve, "reserve", 0.0)
        if plan.opening_cash is None:
            for key in ("reserve", "carry_over", "cash_rate"):
                if getattr(plan, key):
                    self.collector.error(
                        PLAN, None, key, f"{key} belongs to a working-capital account; set opening_cash too"
                    )
            return None
        if plan.budget is None:
            self.collector.error(
                PLAN, None, "budget", "a working-capital account needs the budget that is paid in each period"
            )
        return Account(plan.opening_cash, reserve, plan.carry_over, plan.cash_rate)

    def _reader(self, table: Table, spec: Mapping[str, Any], required: Sequence[str]) -> ColumnReader:
        reader = ColumnReader(table, spec, self.plan.periods, self.money, self.collector)
        for name in required:
            if name not in table.columns:
                hint = near(name, table.columns)
                self.collector.error(table.name, 1, name, f"the column {name!r} is missing{hint}")
        if not len(table):
            self.collector.error(table.name, None, None, "the table has no rows; give it at least one")
        reader.check_header()
        reader.check_currency()
        return reader

    def _units(self, table: Table) -> tuple[Tree | None, Units | None]:
        reader = self._reader(table, UNIT_COLUMNS, ["id"])
        ids, parents = reader.text("id"), reader.text("parent")
        faults = tree_faults(ids, parents)
        for position, name, sentence in faults:
            self.collector.error(table.name, table.rows[position], name, sentence)
        names = [name or unit for name, unit in zip(reader.text("name"), ids, strict=True)]
        floor, cap = reader.numbers_by_period("floor", 0.0), reader.numbers_by_period("cap", np.inf)
        target = reader.numbers_by_period("target", np.nan)
        self._crossed(table, floor, cap)
        if faults or not ids:
            return None, None
        units = Units(tuple(ids), tuple(parents), tuple(names), frozen(floor), frozen(cap), frozen(target))
        return Tree.make(ids, parents, names), units

    def _lines(self, table: Table, tree: Tree | None, *, rooted: bool) -> Lines | None:
        reader = self._reader(table, LINE_COLUMNS, ["id"] if rooted else ["id", "unit"])
        ids = reader.ids()
        unit = self._unit_positions(reader, tree, rooted=rooted)
        ask = reader.numbers_by_period("ask", np.inf)
        cap = reader.numbers_by_period("cap", np.inf)
        cap = np.where(self._given(table, "cap", len(ids)), cap, ask)
        floor, ticket = reader.numbers_by_period("floor", 0.0), reader.numbers("min_ticket", 0.0)
        self._crossed(table, floor, cap)
        lumpy = np.array(reader.flags("lumpy"), dtype=bool)
        self._yes_or_no(table, lumpy, ticket, cap)
        plain = {name: frozen(reader.numbers(name, empty)) for name, empty in _PLAIN_COLUMNS.items()}
        curves = self._curves(reader, cap)
        if self.collector.failed or curves is None:
            return None
        names = [name or line for name, line in zip(reader.text("name"), ids, strict=True)]
        return Lines(
            id=tuple(ids),
            unit=frozen(unit, np.int64),
            name=tuple(names),
            ask=frozen(ask),
            floor=frozen(floor),
            cap=frozen(cap),
            curves=curves,
            lumpy=frozen(lumpy, np.bool_),
            min_ticket=frozen(ticket),
            tags=reader.tags(),
            **plain,
        )

    def _given(self, table: Table, name: str, count: int) -> Any:
        """Where a column or its override holds something, shape (T, n)."""
        from fiscus.core.cells import text_of

        def filled(header: str) -> Any:
            cells = table.columns.get(header)
            return (
                np.zeros(count, bool)
                if cells is None
                else np.array([bool(text_of(cell)) for cell in cells], dtype=bool)
            )

        base = filled(name)
        return np.array([base | filled(f"{name}@{period}") for period in self.plan.periods])

    def _unit_positions(self, reader: ColumnReader, tree: Tree | None, *, rooted: bool) -> list[int]:
        named = reader.text("unit")
        if tree is None:
            return [0] * len(named)
        positions = []
        for row, name in zip(reader.table.rows, named, strict=True):
            if rooted and not name:
                name = tree.ids[tree.root]
            if name not in tree.position:
                sentence = (
                    f"no unit is called {name!r}{near(name, tree.ids)}"
                    if name
                    else "the line hangs on no unit; name one"
                )
                self.collector.error(reader.table.name, row, "unit", sentence)
            positions.append(tree.position.get(name, 0))
        return positions

    def _crossed(self, table: Table, floor: FloatArray, cap: FloatArray) -> None:
        """A floor above its cap."""
        for period, row in np.argwhere(floor > cap).tolist():
            name = "floor" if len(self.plan.periods) == 1 else f"floor in {self.plan.periods[period]}"
            sentence = f"the {name} {floor[period, row]:,.2f} is above the cap {cap[period, row]:,.2f}; raise the cap or lower the floor"
            self.collector.error(table.name, table.rows[row], "floor", sentence)

    def _yes_or_no(self, table: Table, lumpy: Any, ticket: FloatArray, cap: FloatArray) -> None:
        for row in np.flatnonzero(lumpy & ~np.isfinite(cap).all(axis=0)).tolist():
            self.collector.error(
                table.name, table.rows[row], "lumpy", "an all-or-nothing line needs a cap or an ask: its amount"
            )
        for row in np.flatnonzero(ticket > cap.max(axis=0)).tolist():
            sentence = f"the minimum ticket {ticket[row]:,.2f} is above the cap {cap[:, row].max():,.2f}: the line can never be funded"
            self.collector.add("warning", table.name, table.rows[row], "min_ticket", sentence)

    def _curves(self, reader: ColumnReader, cap: FloatArray) -> Curves | None:
        family, points = reader.choices("curve"), reader.points("points")
        a, h, p = (reader.numbers(name, empty) for name, empty in (("a", 1.0), ("h", np.nan), ("p", np.nan)))
        step = np.array([name == "step" for name in family], dtype=bool)
        largest = np.where(np.isfinite(cap), cap, 0.0).max(axis=0) if len(cap) else h
        h = np.where(step & np.isnan(h) & (largest > 0), largest, h)
        good = True
        told = {(each.table, each.row, each.column) for each in self.collector.findings}
        for position, (row, name) in enumerate(zip(reader.table.rows, family, strict=True)):
            own = {"a": a[position], "h": h[position], "p": p[position]}
            fault = parameter_fault(name, own, points[position])
            if fault and (reader.table.name, row, fault[0]) not in told:
                self.collector.error(reader.table.name, row, fault[0], fault[1])
            good = good and fault is None
        return Curves.make(family, a=a, h=h, p=p, points=points) if good else None


_PLAIN_COLUMNS = {
    "prior": 0.0, "weight": 1.0, "priority": np.nan, "retention": 0.0, "change_cost": 0.0, "initial_stock": 0.0,
}  # fmt: skip


def _one_root(plan: PlanSettings) -> Table:
    return Table("units", {"id": ["all"], "name": [plan.name or "all"]}, [1])


def _rule(entry: RuleEntry, name: str, collector: Collector) -> Rule | None:
    """A rule from its keys; None, and findings, where it cannot be made."""
    content = entry.content
    if isinstance(content, Rule):
        return content
    if not isinstance(content, Mapping):
        collector.error(
            name, entry.row, None, f"a rule is a list of keys such as id and kind, got {short_repr(content)}"
        )
        return None
    keys = {str(key): value for key, value in content.items()}
    known, kind = kinds(), keys.pop("kind", None)
    label = f"rule {short_repr(keys.get('id', ''))}: " if isinstance(keys.get("id"), str) else ""
    if not isinstance(kind, str) or kind not in known:
        hint = near(kind if isinstance(kind, str) else "", known) or f"; the kinds are {', '.join(sorted(known))}"
        said = "the key 'kind' is missing" if kind is None else f"there is no kind of rule {short_repr(kind)}"
        collector.error(name, entry.row, "kind", f"{label}{said}{hint}")
        return None
    if keys.get("periods") is not None:
        keys["periods"] = period_names(keys["periods"])
    try:
        return known[kind].model_validate(keys)
    except ValidationError as error:
        for key, sentence in complaints(error, known[kind].model_fields):
            collector.error(name, entry.row, key, f"{label}{sentence}")
        return None


def _check_rules(
    facts: Facts, made: Sequence[Rule | None], entries: Sequence[RuleEntry], name: str, collector: Collector
) -> tuple[Rule, ...]:
    seen: set[str] = set()
    good = []
    for rule, entry in zip(made, entries, strict=True):
        if rule is None:
            continue
        if rule.id in seen or rule.id in ("budget", "reserve"):
            why = "another rule has this id" if rule.id in seen else "this id is the plan's own"
            collector.error(name, entry.row, "id", f"rule {rule.id!r}: {why}; every rule needs its own")
        seen.add(rule.id)
        for key, sentence in rule.faults(facts):
            collector.error(name, entry.row, key, f"rule {rule.id!r}: {sentence}")
        good.append(rule)
    if not collector.failed:
        try:
            state(facts, good)
        except InvalidRule as error:
            collector.error("lines.csv", None, None, str(error))
    return tuple(good)


def _check_amounts(facts: Facts, units: Table | None, lines: Table, collector: Collector) -> None:
    """Floors that no envelope above them can hold, and curves that need a bound and have none."""
    tree = facts.tree
    for period, name in enumerate(facts.periods):
        own = np.bincount(facts.lines.unit, facts.lines.floor[period], minlength=len(tree))
        least = own.copy()
        for level in tree.levels[::-1]:
            least[level] = np.maximum(least[level], facts.units.floor[period, level])
            inner = level[tree.parent[level] >= 0]
            np.add.at(least, tree.parent[inner], least[inner])
        over = least - facts.units.cap[period]
        for unit in np.flatnonzero(over > ROUNDING * np.maximum(1.0, least)).tolist():
            cap = facts.units.cap[period, unit]
            sentence = (
                f"the floors below {tree.names[unit]} in {name} add up to {least[unit]:,.2f}, above its cap of {cap:,.2f} "
                f"by {over[unit]:,.2f}; lower floors or raise the cap"
            )
            collector.error(units.name if units else "units", units.rows[unit] if units else None, "cap", sentence)
        available = facts.money_available[period]
        missing = least[tree.root] - available
        if missing > ROUNDING * max(1.0, available):
            sentence = (
                f"the floors in {name} add up to {least[tree.root]:,.2f}, above the {available:,.2f} there is by "
                f"{missing:,.2f}; lower floors or raise the budget"
            )
            collector.error(PLAN, None, "budget", sentence)
    endless = ~np.isfinite(facts.reach).all(axis=0) & ~facts.lines.curves.concave
    for line in np.flatnonzero(endless).tolist():
        sentence = "a curve with a step or an S needs a cap, or a budget above it"
        collector.error(lines.name, lines.rows[line], "cap", sentence)
