"""Pages, one module each."""

from fastapi import APIRouter

from fiscus.web.pages import (
    account,
    audit,
    books,
    compare,
    decide,
    inbox,
    people,
    policy,
    proposal,
    provider,
    release,
    rounds,
    sign_in,
    spending,
    writing,
)

router = APIRouter()
for each in (
    account,
    audit,
    books,
    compare,
    decide,
    inbox,
    people,
    policy,
    proposal,
    provider,
    release,
    rounds,
    sign_in,
    spending,
    writing,
):
    router.include_router(each.router)
