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


@given(st.integers(-(10**15), 10**15), st.sampled_from(["USD", "JPY", "KWD"]))
def test_amounts_as_people_read_them_come_back(minor, code):
    unit = currency(code)
    assert unit.to_minor(format_amount(minor, unit)) == minor


@pytest.mark.parametrize(
    ("amount", "minor"), [(" 5 ", 500), (".5", 50), ("5.", 500), ("+1,000", 100_000), ("-1,234,567.89", -123_456_789)]
)
def test_amounts_are_read_as_people_write_them(amount, minor):
    assert currency("USD").to_minor(amount) == minor


@pytest.mark.parametrize(
    ("amount", "decimal", "joined"),
    [
        ("1,5", "1.5", "15"),
        ("10,50", "10.50", "1050"),
        (" -0,500", "-0.500", "-500"),
        (",5", "0.5", "5"),
        ("1234,567", "1234.567", "1234567"),
    ],
)
def test_a_comma_that_could_be_a_decimal_sign_is_refused_with_both_readings(amount, decimal, joined):
    with pytest.raises(InvalidMoney) as refused:
        currency("USD").to_minor(amount)
    assert f"it could be {decimal} or {joined}: write {decimal} for the first, {joined} for the second" in str(
        refused.value
    )


@pytest.mark.parametrize("amount", ["1,2,3", "1.234,56", "1,234,56", "12,34,567", "1,234.5,6", "5,", "1,,000", ","])
def test_commas_stand_only_between_groups_of_three_digits(amount):
    with pytest.raises(InvalidMoney, match="commas may stand only between groups of three digits"):
        currency("USD").to_minor(amount)


@pytest.mark.parametrize(
    "amount", ["1_000", "\uff11\uff10", "\u0663", "1,\u0660\u0660\u0660", "1 000", "", "$5", "+", "."]
)
def test_only_plain_digits_are_money(amount):
    with pytest.raises(InvalidMoney, match=r"is not an amount of USD$"):
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
