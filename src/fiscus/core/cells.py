"""Reading single cells of tables that people made, with a sentence for each one that cannot be read."""

from __future__ import annotations

import difflib
import math
import re
import reprlib
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Literal

from fiscus.core.money import PLAIN, Currency
from fiscus.core.money import currency as currency_of
from fiscus.errors import InvalidMoney

_GROUPED = {
    "comma": re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d+)?", re.ASCII),
    "point": re.compile(r"[+-]?\d{1,3}(\.\d{3}){2,}(,\d+)?", re.ASCII),
    "space": re.compile("[+-]?\\d{1,3}([ \u00a0\u202f']\\d{3})+([.,]\\d+)?", re.ASCII),
}
_SUFFIX = {
    "k": 1e3,
    "m": 1e6,
    "mn": 1e6,
    "mio": 1e6,
    "bn": 1e9,
    "b": 1e9,
    "thousand": 1e3,
    "million": 1e6,
    "billion": 1e9,
}
_SYMBOL = {"$": "USD", "€": "EUR", "£": "GBP", "¥": "JPY"}
_SHEET_ERROR = re.compile(r"#[A-Z/0]+[!?]?")
LONGEST_NUMBER = 60
"""Characters above which text is no number that a person wrote, so that no more is tried on it."""
LARGEST_NUMBER = 9e16
"""Size above which a number is refused: cents of it do not fit into 64 bits (§3.1)."""
_TRUE, _FALSE = {"true", "yes", "y", "1", "1.0"}, {"false", "no", "n", "0", "0.0"}


@dataclass(frozen=True, slots=True)
class Read:
    """One cell as read.

    Attributes:
        value: The number, or None where it cannot be read.
        severity: ``error`` or ``warning`` when there is something to say.
        sentence: What.
    """

    value: float | None
    severity: Literal["error", "warning"] | None = None
    sentence: str = ""


def is_empty(cell: object) -> bool:
    """Whether a cell holds nothing: None, blank text, a missing number."""
    if cell is None:
        return True
    if isinstance(cell, str):
        return not cell.strip()
    return type(cell).__name__ in ("NAType", "NaTType")


def text_of(cell: object) -> str:
    """A cell as text; whole numbers as a spreadsheet shows them, without a decimal point."""
    if is_empty(cell) or (isinstance(cell, float) and math.isnan(cell)):
        return ""
    if isinstance(cell, bool):
        return str(cell).lower()
    if isinstance(cell, float) and cell.is_integer() and abs(cell) < 1e15:
        return str(int(cell))
    try:
        return str(cell).strip()
    except ValueError:  # Python refuses to write out whole numbers of thousands of digits.
        return short_repr(cell)


def read_number(cell: object, currency: Currency, *, fraction: bool = False) -> Read:
    """Read a number that may have been written for people.

    Args:
        cell: Text or a number, not empty.
        currency: The plan's; other currencies are an error.
        fraction: Whether a fraction is expected, for the sentence on a percent sign.
    """
    if isinstance(cell, bool):
        return Read(None, "error", f"{cell} is not a number")
    if not isinstance(cell, str):
        return _finite(cell)
    text = cell.strip()
    if PLAIN.fullmatch(text):
        return _finite(text)
    if _GROUPED["comma"].fullmatch(text):
        read = _finite(text.replace(",", ""))
        if text.count(",") == 1 and "." not in text:
            sentence = f"{text!r} was read as {text.replace(',', '')}; write it without the comma, which some read as a decimal sign"
            return Read(read.value, "warning", sentence)
        return read
    for style in ("point", "space"):
        if _GROUPED[style].fullmatch(text):
            digits = re.sub("[ \u00a0\u202f']", "", text) if style == "space" else text.replace(".", "")
            plain = digits.replace(",", ".")
            return Read(
                _finite(plain).value, "warning", f"{text!r} was read as {plain}; write numbers without grouping"
            )
    return Read(None, "error", _complaint(text, currency, fraction=fraction))


def _finite(number: object) -> Read:
    try:
        value = float(number)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return Read(None, "error", f"{short_repr(text_of(number))} is not a number")
    if not math.isfinite(value):
        return Read(None, "error", f"{value} is not an amount; leave the cell empty where there is no limit")
    return Read(value)


