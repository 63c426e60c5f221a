"""The application: pages for people, JSON for programs, one set of rules behind both."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from importlib.metadata import version

from anyio.to_thread import current_default_thread_limiter
from fastapi import FastAPI
from starlette.requests import Request
from starlette.responses import FileResponse, PlainTextResponse, RedirectResponse, Response

from fiscus.bootstrap import Office
from fiscus.integrate.openid import Client
from fiscus.web import api, pages
from fiscus.web.guard import HEALTH, Guard
from fiscus.web.rendering import STATIC, static, warm
from fiscus.web.settings import Settings
from fiscus.web.troubles import add_handlers

THREADS = 8
"""Requests worked on at a time, as far as Python goes: more would only take turns at the one interpreter, and all be late."""

KINDS = {".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


def make_app(office: Office, settings: Settings | None = None) -> FastAPI:
    """A server's application.

    Args:
        office: Store and clock.
        settings: Of the server.
    """
    app = FastAPI(
        title="Fiscus",
        version=version("fiscus"),
        summary="Proposals, approvals, budgets and the log.",
        docs_url=None,  # Its pages load scripts from elsewhere.
        redoc_url=None,
        openapi_url="/api/openapi.json",
        lifespan=_begun,
    )
    app.state.office, app.state.settings = office, settings or Settings()
    provider = app.state.settings.provider
    app.state.client = Client(provider, app.state.settings.callback) if provider else None
    add_handlers(app)
    app.include_router(api.router)
    app.include_router(pages.router, include_in_schema=False)
    app.add_api_route("/static/{digest}/{name}", _file, include_in_schema=False)
    app.add_api_route(HEALTH, _health, include_in_schema=False)
    app.add_api_route("/", _home, include_in_schema=False)
    app.add_middleware(Guard, settings=app.state.settings)
    return app


@asynccontextmanager
async def _begun(app: FastAPI) -> AsyncIterator[None]:
    current_default_thread_limiter().total_tokens = THREADS
    warm()
    yield


async def _file(digest: str, name: str) -> Response:
    """A file of ours; names are looked up, never joined to a path."""
    known = {path.name: path for path in STATIC.iterdir() if path.suffix in KINDS}
    if name not in known or static(name) != f"/static/{digest}/{name}":
        return PlainTextResponse("There is no such file.", 404)
    return FileResponse(known[name], media_type=KINDS[known[name].suffix])


def _health(request: Request) -> Response:
    """Whether the database answers."""
    office: Office = request.app.state.office
    with office.store.read() as reader:
        reader.latest()
    return PlainTextResponse("ok")


async def _home() -> Response:
    return RedirectResponse("/inbox", 303)
