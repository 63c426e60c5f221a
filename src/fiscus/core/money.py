"""Exact money at the borders: whole minor units of an ISO 4217 currency (§3.1)."""

from __future__ import annotations

import difflib
import math
import re
from dataclasses import dataclass
from decimal import Decimal
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from fiscus.core.arrays import FloatArray, IntArray
from fiscus.errors import InvalidMoney

# ISO 4217 active national currencies (list one), by the number of decimals of the minor unit.
_DECIMALS = {
    0: "BIF CLP DJF GNF ISK JPY KMF KRW PYG RWF UGX VND VUV XAF XOF XPF",
    3: "BHD IQD JOD KWD LYD OMR TND",
    2: (
        "AED AFN ALL AMD AOA ARS AUD AWG AZN BAM BBD BDT BMD BND BOB BRL BSD BTN BWP BYN BZD CAD CDF CHF CNY COP CRC "
        "CUP CVE CZK DKK DOP DZD EGP ERN ETB EUR FJD FKP GBP GEL GHS GIP GMD GTQ GYD HKD HNL HTG HUF IDR ILS INR IRR "
        "JMD KES KGS KHR KPW KYD KZT LAK LBP LKR LRD LSL MAD MDL MGA MKD MMK MNT MOP MRU MUR MVR MWK MXN MYR MZN NAD "
        "NGN NIO NOK NPR NZD PAB PEN PGK PHP PKR PLN QAR RON RSD RUB SAR SBD SCR SDG SEK SGD SHP SLE SOS SRD SSP STN "
        "SVC SYP SZL THB TJS TMT TOP TRY TTD TWD TZS UAH USD UYU UZS VES WST XCD YER ZAR ZMW ZWG"
    ),
}
_WORDS = {
    "dollar": "AUD BBD BMD BND BSD BZD CAD FJD GYD HKD JMD KYD LRD NAD NZD SBD SGD SRD TTD TWD USD XCD",
    "euro": "EUR",
    "franc": "BIF CDF CHF DJF GNF KMF RWF XAF XOF XPF",
    "peso": "ARS CLP COP CUP DOP MXN PHP UYU",
    "pound": "EGP FKP GBP GIP LBP SDG SHP SSP SYP",
    "rupee": "INR LKR MUR NPR PKR SCR",
    "yen": "JPY",
}
_WORD = {code: word for word, codes in _WORDS.items() for code in codes.split()}
_EXPONENT = {code: decimals for decimals, codes in _DECIMALS.items() for code in codes.split()}
LARGEST_MINOR = 2**63 - 1
PLAIN = re.compile(r"[+-]?(\d+\.?\d*|\.\d+)([eE][+-]?\d{1,3})?", re.ASCII)
"""A number without anything between its digits."""

_GROUPED = re.compile(r"[+-]?[1-9]\d{0,2}(,\d{3})+(\.\d*)?", re.ASCII)
_DECIMAL_COMMA = re.compile(r"([+-]?)(\d*),(\d+)", re.ASCII)
_COMMAS = re.compile(r"[+-]?[\d.,]*,[\d.,]*", re.ASCII)


@dataclass(frozen=True, slots=True)
class Currency:
    """A currency.

    Attributes:
        code: ISO 4217 code.
        exponent: Decimals of its minor unit: 2 for cents.
    """

    code: str
    exponent: int

    def to_minor(self, amount: Decimal | str | int | float) -> int:
        """Exact minor units of an amount in major units.

        Args:
            amount: A number, or text as people write it: commas may stand between groups of three digits, ``1,234,567.89``.

        Raises:
            InvalidMoney: For what is no number, whose commas can be read in two ways, or has more decimals than the currency.
        """
        if isinstance(amount, str):
            amount = self._plain(amount)
        try:
            # A float means the decimal it shows; NumPy's numbers show their type too.
            exact = Decimal(repr(float(amount)) if isinstance(amount, float) else amount)
            scaled = exact.scaleb(self.exponent)
        except (ArithmeticError, ValueError, TypeError) as error:
            raise InvalidMoney(f"{amount!r} is not an amount of {self.code}") from error
        if not scaled.is_finite():
            raise InvalidMoney(f"{amount!r} is not an amount of {self.code}")
        if scaled != scaled.to_integral_value():
            raise InvalidMoney(f"{amount} has more than the {self.exponent} decimals of {self.code}")
        return int(scaled)

    def _plain(self, text: str) -> str:
        """Text without the commas between its thousands. ``Decimal`` itself takes ``1_000`` and digits of every alphabet."""
        found = text.strip()
        if _GROUPED.fullmatch(found):
            return found.replace(",", "")
        if PLAIN.fullmatch(found):
            return found
        hint = _readings(found)
        raise InvalidMoney(f"{text!r} is not an amount of {self.code}" + (f": {hint}" if hint else ""))

    def to_minor_array(self, amounts: npt.ArrayLike) -> IntArray:
        """Nearest minor units of amounts in major units, halves to even, any shape.

        Raises:
            InvalidMoney: For NaN, infinity or an amount too large to count in 64 bits.
        """
        scaled = np.round(np.asarray(amounts, dtype=np.float64) * 10.0**self.exponent)
        if not (np.abs(scaled) < LARGEST_MINOR).all():  # Also rejects NaN.
            raise InvalidMoney(f"an amount is not finite or too large to count in minor units of {self.code}")
        return scaled.astype(np.int64)

    def from_minor(self, minor: int) -> Decimal:
        """Exact major units, with the currency's decimals."""
        return Decimal(int(minor)).scaleb(-self.exponent)

    def to_major_array(self, minor: IntArray) -> FloatArray:
        """Major units as floats, any shape."""
        return np.asarray(minor / 10.0**self.exponent, dtype=np.float64)

    @property
    def word(self) -> str:
        """What people call one of it: ``dollar``; its code where there is no such English word."""
        return _WORD.get(self.code, self.code)

    def __str__(self) -> str:
        return self.code


