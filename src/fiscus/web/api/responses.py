"""What every route may answer besides what it is for."""

from __future__ import annotations

from typing import Any

from fiscus.web.api import bodies as b
from fiscus.workflow.ports import Written

_KIND = {"application/problem+json": {"schema": b.Problem.model_json_schema()}}


def _told(*codes: int) -> dict[int | str, dict[str, Any]]:
    words = {
        400: "The request cannot be read.",
        401: "Nobody is signed in.",
        403: "Not yours to see or to do.",
        404: "There is no such thing.",
        409: "A rule forbids it, or somebody was faster.",
        413: "Too long.",
        422: "What was sent cannot mean anything.",
        503: "Try again later.",
    }
    return {code: {"content": _KIND, "description": words[code]} for code in codes}


READ = _told(400, 401, 403, 404, 422, 503)
WRITE = _told(400, 401, 403, 404, 409, 413, 422, 503)


def event_of(event: Written) -> b.Event:
    """An event for programs."""
    return b.Event(
        seq=event.seq,
        stream=event.stream,
        version=event.version,
        kind=event.kind,
        at=event.stamp.at,
        actor=event.stamp.actor,
        behalf=event.stamp.behalf,
        data=dict(event.data),
        hash=event.hash,
    )
