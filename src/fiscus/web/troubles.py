"""What goes wrong, told to people on a page and to programs as a problem document (RFC 9457)."""

from __future__ import annotations

import logging
import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any
from urllib.parse import quote

from fastapi import FastAPI, Request
from fastapi.exceptions import RequestValidationError
from starlette.exceptions import HTTPException
from starlette.responses import JSONResponse, RedirectResponse, Response

from fiscus.errors import BrokenLog, Conflict, FiscusError, InvalidInput, ProviderWrong, Refused
from fiscus.web.rendering import page
from fiscus.web.visits import SAFE, NotFromHere, NotYours, SignInNeeded, came_from_here, kept, safe_path, settings_of

NOT_THERE = ("There is no proposal", "There is no round")
ENTITLEMENT = ("not_entitled", "not_owner", "identity.password", "identity.account", "not_administrator")
"""Ends of names of rules that are about who asks, not about what is asked."""

log = logging.getLogger("fiscus.web")


def status_of(error: FiscusError) -> int:
    """HTTP's word for it."""
    if isinstance(error, SignInNeeded):
        return HTTPStatus.UNAUTHORIZED
    if isinstance(error, NotFromHere | NotYours):
        return HTTPStatus.FORBIDDEN
    if isinstance(error, Refused):
        if error.reason.startswith(NOT_THERE):
            return HTTPStatus.NOT_FOUND
        if error.rule == "identity.throttled":
            return HTTPStatus.TOO_MANY_REQUESTS
        return HTTPStatus.FORBIDDEN if error.rule.endswith(ENTITLEMENT) else HTTPStatus.CONFLICT
    if isinstance(error, InvalidInput):
        return HTTPStatus.UNPROCESSABLE_ENTITY
    if isinstance(error, ProviderWrong):
        return HTTPStatus.BAD_GATEWAY
    return HTTPStatus.CONFLICT if isinstance(error, Conflict | BrokenLog) else HTTPStatus.SERVICE_UNAVAILABLE


HEADINGS: Mapping[int, str] = {
    HTTPStatus.FORBIDDEN: "You may not do this",
    HTTPStatus.NOT_FOUND: "There is nothing here",
    HTTPStatus.CONFLICT: "This cannot be done as things stand",
    HTTPStatus.UNPROCESSABLE_ENTITY: "Something is missing or wrong",
    HTTPStatus.TOO_MANY_REQUESTS: "Too many tries",
    HTTPStatus.BAD_GATEWAY: "The sign-in provider did not answer as it should",
    HTTPStatus.INTERNAL_SERVER_ERROR: "Something failed here",
    HTTPStatus.SERVICE_UNAVAILABLE: "Not just now",
}
"""By status of HTTP."""


def problem(status: int, detail: str, rule: str = "", **more: Any) -> JSONResponse:
    """A problem document."""
    body = {"type": "about:blank", "title": HTTPStatus(status).phrase, "status": int(status), "detail": detail}
    return JSONResponse(body | ({"rule": rule} if rule else {}) | more, status, media_type="application/problem+json")


HEADINGS = {
    401: "Sign in first",
    403: "This is not for you to do",
    404: "There is nothing here",
    409: "This cannot be done now",
    422: "What was written cannot be used",
    429: "Wait a little",
    500: "Something failed",
    502: "The sign-in provider answered wrongly",
    503: "Something that is needed does not answer",
}
"""By status: what a page says in place of HTTP's phrase."""

PLACES = re.compile(
    r"/proposals/[^/]+/(decide|edit|move|release|books)(?=/|$)|/(proposals|rounds)/[^/]+|/(rounds|people|account|funds|audit|policy)(?=/|$)"
)
"""Beginnings of addresses that forms are sent to which are pages themselves."""


def page_of(path: str) -> str:
    """The page that a form came from, by the address it was sent to; the inbox where that is not known."""
    found = PLACES.match(path)
    return quote(found.group(), safe="/") if found else "/inbox"


def _for_programs(request: Request) -> bool:
    return request.url.path.startswith("/api")


def _told(request: Request, status: int, detail: str, rule: str = "") -> Response:
    if _for_programs(request):
        return problem(status, detail, rule)
    back = page_of(request.url.path) if request.method not in SAFE else "/inbox"
    return page("trouble.html", None, status=status, title=heading(status, rule), detail=detail, rule=rule, back=back)


def heading(status: int, rule: str = "") -> str:
    """What a page that tells a trouble is called, for people; HTTP's own phrase where we have no better."""
    if rule == "identity.link":
        return "This link no longer works"
    return HEADINGS.get(status, HTTPStatus(status).phrase)


def _known(request: Request, error: Exception) -> Response:
    assert isinstance(error, FiscusError)
    if isinstance(error, SignInNeeded) and not _for_programs(request):
        here = request.url.path + (f"?{request.url.query}" if request.url.query else "")
        if request.method not in SAFE:
            here = page_of(request.url.path)
            form = getattr(request.state, "form", None)
            carried = kept(form) if form and came_from_here(request, settings_of(request)) else {}
            if here.endswith("/decide") and carried.get("reason"):
                provider = settings_of(request).provider
                more = {"target": here, "provider": provider, "person": "", "fault": "", "kept": carried}
                return page("sign_in.html", None, status=status_of(error), **more)
        target = safe_path(here)
        return RedirectResponse(f"/sign-in?next={target.replace('&', '%26').replace('?', '%3F')}", 303)
    rule = error.rule if isinstance(error, Refused) else ""
    return _told(request, status_of(error), str(error), rule)


def _http(request: Request, error: Exception) -> Response:
    assert isinstance(error, HTTPException)
    words = "There is no such page." if error.status_code == HTTPStatus.NOT_FOUND else str(error.detail)
    response = _told(request, error.status_code, words)
    response.headers.update(error.headers or {})
    return response


def _invalid(request: Request, error: Exception) -> Response:
    assert isinstance(error, RequestValidationError)
    faults = [f"{'.'.join(str(part) for part in each['loc'])}: {each['msg']}" for each in error.errors()]
    return _told(request, HTTPStatus.UNPROCESSABLE_ENTITY, " ".join(f"{fault}." for fault in faults))


def _unknown(request: Request, error: Exception) -> Response:
    log.error("%s %s failed", request.method, request.url.path, exc_info=error)
    words = "Something failed here, and it is in the server's log. Nothing was changed."
    return _told(request, HTTPStatus.INTERNAL_SERVER_ERROR, words)


def add_handlers(app: FastAPI) -> None:
    """Make every error an answer."""
    app.add_exception_handler(FiscusError, _known)
    app.add_exception_handler(HTTPException, _http)
    app.add_exception_handler(RequestValidationError, _invalid)
    app.add_exception_handler(Exception, _unknown)
