"""JSON for programs, in one OpenAPI document."""

from fastapi import APIRouter

router = APIRouter(prefix="/api")
