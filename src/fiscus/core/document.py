"""A problem as plain data, from which it is rebuilt bit for bit: ``problem.json`` of a run folder.

Floats are written by the shortest decimal that reads back as the same float; ``"inf"``, ``"-inf"`` and ``"nan"`` stand for
what JSON has no number for. An array is ``{"shape": [...], "values": nested lists}``, in which an axis along which nothing
changes is stored once: its list has one entry. Rules are their kind and the keys that people write.
"""

from __future__ import annotations

import dataclasses
import hashlib
import itertools
import json
import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any, NoReturn, TypeVar

import numpy as np
import numpy.typing as npt
from pydantic import ValidationError

from fiscus.core.arrays import BoolArray, FloatArray, IntArray, frozen
from fiscus.core.cells import short_repr
from fiscus.core.curves import FAMILIES, Curves
from fiscus.core.facts import Account, Lines, Units
from fiscus.core.findings import Finding
from fiscus.core.knots import PointList
from fiscus.core.money import Currency
from fiscus.core.options import METHODS, MethodOptions
from fiscus.core.problem import Problem
from fiscus.core.process import Scenarios
from fiscus.core.risk import Measure, RiskAversion
from fiscus.core.rules import Rule, kinds
from fiscus.core.settings import complaints
from fiscus.core.tree import Tree
from fiscus.errors import FiscusError, InvalidPlan, InvalidRule

FORMAT = "fiscus problem 1"
"""Names the layout; a document of another layout is refused."""

TABLE = "problem.json"
"""What findings call the document."""

MOST_NUMBERS = 2**30
"""In one array: a few bytes of a document can name a shape that no memory holds."""

_WORDS = {"inf": math.inf, "-inf": -math.inf, "nan": math.nan}
_DTYPES: Mapping[str, type] = {"FloatArray": np.float64, "IntArray": np.int64, "BoolArray": np.bool_}
_Value = TypeVar("_Value")


def to_document(problem: Problem) -> dict[str, Any]:
    """Everything that makes a problem, as data that JSON can hold.

    Args:
        problem: With its rules.

    Returns:
        Dicts, lists, text, numbers and None, of finite floats only; 1e5 lines take about a second.

    Raises:
        InvalidRule: For a rule of a class without a kind, which nothing could rebuild.
    """
    fields = {item.name: _typed(getattr(problem, item.name), item) for item in dataclasses.fields(problem)}
    rules = [rule_document(rule) for rule in fields.pop("rules")]
    return {"format": FORMAT, "rules": rules, **{name: _plain(value) for name, value in fields.items()}}


def rule_document(rule: Rule) -> dict[str, Any]:
    """A rule's kind and keys.

    Raises:
        InvalidRule: For a rule of a class without a kind.
    """
    if not rule.kind:
        raise InvalidRule(f"rule {rule.id!r} is of a class without a kind, so it cannot be written down")
    return {"kind": rule.kind, **_plain(rule.model_dump(mode="json", warnings=False))}


def canonical_text(problem: Problem) -> str:
    """The one JSON text of a problem: keys sorted, no spaces, ASCII; its SHA-256 is ``problem.digest``.

    Raises:
        InvalidRule: For a rule of a class without a kind.
    """
    return _text(to_document(problem))


def problem_digest(problem: Problem) -> str:
    """SHA-256 of the canonical text, as hex."""
    return hashlib.sha256(canonical_text(problem).encode()).hexdigest()


def rules_digest(problem: Problem) -> str:
    """SHA-256 of the canonical text of the rules alone, as hex."""
    return hashlib.sha256(_text([rule_document(rule) for rule in problem.rules]).encode()).hexdigest()


def _text(content: Any) -> str:
    # ASCII, so that the text has the same bytes however a file is opened, and lone surrogates can be written at all.
    return json.dumps(content, sort_keys=True, separators=(",", ":"), allow_nan=False)


