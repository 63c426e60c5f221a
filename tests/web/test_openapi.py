"""The API against its own document: hostile and well-formed calls by Schemathesis, with and without somebody signed in."""

from __future__ import annotations

import shutil
from collections import Counter
from datetime import timedelta
from itertools import cycle

import httpx
import pytest
import schemathesis
from hypothesis import HealthCheck, Phase, given, settings
from places import AUDITOR, serving
from schemathesis.checks import CHECKS, load_all_checks

from fiscus.integrate.decision import BUDGET, CLERK, PLANNER
from fiscus.workflow.identity import sessions

POSITIVE, NEGATIVE = schemathesis.GenerationMode.POSITIVE, schemathesis.GenerationMode.NEGATIVE
REFUSED = (400, 401, 404, 405, 413, 422)
"""What nobody gets: most of it is 401; what cannot even be read is refused before anybody is looked for."""
SEEN = ("planning-commission-1", "director-of-finance", PLANNER, BUDGET, AUDITOR, CLERK)
load_all_checks()
WANTED = [
    CHECKS.get_one(name)
    for name in (
        "not_a_server_error",
        "status_code_conformance",
        "content_type_conformance",
        "response_schema_conformance",
    )
]


@pytest.fixture(scope="module")
def place(tmp_path_factory, filled):
    path = tmp_path_factory.mktemp("openapi") / "fiscus.db"
    shutil.copy(filled, path)
    with serving(path) as made:
        at = made.office.clock()
        made.tokens = [
            sessions.begin(made.office.sign_ins, person, at, sessions.TOKEN, timedelta(days=1))[0] for person in SEEN
        ]
        yield made


def fire(place, examples):
    """Every operation, so many times; gives how many calls were answered, and how."""
    document = httpx.get(f"{place.url}/api/openapi.json", headers={"authorization": "Bearer x"}).json()
    schema = schemathesis.openapi.from_dict(document)
    calls, tokens, seen = 0, cycle(place.tokens), Counter()
    with httpx.Client(base_url=place.url, timeout=30) as client:

        def sent(case, headers):
            nonlocal calls
            calls += 1
            given_ = case.as_transport_kwargs(base_url=place.url)
            given_["headers"] = {
                **{k: v for k, v in dict(given_.get("headers") or {}).items() if k.lower() != "authorization"},
                **headers,
            }
            given_.pop("cookies", None)
            return schemathesis.Response.from_any(httpx_of(client, given_))

        for found in schema.get_all_operations():
            operation = found.ok()

            @settings(
                max_examples=examples, deadline=None, derandomize=True, database=None, phases=[Phase.generate],
                suppress_health_check=list(HealthCheck),
            )  # fmt: skip
            @given(
                case=operation.as_strategy(generation_mode=POSITIVE) | operation.as_strategy(generation_mode=NEGATIVE)
            )
            def one(case):
                answer = sent(case, {"authorization": f"Bearer {next(tokens)}"})
                seen[answer.status_code] += 1
                case.validate_response(answer, checks=WANTED)
                nobody = sent(case, {})
                assert nobody.status_code in REFUSED, (case.method, case.path, nobody.status_code)
                wrong = sent(case, {"authorization": "Bearer wrong"})
                assert wrong.status_code in REFUSED

            one()
    return calls, seen


def httpx_of(client, given_):
    body = {key: given_[key] for key in ("json", "data", "content") if given_.get(key) is not None}
    if isinstance(body.get("data"), bytes | str):
        body = {"content": body["data"]}
    url = httpx.URL(given_["url"])
    return client.request(given_["method"], url, params=given_.get("params"), headers=given_["headers"], **body)


def test_the_document_says_what_the_server_does(place):
    calls, seen = fire(place, 10)
    assert calls > 1_000
    assert min(seen[200], seen[403], seen[404], seen[422]) > 10, seen
    checked(place)


@pytest.mark.slow
def test_twenty_thousand_calls(place):
    calls, _ = fire(place, 250)
    assert calls >= 20_000
    checked(place)


def checked(place):
    """Whatever they did, the log holds."""
    from fiscus.workflow.audit.replaying import replayed

    with place.office.store.read() as reader:
        assert replayed(reader)