def _readings(text: str) -> str:
    """What is wrong with the commas of an amount, and what to write; empty where they are not to blame."""
    match = _DECIMAL_COMMA.fullmatch(text)
    if match:
        sign, whole, rest = match.groups()
        decimal, joined = f"{sign}{whole or '0'}.{rest}", f"{sign}{(whole + rest).lstrip('0') or '0'}"
        return f"it could be {decimal} or {joined}: write {decimal} for the first, {joined} for the second"
    if _COMMAS.fullmatch(text):
        return "commas may stand only between groups of three digits, as in 1,234,567.89"
    return ""


@lru_cache(maxsize=256)
def currency(code: str) -> Currency:
    """The currency of an ISO 4217 code.

    Raises:
        InvalidMoney: For an unknown code, with the nearest known one.
    """
    if code in _EXPONENT:
        return Currency(code, _EXPONENT[code])
    near = difflib.get_close_matches(str(code).upper(), _EXPONENT, n=1, cutoff=0.6)
    hint = f"; did you mean {near[0]}?" if near else ""
    raise InvalidMoney(f"{code!r} is not an ISO 4217 currency code such as USD or EUR{hint}")


def format_amount(minor: int, unit: Currency) -> str:
    """An exact amount as people read it: ``80,000,000.00``."""
    whole, rest = divmod(abs(int(minor)), 10**unit.exponent)  # Tables have thousands: a Decimal for each would be slow.
    sign = "-" if minor < 0 else ""
    return f"{sign}{whole:,}.{rest:0{unit.exponent}d}" if unit.exponent else f"{sign}{whole:,}"


def written(minor: int, code: str) -> str:
    """An exact amount with its currency: ``USD 80,000,000.00``."""
    return f"{code} {format_amount(minor, currency(code))}"


def as_given(amount: object, code: str) -> str:
    """An amount that is at fault, in sentences: with its currency where it is whole minor units of one, else as it is."""
    try:
        return written(amount, code) if type(amount) is int else repr(amount)
    except InvalidMoney:
        return repr(amount)


def how_many(number: int, one: str, many: str = "") -> str:
    """How many there are of something, in words: ``1 line``, ``1,379 lines``; ``many`` where more than an s is other."""
    return f"{number:,} {one if number == 1 else many or one + 's'}"


def compact(number: float, digits: int = 1) -> str:
    """A rounded number for headings and pictures: ``80.0m``; digits after the point where there is a suffix."""
    for size, suffix in ((1e12, "tn"), (1e9, "bn"), (1e6, "m"), (1e3, "k")):
        if abs(number) >= 0.9995 * size:
            return f"{number / size:,.{digits}f}{suffix}"
    return f"{number:,.0f}" if float(number).is_integer() else f"{number:,.4g}"


def short(amount: float, unit: Currency) -> str:
    """A rounded amount for headings and pictures: ``USD 80.0m``."""
    return f"{unit.code} {compact(round(amount))}"


def percent(share: float) -> str:
    """A small share as people read it: two digits that matter, such as ``0.00038%``; ``0%`` below a billionth."""
    if math.isnan(share):
        return "unknown"
    size = abs(share) * 100.0
    if size < 1e-7:
        return "0%"
    digits = max(0, 1 - math.floor(math.log10(size)))
    return f"{share * 100.0:.{min(digits, 9)}f}%"
