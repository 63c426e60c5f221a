"""Gymnasium spaces of the environments."""

from __future__ import annotations

import numpy as np
from gymnasium import spaces

from fiscus.env.decode import Decoder
from fiscus.env.fields import Field


def action_box(decoder: Decoder) -> spaces.Box[np.float32]:
    """As many numbers in [-1, 1] as the decoder reads."""
    return spaces.Box(-1.0, 1.0, (decoder.size,), np.float32)


def observation_box(table: tuple[Field, ...]) -> spaces.Box[np.float32]:
    """From 0 to each field's end."""
    high = np.concatenate([np.full(field.size, field.high, dtype=np.float32) for field in table])
    return spaces.Box(np.zeros_like(high), high, dtype=np.float32)


def choice_space(lines: int) -> spaces.Discrete:
    """A line to fund, or one more to close the period."""
    return spaces.Discrete(lines + 1)
