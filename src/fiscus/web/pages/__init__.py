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
    rounds,
    sign_in,
)

router = APIRouter()
for each in (sign_in, provider, account, inbox, proposal, compare, decide, rounds, books, audit, people, policy):
    router.include_router(each.router)
