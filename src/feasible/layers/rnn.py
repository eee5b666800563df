"""The recurrent layer: a cell, step by step."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from torch import Tensor

from feasible.arguments import InvalidArgumentError
from feasible.layers import nested
from feasible.layers.cells import initial_state, map_states, output_shapes, scan
from feasible.layers.layer import Layer
from feasible.layers.stacked_cells import StackedRNNCells
from feasible.layers.symbolic import Shape
from feasible.layers.tensors import as_tensor


class RNN(Layer):
    """A layer that takes the steps of a sequence one after the other, by a cell.

    Args:
        cell: A `SimpleRNNCell`, `LSTMCell` or `GRUCell`, a list of cells, which are stacked, or a
            layer of yours that has `state_size` (an integer, or one for each state) and whose
            `call` takes a step's input and a list of states, and returns the output and new states.
        return_sequences: Whether the output of each step is returned, and not the last alone.
        return_state: Whether the last states are returned too.
        go_backwards: Whether the last step is taken first.
        stateful: Whether a batch begins with the states that the one before it ended with.
        unroll: What Keras unrolls on other backends; no difference here.
        zero_output_for_mask: Whether the output of a step that does not count is zeros, and not
            that of the one before it.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> from feasible.layers import LSTMCell
        >>> layer = RNN(LSTMCell(4), return_sequences=True)
        >>> layer(np.ones((2, 7, 3))).shape
        torch.Size([2, 7, 4])
    """

    def __init__(
        self,
        cell: Any,
        return_sequences: bool = False,
        return_state: bool = False,
        go_backwards: bool = False,
        stateful: bool = False,
        unroll: bool = False,
        zero_output_for_mask: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        cell = nested.get(cell)
        if isinstance(cell, list):
            cell = StackedRNNCells(cell, dtype=self.dtype)
        if not isinstance(cell, Layer) or not hasattr(cell, "state_size"):
            raise InvalidArgumentError(
                type(self).__name__, "cell", cell, "a layer with `state_size`, or a list of such"
            )
        self.cell = cell
        self.return_sequences = bool(return_sequences)
        self.return_state = bool(return_state)
        self.go_backwards = bool(go_backwards)
        self.stateful = bool(stateful)
        self.unroll = bool(unroll)
        self.zero_output_for_mask = bool(zero_output_for_mask)
        # Those with which the next batch begins, nested as the cell's.
        self.states: Any = None
        if not self.trainable:
            self.trainable = False

    def check_input(self, shape: Shape) -> None:
        """Raise if the input has no steps, or the cell cannot take one.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        if len(shape) < 3 or shape[1] == 0:
            raise ValueError(
                f"{self.name}: the input must have 3 axes or more: batch, steps, features. "
                f"Received: shape {shape}."
            )
        self.cell.check_input((shape[0], *shape[2:]))

    def build(self, input_shape: Shape) -> None:
        """Make the cell's weights.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        self.cell.build_once((input_shape[0], *input_shape[2:]))

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """Return the states before the first step.

        Args:
            batch_size: How many examples there are.

        Returns:
            States of zeros, unless the cell has its own.
        """
        return initial_state(self.cell, batch_size)

    def reset_state(self) -> None:
        """Begin the next batch with the states that the first began with."""
        self.states = None

    def reset_states(self) -> None:
        """Begin the next batch with the states that the first began with."""
        self.reset_state()

    supports_masking = True

    def call(
        self,
        inputs: Tensor,
        initial_state: Sequence[Any] | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        """Take the steps.

        Args:
            inputs: A tensor of shape (batch, steps, ...).
            initial_state: The states before the first step; None for zeros, or, if `stateful`, for
                those after the batch before.
            mask: Where steps count, of shape (batch, steps); None for everywhere.

        Returns:
            The output of the last step, or of all of them. With `return_state`, a tuple of that and
            the last states.

        Raises:
            ValueError: If `stateful`, and the batch has another size than the one before.
        """
        if initial_state is None:
            initial_state = self._first_states(len(inputs))
        elif isinstance(initial_state, Tensor):
            initial_state = [initial_state]
        states = map_states(lambda state: as_tensor(state).to(inputs), initial_state)
        if isinstance(mask, list | tuple):
            mask = mask[0]
        if self.go_backwards:
            inputs = inputs.flip(1)
            mask = None if mask is None else mask.flip(1)
        output, states = scan(
            self.cell, inputs, states, self.return_sequences, mask, self.zero_output_for_mask
        )
        if self.stateful:
            self.states = map_states(Tensor.detach, states)
        return (output, *states) if self.return_state else output

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """Return the mask that the output carries.

        Args:
            inputs: The layer's input.
            mask: The mask that it carries.

        Returns:
            The same where the output has steps; None otherwise.
        """
        del inputs
        return mask if self.return_sequences else None

    def _first_states(self, batch_size: int) -> Any:
        if self.states is None:
            return self.get_initial_state(batch_size)
        last = self.states
        while isinstance(last, list):
            last = last[0]
        if len(last) != batch_size:
            raise ValueError(
                f"{self.name}: with stateful=True, each batch must be as large as the one before "
                f"it, which had {len(last)} examples. Received: {batch_size}. Call reset_state "
                "before another begins."
            )
        # Cloned, since those of an evaluation in inference mode could not be trained with.
        return map_states(Tensor.clone, self.states)

    def compute_output_shape(self, input_shape: Shape) -> Any:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first; None where a size is not known.

        Returns:
            The output's sizes. With `return_state`, a tuple of those and the states'.
        """
        batch, steps, *rest = input_shape
        output, states = output_shapes(self.cell, (batch, *rest))
        if self.return_sequences:
            output = (batch, steps, *output[1:])
        return (output, *states) if self.return_state else output
