"""JSON for programs, in one OpenAPI document."""

from fastapi import APIRouter

from fiscus.web.api import office, proposals

router = APIRouter(prefix="/api")
router.include_router(proposals.router)
router.include_router(office.router)