def _plain(value: Any) -> Any:
    """What JSON can hold, with the same content."""
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return {item.name: _plain(_typed(getattr(value, item.name), item)) for item in dataclasses.fields(value)}
    if isinstance(value, np.ndarray):
        return _array(value)
    if isinstance(value, Mapping):
        return {str(name): _plain(item) for name, item in value.items()}
    if isinstance(value, tuple | list):
        return [each if type(each) is str else _plain(each) for each in value]
    if isinstance(value, np.generic):
        return _plain(value.item())
    if isinstance(value, float):
        return float(value) if math.isfinite(value) else _word(value)
    return value


def _typed(value: Any, item: dataclasses.Field[Any]) -> Any:
    """A field's value as the type that is declared, so that 1 and 1.0 are the same problem."""
    declared = str(item.type)
    if declared in _DTYPES:
        return np.asarray(value, dtype=_DTYPES[declared])
    return float(value) if declared.startswith("float") and isinstance(value, int) else value


def _word(value: float) -> str:
    return "nan" if math.isnan(value) else "inf" if value > 0 else "-inf"


def _array(array: npt.NDArray[Any]) -> dict[str, Any]:
    """Shape and values, without the axes along which every bit stays the same."""
    kept = array
    for axis in range(array.ndim):
        first = kept.take([0], axis=axis) if kept.shape[axis] else kept
        if kept.shape[axis] > 1 and _same(kept, first):
            kept = first
    values = kept.astype(np.float64).tolist() if kept.dtype.kind == "f" else kept.tolist()
    if kept.dtype.kind == "f" and not np.isfinite(kept).all():
        values = _with_words(values)
    return {"shape": list(array.shape), "values": values}


def _same(array: npt.NDArray[Any], first: npt.NDArray[Any]) -> bool:
    if array.dtype.kind != "f":
        return bool((array == first).all())
    alike = (array == first) & (np.signbit(array) == np.signbit(first))
    return bool((alike | (np.isnan(array) & np.isnan(first))).all())


def _with_words(values: Any) -> Any:
    if isinstance(values, list):
        return [_with_words(each) for each in values]
    return values if math.isfinite(values) else _word(values)


def from_document(document: Any) -> Problem:
    """The problem that a document was made from: the same digest, rows and objective.

    Rules of kinds that are defined outside ``fiscus.core.rules`` need their module imported first.

    Args:
        document: As :func:`to_document` gives it, or as read from its JSON text.

    Raises:
        InvalidPlan: For anything that is not such a document; the finding names the field and says what is wrong.
    """
    with _named("(all)"):
        root = _Node(document, "")
    if root.get("format").value != FORMAT:
        root.get("format").fail(f"it is {short_repr(root.get('format').value)} where {FORMAT!r} is expected")
    root.only({"format", *(item.name for item in dataclasses.fields(Problem))})
    periods = root.get("periods").texts()
    if not periods or len(set(periods)) != len(periods):
        root.get("periods").fail("a problem has at least one period, each with a name of its own")
    tree = _tree(root.get("tree"))
    lines = _lines(root.get("lines"), len(periods), len(tree))
    shape = len(periods), len(lines.id)
    return Problem(
        name=root.get("name").text(),
        currency=_currency(root.get("currency")),
        periods=periods,
        tree=tree,
        units=_units(root.get("units"), shape[0], tree),
        lines=lines,
        budget=root.get("budget").floats(shape[:1]),
        scenarios=_scenarios(root.get("scenarios"), shape),
        spend_weight=root.get("spend_weight").number(),
        discount_rate=_rate(root.get("discount_rate")),
        account=root.get("account").optional(lambda node: _account(node, shape[0])),
        ignore_prior=root.get("ignore_prior").flag(),
        rules=tuple(_rule(node) for node in root.get("rules").items()),
        method=root.get("method").choice(METHODS),
        risk=root.get("risk").optional(_aversion),
        options=_options(root.get("options")),
        counts_value=root.get("counts_value").flag(),
    )


