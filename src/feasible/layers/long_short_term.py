"""What `LSTM` and its convolutional kin share: four gates, and a carry beside the output."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, ClassVar

import torch
from torch import Tensor

from feasible.layers import activations
from feasible.layers.recurrent_cell import RecurrentCell, States
from feasible.layers.tensors import as_tensor


class LongShortTermCell(RecurrentCell):
    """A cell with an input gate, a forget gate, a candidate and an output gate, in this order.

    Args:
        recurrent_activation: The gates' function, by name or itself; None for none.
        unit_forget_bias: Whether the forget gate's bias begins with ones.
        **kwargs: Arguments of every cell.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Source:
        Hochreiter, Schmidhuber: Long Short-Term Memory, 1997. Gers, Schmidhuber, Cummins: Learning
        to Forget, 2000.
    """

    gates: ClassVar[int] = 4

    def __init__(self, *, recurrent_activation: Any, unit_forget_bias: bool, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.recurrent_activation = activations.get(recurrent_activation)
        self.unit_forget_bias = bool(unit_forget_bias)

    def initial_bias(self, shape: Sequence[int], dtype: torch.dtype) -> Tensor:
        """Return initial values of the bias.

        Args:
            shape: Its shape: four times the units.
            dtype: Its dtype.

        Returns:
            The bias initializer's, save for the forget gate.
        """
        values = as_tensor(super().initial_bias(shape, dtype)).clone()
        if self.unit_forget_bias:
            values.chunk(4)[1].fill_(1)
        return values

    def step(self, projected: Tensor, states: States, masks: Tensor | None) -> list[Tensor]:
        """Compute the output and the carry after a step.

        Args:
            projected: What the kernel and the bias make of the step's input.
            states: The output and the carry before it.
            masks: What the output is multiplied by in training: for each gate, for all, or None.

        Returns:
            The new output and carry.
        """
        output, carry = states
        recurrent = self.masked(self.map_state, output, self.recurrent_weight, None, masks, 1)
        enter, keep, candidate, leave = (projected + recurrent).chunk(4, 1)
        kept = self.recurrent_activation(keep) * carry
        carry = kept + self.recurrent_activation(enter) * self.activation(candidate)
        return [self.recurrent_activation(leave) * self.activation(carry), carry]
