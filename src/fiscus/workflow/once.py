"""Attributes that are found out when they are asked for, once."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, Generic, Self, TypeVar, overload

T = TypeVar("T")


class once(Generic[T]):  # noqa: N801 - It stands where ``functools.cached_property`` would.
    """``functools.cached_property`` as it is from Python 3.12 on: without a lock, which in 3.11 all objects of a class share.

    Threads that ask at the same time may each find it out; what they find is the same.

    Args:
        find: The method.
    """

    def __init__(self, find: Callable[[Any], T]) -> None:
        self.find, self.name = find, find.__name__
        self.__doc__ = find.__doc__

    @overload
    def __get__(self, owner: None, of: type[Any]) -> Self: ...

    @overload
    def __get__(self, owner: object, of: type[Any]) -> T: ...

    def __get__(self, owner: object | None, of: type[Any]) -> Self | T:
        if owner is None:
            return self
        found = owner.__dict__[self.name] = self.find(owner)
        return found
