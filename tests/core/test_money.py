"""Exact money."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fiscus.core.money import compact, currency, format_amount, short
from fiscus.errors import InvalidMoney


@pytest.mark.parametrize(("code", "exponent"), [("USD", 2), ("JPY", 0), ("BHD", 3), ("EUR", 2), ("CLP", 0)])
def test_decimals_of_currencies(code, exponent):
    assert currency(code).exponent == exponent


@given(st.integers(-(10**15), 10**15), st.sampled_from(["USD", "JPY", "KWD"]))
def test_minor_units_come_back(minor, code):
    unit = currency(code)
    assert unit.to_minor(unit.from_minor(minor)) == minor
    assert unit.to_minor(str(unit.from_minor(minor))) == minor


@pytest.mark.parametrize("amount", ["1.001", "x", "nan", "inf", None, 0.001, "1e999999"])
def test_what_is_no_amount_is_refused(amount):
    with pytest.raises(InvalidMoney):
        currency("USD").to_minor(amount)


def test_floats_mean_the_decimal_they_show():
    assert currency("USD").to_minor(0.1) == 10
    assert currency("USD").to_minor(1.15) == 115
    assert currency("USD").to_minor(np.float64(0.1)) == 10


def test_arrays_round_halves_to_even_and_refuse_what_does_not_fit():
    unit = currency("USD")
    assert unit.to_minor_array([0.125, 0.135, 1.0, -0.125]).tolist() == [12, 14, 100, -12]
    for bad in (np.nan, np.inf, 1e18):
        with pytest.raises(InvalidMoney):
            unit.to_minor_array([bad])
    assert unit.to_major_array(np.array([12, 100])).tolist() == [0.12, 1.0]


@pytest.mark.parametrize(("word", "hint"), [("usd", "USD"), ("EURO", "EUR"), ("ZZZZZZ", "ISO 4217"), ("", "ISO 4217")])
def test_an_unknown_code_gets_a_hint(word, hint):
    with pytest.raises(InvalidMoney, match=hint):
        currency(word)


def test_amounts_for_people():
    usd = currency("USD")
    assert format_amount(8_000_000_000, usd) == "80,000,000.00"
    for minor in (0, 5, -5, 99, -100, 123_456_789, -(2**62)):
        for code in ("USD", "JPY", "KWD"):
            assert format_amount(minor, currency(code)) == f"{currency(code).from_minor(minor):,}"
    assert short(80_000_000, usd) == "USD 80.0m"
    assert short(999_960, usd) == "USD 1.0m"
    assert short(950, usd) == "USD 950"
    assert short(1.13e12, usd) == "USD 1.1tn"
    assert compact(0.52213) == "0.5221"
    assert usd.from_minor(5) == Decimal("0.05")