def _complaint(text: str, currency: Currency, *, fraction: bool) -> str:
    """What is wrong with text that is no number, and what to write."""
    if len(text) > LONGEST_NUMBER:
        return f"{short_repr(text)} is not a number"
    if re.fullmatch(r"[+-]?(nan|inf(inity)?)", text, re.IGNORECASE):
        return f"{text!r} is not an amount; leave the cell empty where there is no limit"
    if _SHEET_ERROR.fullmatch(text):
        return f"{text!r} is a spreadsheet's error; mend the formula it comes from"
    if text.endswith("%"):
        number = _number_in(text[:-1])
        hint = f"write {_shown(number / 100)}" if number is not None else "write a fraction"
        return f"{text!r} is a percentage; {hint}" + ("" if fraction else ", or the amount itself")
    if text.startswith("(") and text.endswith(")"):
        number = _number_in(text[1:-1])
        return (
            f"{text!r} is an accountant's negative; write {_shown(-number) if number is not None else 'a minus sign'}"
        )
    if re.fullmatch(r"[+-]?[0-9]+,[0-9]+", text):
        return f"{text!r} has a comma where a decimal point is expected; write {text.replace(',', '.')}"
    named = next((code for sign, code in _SYMBOL.items() if sign in text), None)
    match = re.search(r"\b([A-Z]{3})\b", text)
    named = named or (match[1] if match and _is_currency(match[1]) else None)
    if named and named != currency.code and not (named == "USD" and "$" in text and "D" in currency.code):
        return f"{text!r} is in {named}, the plan is in {currency.code}; convert it, currencies cannot be mixed"
    bare = re.sub(r"[$€£¥]|\b[A-Z]{3}\b", "", text).strip()
    match = re.fullmatch(r"(.*?)\s*([A-Za-z]+)\.?", bare)
    scale = _SUFFIX.get(match[2].lower()) if match else 1.0
    number = _number_in(match[1] if match else bare)
    if number is not None and scale is not None:
        return f"{text!r} is written for people; write {_shown(number * scale)}"
    return f"{text!r} is not a number"


def _is_currency(code: str) -> bool:
    try:
        return bool(currency_of(code))
    except InvalidMoney:
        return False


def _number_in(text: str) -> float | None:
    plain = text.strip()
    if _GROUPED["comma"].fullmatch(plain):  # Any other comma may be a decimal sign.
        plain = plain.replace(",", "")
    return float(plain) if PLAIN.fullmatch(plain) else None


def _shown(number: float) -> str:
    return f"{number:.12g}"


def to_the_cent(value: float, currency: Currency) -> tuple[float, bool]:
    """The nearest amount with the currency's decimals, halves to even (§3.1), and whether it differs from the one given."""
    try:
        exact = Decimal(repr(float(value)))
        rounded = exact.quantize(Decimal(1).scaleb(-currency.exponent))
    except InvalidOperation:  # Beyond the precision of decimals there are no cents to round.
        return value, False
    return float(rounded), exact != rounded


def read_flag(cell: object) -> bool | None:
    """True or false as people write it, None for anything else."""
    word = text_of(cell).lower()
    return True if word in _TRUE else False if word in _FALSE else None


def read_points(cell: object) -> tuple[tuple[float, float], ...] | None:
    """Breakpoints ``money:benefit;money:benefit``, None where the text is not that."""
    pairs = []
    for part in text_of(cell).split(";"):
        numbers = part.split(":")
        if not part.strip():
            continue
        if len(numbers) != 2 or not all(PLAIN.fullmatch(number.strip()) for number in numbers):
            return None
        pairs.append((float(numbers[0]), float(numbers[1])))
    return tuple(pairs) or None


def short_repr(value: object) -> str:
    """A value as Python shows it, cut short: what came from YAML may refer to itself many times over."""
    shown = reprlib.Repr()  # Its limits are constructor arguments only from Python 3.12 on.
    shown.maxlevel, shown.maxstring, shown.maxother = 2, 80, 80
    try:
        return shown.repr(value)
    except ValueError:  # Python refuses to write out whole numbers of thousands of digits.
        return "a number of thousands of digits"


def near(word: str, words: Iterable[str]) -> str:
    """A hint naming the nearest known word, or nothing."""
    close = difflib.get_close_matches(word, list(words), n=1, cutoff=0.7)
    return f"; did you mean {close[0]!r}?" if close else ""
