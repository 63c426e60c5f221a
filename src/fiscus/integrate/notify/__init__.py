"""Decisions told to people and programs: planned from the outbox, tried until they are received, never twice as one receiver sees it."""

from fiscus.integrate.notify.delivering import Report, deliver
from fiscus.integrate.notify.settings import Settings

__all__ = ["Report", "Settings", "deliver"]