@contextmanager
def _named(field: str) -> Iterator[None]:
    """Any complaint of the core becomes a finding that names the field."""
    try:
        yield
    except InvalidPlan:
        raise
    except FiscusError as error:
        raise _invalid(field, str(error)) from error


def _invalid(field: str, sentence: str) -> InvalidPlan:
    return InvalidPlan([Finding("error", TABLE, None, field or "(all)", sentence)])


@dataclasses.dataclass(frozen=True)
class _Node:
    """One place in a document, which knows its name; every reader raises InvalidPlan with it."""

    value: Any
    field: str

    def fail(self, sentence: str) -> NoReturn:
        raise _invalid(self.field, sentence)

    def expect(self, kind: type | tuple[type, ...], what: str) -> Any:
        if not isinstance(self.value, kind) or (isinstance(self.value, bool) and kind is not bool):
            self.fail(f"{short_repr(self.value)} is not {what}")
        return self.value

    def get(self, name: str) -> _Node:
        keys = self.expect(dict, "a group of named fields")
        field = f"{self.field}.{name}" if self.field else name
        if name not in keys:
            raise _invalid(field, "the field is missing")
        return _Node(keys[name], field)

    def only(self, known: set[str]) -> None:
        stray = sorted(str(name) for name in set(self.expect(dict, "a group of named fields")) - known)
        if stray:
            raise _invalid(f"{self.field}.{stray[0]}" if self.field else stray[0], "no field has this name")

    def items(self) -> list[_Node]:
        values = self.expect(list, "a list")
        return [_Node(value, f"{self.field}[{position}]") for position, value in enumerate(values)]

    def optional(self, read: Callable[[_Node], _Value]) -> _Value | None:
        return None if self.value is None else read(self)

    def text(self) -> str:
        return str(self.expect(str, "text"))

    def texts(self, count: int | None = None) -> tuple[str, ...]:
        values = self.expect(list, "a list of text")
        if not all(isinstance(value, str) for value in values):
            self.fail("every entry must be text")
        if count is not None and len(values) != count:
            self.fail(f"it has {len(values)} entries where {count} are expected")
        return tuple(values)

    def flag(self) -> bool:
        return bool(self.expect(bool, "true or false"))

    def choice(self, choices: tuple[Any, ...]) -> Any:
        if self.text() not in choices:
            self.fail(f"{self.value!r} is not one of {', '.join(choices)}")
        return self.value

    def number(self) -> float:
        if isinstance(self.value, str) and self.value in _WORDS:
            return _WORDS[self.value]
        try:
            return float(self.expect((int, float), "a number"))
        except OverflowError:
            self.fail("the number is too large")

    def whole(self) -> int:
        return int(self.expect(int, "a whole number"))

    def shape(self) -> tuple[int, ...]:
        return tuple(node.whole() for node in self.get("shape").items())

    def floats(self, shape: tuple[int, ...]) -> FloatArray:
        return self._read(shape, float, np.float64)

    def whole_numbers(self, shape: tuple[int, ...], least: int, most: int) -> IntArray:
        array = self._read(shape, int, np.int64)
        if array.size and (array.min() < least or array.max() > most):
            self.fail(f"every entry lies between {least} and {most}")
        return array

    def flags(self, shape: tuple[int, ...]) -> BoolArray:
        return self._read(shape, bool, np.bool_)

    def _read(self, shape: tuple[int, ...], kind: type, dtype: npt.DTypeLike) -> npt.NDArray[Any]:
        """The array, once its shape is the one that is expected."""
        self.only({"shape", "values"})
        if self.shape() != shape:
            self.get("shape").fail(f"it is {list(self.shape())} where {list(shape)} is expected")
        if not 0 <= math.prod(shape) <= MOST_NUMBERS:
            self.get("shape").fail(f"an array has between 0 and {MOST_NUMBERS:,} numbers")
        values = self.get("values")
        flat, stored = _flattened(values, kind, len(shape))
        if kind is int and any(abs(each) >= 2**63 for each in flat):
            values.fail("a number is too large")
        if any(few not in (1, many) for few, many in zip(stored, shape, strict=True)):
            values.fail(f"its lists have the lengths {list(stored)}, which do not fill the shape {list(shape)}")
        return frozen(np.broadcast_to(np.array(flat, dtype=dtype).reshape(stored), shape), dtype)


