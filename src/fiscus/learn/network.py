"""Small networks in NumPy alone: a policy decides in microseconds, without torch."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from fiscus.errors import InvalidInput

Array32 = npt.NDArray[np.float32]
Activation = Literal["tanh", "relu"]
Head = Literal["linear", "tanh", "choice"]

ACTIVATIONS = ("tanh", "relu")
HEADS = ("linear", "tanh", "choice")


@dataclass(frozen=True, eq=False)
class Network:
    """Layers of weights, with a recurrent layer before them where there is one.

    Attributes:
        weights: ``(weight, bias)`` of each layer, shapes (out, in) and (out,), float32.
        activation: After every layer but the last.
        head: What the last layer's numbers become: ``linear`` as they are, clipped to [-1, 1]; ``tanh`` squashed; ``choice`` logits.
        recurrent: ``weight_ih, weight_hh, bias`` of a long short-term memory (Hochreiter & Schmidhuber 1997), gates in torch's order
            input, forget, cell, output, shapes (4 h, in), (4 h, h), (4 h,); None for none.
    """

    weights: tuple[tuple[Array32, Array32], ...]
    activation: Activation = "tanh"
    head: Head = "linear"
    recurrent: tuple[Array32, Array32, Array32] | None = None

    def __post_init__(self) -> None:
        if self.activation not in ACTIVATIONS or self.head not in HEADS or not self.weights:
            raise InvalidInput(
                "a network has layers, an activation of tanh or relu, and a head of linear, tanh or choice"
            )
        width = None
        if self.recurrent is not None:
            inward, own, bias = self.recurrent
            size = own.shape[-1]
            if (
                inward.ndim != 2
                or own.shape != (4 * size, size)
                or bias.shape != (4 * size,)
                or len(inward) != 4 * size
            ):
                raise InvalidInput("the recurrent layer's arrays do not fit each other")
            width = size
        for weight, bias in self.weights:
            if weight.ndim != 2 or bias.shape != weight.shape[:1] or (width is not None and weight.shape[1] != width):
                raise InvalidInput(f"layers of shapes {weight.shape} and {bias.shape} do not fit the layer before")
            width = len(weight)
        arrays = [array for pair in self.weights for array in pair] + list(self.recurrent or ())
        if not all(np.isfinite(array).all() for array in arrays):
            raise InvalidInput("a weight is not a finite number")

    @property
    def inputs(self) -> int:
        """Numbers of an observation."""
        first = self.weights[0][0] if self.recurrent is None else self.recurrent[0]
        return int(first.shape[1])

    @property
    def outputs(self) -> int:
        """Numbers of an action, or how many there are to choose from."""
        return len(self.weights[-1][1])

    def start(self, size: int) -> tuple[Array32, Array32] | None:
        """Memory before the first observation of a batch."""
        if self.recurrent is None:
            return None
        hidden = self.recurrent[1].shape[1]
        return np.zeros((size, hidden), np.float32), np.zeros((size, hidden), np.float32)

    def __call__(
        self, observation: Array32, memory: tuple[Array32, Array32] | None = None
    ) -> tuple[Array32, tuple[Array32, Array32] | None]:
        """Actions without noise, or logits, shape (B, out), and the memory after.

        Args:
            observation: Shape (B, in), float32.
            memory: As returned before; only of recurrent networks.
        """
        value = observation
        if self.recurrent is not None:
            value, memory = self._remembered(value, memory if memory is not None else self._zeros(len(value)))
        last = len(self.weights) - 1
        for place, (weight, bias) in enumerate(self.weights):
            value = value @ weight.T
            value += bias
            if place < last:
                if self.activation == "tanh":
                    np.tanh(value, out=value)
                else:
                    np.maximum(value, 0.0, out=value)
        if self.head == "tanh":
            np.tanh(value, out=value)
        elif self.head == "linear":
            np.clip(value, -1.0, 1.0, out=value)
        return value, memory

    def _zeros(self, size: int) -> tuple[Array32, Array32]:
        made = self.start(size)
        return made if made is not None else (np.zeros((size, 0), np.float32), np.zeros((size, 0), np.float32))

    def _remembered(self, value: Array32, memory: tuple[Array32, Array32]) -> tuple[Array32, tuple[Array32, Array32]]:
        inward, own, bias = self.recurrent  # type: ignore[misc]
        hidden, cell = memory
        gates = value @ inward.T + hidden @ own.T + bias
        enter, forget, new, out = np.split(gates, 4, axis=1)
        cell = _sigmoid(forget) * cell + _sigmoid(enter) * np.tanh(new)
        hidden = _sigmoid(out) * np.tanh(cell)
        return hidden, (hidden, cell)

    def arrays(self) -> dict[str, Array32]:
        """Every array by name, as they are saved."""
        named: dict[str, Array32] = {}
        for place, (weight, bias) in enumerate(self.weights):
            named |= {f"layer{place}.weight": weight, f"layer{place}.bias": bias}
        if self.recurrent is not None:
            named |= dict(zip(("lstm.weight_ih", "lstm.weight_hh", "lstm.bias"), self.recurrent, strict=True))
        return named

    @classmethod
    def of_arrays(cls, arrays: Mapping[str, npt.NDArray[np.generic]], activation: str, head: str) -> Network:
        """From arrays by name.

        Raises:
            InvalidInput: For arrays that are missing, not needed or do not fit each other.
        """
        named = {name: np.ascontiguousarray(array, dtype=np.float32) for name, array in arrays.items()}
        layers: list[tuple[Array32, Array32]] = []
        while f"layer{len(layers)}.weight" in named:
            place = len(layers)
            weight, bias = named.pop(f"layer{place}.weight"), named.pop(f"layer{place}.bias", None)
            if bias is None:
                raise InvalidInput(f"layer {place} of the network has no bias")
            layers.append((weight, bias))
        recurrent = None
        if named:
            parts = [named.pop(f"lstm.{name}", None) for name in ("weight_ih", "weight_hh", "bias")]
            if named or parts[0] is None or parts[1] is None or parts[2] is None:
                raise InvalidInput(f"the network holds arrays that are not known: {', '.join(sorted(named)) or 'lstm'}")
            recurrent = (parts[0], parts[1], parts[2])
        return cls(tuple(layers), activation, head, recurrent)  # type: ignore[arg-type]


def _sigmoid(value: Array32) -> Array32:
    return np.asarray(0.5 * (np.tanh(0.5 * value) + 1.0), dtype=np.float32)
