"""What is going to happen in a batch of episodes: multipliers, curves and requests, drawn before the first decision.

Each episode draws its raw numbers from a generator of its own and all follow from them together, so that an episode is the same
bits alone and inside any batch (§3.8).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol, runtime_checkable

import numpy as np

from fiscus.core.arrays import FloatArray
from fiscus.core.curves import Curves
from fiscus.core.process import Noise, ParameterPrior, Process, Product, Sampled


@dataclass(frozen=True, eq=False)
class Futures:
    """Episodes.

    Attributes:
        theta: Multipliers of the benefits, shape (B, T, n).
        curves: With parameters of shape (B, n), where each episode has its own; None where all have the plan's.
        asked: Most that is asked for, major units, shape (B, T, n), where requests arrive period by period; None where the plan's
            caps are all there is.
    """

    theta: FloatArray
    curves: Curves | None = None
    asked: FloatArray | None = None


@runtime_checkable
class Requests(Protocol):
    """A process that also decides what is asked for."""

    def asked(self, noise: Noise) -> FloatArray:
        """Most that is asked for, major units, shape (size, T, n)."""
        ...


def futures(process: Process, generators: Sequence[np.random.Generator]) -> Futures:
    """One episode from each generator, in order."""
    if isinstance(process, Sampled):
        return realised(process, process.noises(generators))
    drawn = [process.noise(generator, 1) for generator in generators]
    return realised(process, tuple(np.concatenate(arrays) for arrays in zip(*drawn, strict=True)))


def realised(process: Process, noise: Noise) -> Futures:
    """The episodes that follow from raw numbers.

    Args:
        process: What is uncertain.
        noise: As made by ``process.noise``.
    """
    curves = _curves(process, noise)
    asked = process.asked(noise) if isinstance(process, Requests) else None
    return Futures(process.path(noise), curves, asked)


def _curves(process: Process, noise: Noise) -> Curves | None:
    """Curves drawn by a prior, alone or as a part of a product, with parameters of shape (B, n)."""
    if isinstance(process, ParameterPrior):
        drawn = process.curves_of(noise)
        return replace(drawn, a=drawn.a[:, 0], h=drawn.h[:, 0], p=drawn.p[:, 0])
    if isinstance(process, Product):
        found = [_curves(part, own) for part, own in process.split(noise)]
        return next((each for each in found if each is not None), None)
    return None