def _flattened(values: _Node, kind: type, depth: int) -> tuple[list[Any], tuple[int, ...]]:
    """All entries of nested lists in order, and the lengths of the lists."""
    level, lengths = [values.value], []
    for _ in range(depth):
        if not all(type(each) is list for each in level):
            values.fail(f"it is not lists nested {depth} deep")
        sizes = {len(each) for each in level}
        if len(sizes) > 1:
            values.fail("its lists have different lengths")
        lengths.append(sizes.pop() if sizes else 0)
        level = [each for inner in level for each in inner]
    if any(type(each) is not kind for each in level):
        entries = [_entry(values, each, kind) for each in level]
        return entries, tuple(lengths)
    return level, tuple(lengths)


def _entry(values: _Node, entry: Any, kind: type) -> Any:
    """One entry that is not of the kind itself: a float may be written as a word or without a point."""
    if kind is float:
        return _Node(entry, values.field).number()
    if type(entry) is not kind:
        values.fail(f"{short_repr(entry)} is not {'true or false' if kind is bool else 'a whole number'}")
    return entry


def _currency(node: _Node) -> Currency:
    node.only({"code", "exponent"})
    exponent = node.get("exponent")
    if not 0 <= exponent.whole() <= 9:
        exponent.fail("a currency has between 0 and 9 decimals")
    return Currency(node.get("code").text(), exponent.whole())


def _rate(node: _Node) -> float:
    if not -1 < node.number() < math.inf:
        node.fail(f"a rate is a fraction per period above -1, got {node.value}")
    return node.number()


def _tree(node: _Node) -> Tree:
    node.only({"ids", "names", "parent"})
    ids = node.get("ids").texts()
    parent = node.get("parent").whole_numbers((len(ids),), -1, len(ids) - 1)
    names = node.get("names").texts(len(ids))
    with _named(node.field):
        return Tree.make(ids, [ids[above] if above >= 0 else "" for above in parent.tolist()], names)


def _units(node: _Node, periods: int, tree: Tree) -> Units:
    node.only({item.name for item in dataclasses.fields(Units)})
    floor, cap, target = (node.get(name).floats((periods, len(tree))) for name in ("floor", "cap", "target"))
    ids, parents, names = (node.get(name).texts(len(tree)) for name in ("id", "parent", "name"))
    return Units(ids, parents, names, floor, cap, target)


def _lines(node: _Node, periods: int, units: int) -> Lines:
    node.only({item.name for item in dataclasses.fields(Lines)})
    ids = node.get("id").texts()
    n = len(ids)
    if len(set(ids)) != n:
        node.get("id").fail("two lines have the same id")
    once = ("prior", "weight", "priority", "min_ticket", "retention", "change_cost", "initial_stock")
    by_period = ("ask", "floor", "cap")
    tags = node.get("tags")
    return Lines(
        id=ids,
        unit=node.get("unit").whole_numbers((n,), 0, units - 1),
        name=node.get("name").texts(n),
        curves=_curves(node.get("curves"), n, ()),
        lumpy=node.get("lumpy").flags((n,)),
        tags={name: tags.get(name).texts(n) for name in tags.expect(dict, "a group of named columns")},
        **{name: node.get(name).floats((n,)) for name in once},
        **{name: node.get(name).floats((periods, n)) for name in by_period},
    )


