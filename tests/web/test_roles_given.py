"""Roles are chosen from those that mean something; another is given only by somebody who says so twice."""

from __future__ import annotations


def give(client, role, **more):
    return client.post("/people/do/grant", data={"csrf": client.csrf, "person": "head", "role": role, **more})


def test_a_role_that_nothing_asks_for_is_not_given_silently(town):
    clerk = town.inside("clerk")
    page = clerk.get("/people").text
    for known in ("administrator", "auditor", "budget", "bookkeeper", "council", "warden"):
        assert f'<option value="{known}">' in page
    answer = give(clerk, "auditr", unit="town", until="2999-01-31")
    assert answer.status_code == 422
    assert "Did you mean auditor?" in answer.text
    assert 'value="auditr"' in answer.text
    assert 'value="2999-01-31"' in answer.text
    assert "auditr" not in clerk.get("/people").text
    assert give(clerk, "auditr", sure="1").status_code == 303
    assert "auditr" in clerk.get("/people").text


def test_what_was_given_is_said_where_it_is_true(town):
    clerk = town.inside("clerk")
    answer = give(clerk, "auditor")
    assert answer.status_code == 303
    assert "Given. Head holds the role auditor." in clerk.get(answer.headers["location"]).text
    for path in ("/people?given=council&to=head", "/people?given=auditor&to=nobody"):
        assert "Given." not in clerk.get(path).text
