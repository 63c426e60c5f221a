"""JSON for programs, in one OpenAPI document."""

from fastapi import APIRouter, Security
from fastapi.security import HTTPBearer

from fiscus.web.api import office, proposals, rounds

TOKEN = HTTPBearer(auto_error=False, description="A token of a service account (fiscus people token).")
"""Says in the document what ``visits`` looks at; browsers send their cookie and ``X-CSRF-Token`` instead."""

router = APIRouter(prefix="/api", dependencies=[Security(TOKEN)])
router.include_router(proposals.router)
router.include_router(rounds.router)
router.include_router(office.router)