def _curves(node: _Node, n: int, leading: tuple[int, ...]) -> Curves:
    """Curves whose parameters have the leading axes that are allowed, or fewer, or ones of length 1."""
    node.only({item.name for item in dataclasses.fields(Curves)})
    family, points = node.get("family"), node.get("points")
    names, knots = family.texts(n), points.items()
    unknown = sorted(set(names) - set(FAMILIES))
    if unknown:
        family.fail(f"no curve is called {unknown[0]!r}; the curves are {', '.join(FAMILIES)}")
    if len(knots) != n:
        points.fail(f"it has {len(knots)} entries where {n} are expected")
    parameters = {}
    for name in ("a", "h", "p"):
        own = node.get(name)
        shape = own.shape()
        axes = shape[:-1]
        room = leading[len(leading) - len(axes) :]
        if (
            shape[-1:] != (n,)
            or len(axes) > len(leading)
            or any(k not in (1, m) for k, m in zip(axes, room, strict=True))
        ):
            own.get("shape").fail(f"it is {list(shape)} where {[*leading, n]} is expected")
        parameters[name] = own.floats(shape)
    read = tuple(_points(each, name == "piecewise") for each, name in zip(knots, names, strict=True))
    return Curves(names, parameters["a"], parameters["h"], parameters["p"], read)


def _points(node: _Node, needed: bool) -> PointList | None:
    if (node.value is not None) != needed:
        node.fail("a piecewise curve has points, and no other curve has")
    if node.value is None:
        return None
    pairs = node.expect(list, "a list of points")
    if not pairs or any(type(pair) is not list or len(pair) != 2 for pair in pairs):
        node.fail("points are pairs of numbers, money and benefit, at least one")
    read = tuple((_Node(x, node.field).number(), _Node(y, node.field).number()) for x, y in pairs)
    if any(not later > earlier for (earlier, _), (later, _) in itertools.pairwise(read)):
        node.fail("money must rise from point to point")
    return read


def _scenarios(node: _Node, shape: tuple[int, int]) -> Scenarios:
    node.only({item.name for item in dataclasses.fields(Scenarios)})
    chances = node.get("probability")
    size = (*chances.shape(), 0)[0]
    if size < 1:
        chances.fail("there is at least one scenario")
    probability = chances.floats((size,))
    curves = node.get("curves").optional(lambda drawn: _curves(drawn, shape[1], (size, shape[0])))
    with _named(node.field):
        return Scenarios(node.get("theta").floats((size, *shape)), probability, curves)


def _account(node: _Node, periods: int) -> Account:
    node.only({item.name for item in dataclasses.fields(Account)})
    numbers = {name: node.get(name).number() for name in ("opening", "carry_over", "rate")}
    return Account(reserve=node.get("reserve").floats((periods,)), **numbers)


def _aversion(node: _Node) -> RiskAversion:
    node.only({"measure", "aversion"})
    measure = node.get("measure")
    measure.only({"kind", "level"})
    kind, level = measure.get("kind").text(), measure.get("level").number()
    with _named(measure.field):
        Measure.parse(str(Measure(kind, level)))
    return RiskAversion(Measure(kind, level), node.get("aversion").number())


def _options(node: _Node) -> MethodOptions:
    node.only({item.name for item in dataclasses.fields(MethodOptions)})
    weights = {
        name: node.get(name).optional(lambda each: each.number()) for name in ("growth", "target_weight", "ask_weight")
    }
    return MethodOptions(cut=node.get("cut").choice(("priority", "pro_rata", "value")), **weights)


def _rule(node: _Node) -> Rule:
    kind = node.get("kind").text()
    known = kinds()
    if kind not in known:
        node.get("kind").fail(
            f"there is no kind of rule {kind!r}; import the module that defines it first (known: {', '.join(sorted(known))})"
        )
    keys = {name: value for name, value in node.value.items() if name != "kind"}
    try:
        return known[kind].model_validate(keys)
    except ValidationError as error:
        key, sentence = complaints(error, known[kind].model_fields)[0]
        raise _invalid(f"{node.field}.{key}", sentence) from error


__all__ = [
    "FORMAT",
    "canonical_text",
    "from_document",
    "problem_digest",
    "rule_document",
    "rules_digest",
    "to_document",
]
