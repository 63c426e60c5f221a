"""The authority matrix as a grid, tried on the past, and put in force."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from fastapi import APIRouter
from starlette.responses import RedirectResponse, Response

from fiscus.errors import InvalidMatrix, Refused
from fiscus.web.rendering import page
from fiscus.web.visits import Here, Sent, Visit
from fiscus.workflow.authority.grid import Grid, grid
from fiscus.workflow.authority.matrix import Matrix
from fiscus.workflow.authority.reading import matrix_from_text
from fiscus.workflow.authority.replay import SUMMARY, replay, summary
from fiscus.workflow.identity.commands import SetExclusive
from fiscus.workflow.service import administer, adopt_policy, reading
from fiscus.workflow.service.decisions import past_decisions

router = APIRouter()


@router.get("/policy")
def show(visit: Here, version: str = "") -> Response:
    """The matrix in force, or an earlier one."""
    return _page(visit, version)


def _page(visit: Visit, version: str = "", **more: Any) -> Response:
    with visit.read() as reader:
        record = reader.load("policy")
        known: Sequence[str] = record.state["known"] if record else ()
        digest = version if version in known else str(record.state["current"]) if record else ""
        matrix = reading.matrix(reader, digest) if digest else None
    context: dict[str, Any] = {"tried": None, "rows": (), "faults": (), "text": "", "cells": None, **more}
    return page(
        "policy.html",
        visit,
        status=422 if context["faults"] else 200,
        matrix=matrix,
        digest=digest,
        known=known,
        current=str(record.state["current"]) if record else "",
        shown=_grid(matrix),
        header=SUMMARY,
        **context,
    )


def _grid(matrix: Matrix | None) -> Grid | None:
    return grid(matrix) if matrix else None


@router.post("/policy/try")
def attempt(visit: Here, form: Sent) -> Response:
    """How past decisions would pass another matrix; nothing is changed."""
    text = form["file"] or form["text"]
    try:
        matrix = matrix_from_text(text, "your matrix")
    except InvalidMatrix as error:
        return _page(visit, faults=error.faults, text=text)
    try:
        with visit.read() as reader:
            replayed = replay(matrix, past_decisions(reader, matrix.currency), visit.registry.parents)
    except Refused as error:
        return _page(visit, faults=(str(error),), text=text)
    short = [each for each in replayed if not each.enough]
    return _page(visit, tried=matrix, cells=grid(matrix), rows=summary(replayed), short=short, text=text)


@router.post("/policy/adopt")
def adopt(visit: Here, form: Sent) -> Response:
    """Put a matrix in force for what is submitted from now on."""
    try:
        matrix = matrix_from_text(form["text"], "your matrix")
    except InvalidMatrix as error:
        return _page(visit, faults=error.faults, text=form["text"])
    with visit.work() as (uow, actor, at, key):
        administer(SetExclusive(matrix.duties.exclusive), uow, actor=actor, at=at, key=f"{key}.exclusive")
        adopt_policy(matrix, uow, actor=actor, at=at, key=key)
    return RedirectResponse("/policy", 303)
