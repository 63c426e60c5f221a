"""Baltimore's eleven capital rounds as one scenario set for learning: train on FY2014-21, test on FY2022-24.

In every round departments request General Obligation bonds for projects, and a share of the bonds is given. What a dollar on a request
is worth is the rate at which its bureau's requests were approved in the five years before, as in the plans (there is no assessed
benefit in the data); what people decided in the round itself is not used. Eleven real rounds are few: rounds drawn from their requests
are for training, and are synthetic.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence
from pathlib import Path
from typing import Literal

import numpy as np

from fiscus.core.problem import Problem
from fiscus.core.rounds import FundingRounds
from fiscus.errors import InvalidInput
from fiscus.integrate.public.baltimore import (
    BALTIMORE,
    BOND_ENVELOPES,
    DEPARTMENT_CAP,
    GENERAL_OBLIGATION,
    Ask,
    Outcome,
    approval_rates,
    read_baltimore,
)

RoundSet = Literal["train", "test", "train-synthetic", "test-synthetic"]
ROUND_SETS: dict[str, tuple[range, bool]] = {
    "train": (range(2014, 2022), False),
    "test": (range(2022, 2025), False),
    "train-synthetic": (range(2014, 2022), True),
    "test-synthetic": (range(2022, 2025), True),
}
"""Fiscal years of each set, and whether its requests are drawn from those of the years."""

UNKNOWN_RATE = 1.0
"""Worth of a dollar where nobody has asked before, as in the first year of the data."""

LOOK_BACK = 5


def baltimore_rounds(name: RoundSet = "train", source: Path = BALTIMORE) -> tuple[Problem, FundingRounds]:
    """A problem of one period a round, with a place for each request, and the process that brings the requests.

    Money of a round that is not given is kept for the next ones, as bonds not issued are; no department takes more than 40% of a round's
    bonds. The bonds of FY2014 and FY2015, whose envelope the data does not say, are what was adopted in these years.

    Args:
        name: ``train`` (FY2014-21), ``test`` (FY2022-24), or either with ``-synthetic``.
        source: The raw table.

    Raises:
        InvalidInput: For another name.
    """
    if name not in ROUND_SETS:
        raise InvalidInput(f"the sets of rounds are {', '.join(ROUND_SETS)}, got {name!r}")
    years, synthetic = ROUND_SETS[name]
    outcomes = [each for each in read_baltimore(source) if each.ask.fund == GENERAL_OBLIGATION]
    requests = {year: _requests(outcomes, year) for year in years}
    departments = sorted({department for asks in requests.values() for department in asks})
    places = {each: max(len(requests[year].get(each, ())) for year in years) for each in departments}
    asked, worth = [], []
    for year in years:
        rates = approval_rates(_before(outcomes, year))
        for each in departments:
            own = requests[year].get(each, [])
            empty = [0.0] * (places[each] - len(own))
            asked += [float(ask.requested) for ask in own] + empty
            worth += [_rate(rates, ask) for ask in own] + empty
    shape = (len(years), sum(places.values()))
    group = np.repeat(np.arange(len(departments)), list(places.values()))
    process = FundingRounds(np.reshape(asked, shape), np.reshape(worth, shape), group, synthetic)
    return _problem(name, years, departments, places, process, outcomes), process


def _requests(outcomes: Sequence[Outcome], year: int) -> dict[str, list[Ask]]:
    """Requests of a year by department, the largest first."""
    found: dict[str, list[Ask]] = defaultdict(list)
    for each in outcomes:
        if each.year == year and each.ask.requested > 0:
            found[each.ask.department].append(each.ask)
    return {name: sorted(asks, key=lambda ask: (-ask.requested, ask.project)) for name, asks in found.items()}


def _before(outcomes: Sequence[Outcome], year: int) -> list[Outcome]:
    return [each for each in outcomes if year - LOOK_BACK <= each.year < year]


def _rate(rates: dict[tuple[str, str], float], ask: Ask) -> float:
    return rates.get((ask.fund, ask.bureau)) or rates.get((ask.fund, "")) or UNKNOWN_RATE


def _problem(
    name: str,
    years: range,
    departments: Sequence[str],
    places: dict[str, int],
    process: FundingRounds,
    outcomes: Sequence[Outcome],
) -> Problem:
    bonds = {
        f"FY{year}": BOND_ENVELOPES.get(year) or sum(each.adopted for each in outcomes if each.year == year)
        for year in years
    }
    most = np.asarray(process.requested).max(axis=0)
    lines = {
        "id": [f"{each} {number + 1}" for each in departments for number in range(places[each])],
        "unit": [each for each in departments for _ in range(places[each])],
        "cap": most.tolist(),
    }
    units: dict[str, list[object]] = {"id": ["city", *departments], "parent": ["", *["city"] * len(departments)]}
    for period, bond in bonds.items():
        units[f"cap@{period}"] = ["", *[DEPARTMENT_CAP * bond] * len(departments)]
    return Problem.from_frames(
        name=f"Baltimore rounds FY{years[0]}-{years[-1]} ({name})",
        units=units,
        lines=lines,
        periods=list(bonds),
        budget=bonds,
        opening_cash=0,
        carry_over=1,
    )
