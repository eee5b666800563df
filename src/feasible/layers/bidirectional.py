"""A recurrent layer in both directions."""

from __future__ import annotations

import copy
from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from feasible.arguments import InvalidArgumentError, check_choice
from feasible.layers import nested
from feasible.layers.layer import Layer
from feasible.layers.rnn import RNN
from feasible.layers.symbolic import Shape

_MERGE: dict[str, Callable[[Tensor, Tensor], Tensor]] = {
    "concat": lambda one, other: torch.cat((one, other), -1),
    "sum": torch.add,
    "mul": torch.mul,
    "ave": lambda one, other: (one + other) / 2,
}
# What both directions must have in common, of that Keras checks.
_COMMON = ("return_sequences", "return_state", "stateful")


class Bidirectional(Layer):
    """A recurrent layer that takes the steps in both directions, each with weights of its own.

    Args:
        layer: The layer for the direction of time, such as an `LSTM`, which is copied: not built,
            with its constraints.
        merge_mode: What is made of both outputs: ``"concat"``, ``"sum"``, ``"mul"``, ``"ave"``, or
            None to return both.
        backward_layer: The layer for the other direction; None for another copy of the first.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> from feasible.layers import LSTM
        >>> layer = Bidirectional(LSTM(4, kernel_constraint="max_norm", return_sequences=True))
        >>> layer(np.ones((2, 7, 3))).shape
        torch.Size([2, 7, 8])
        >>> layer.backward_layer.kernel_constraint
        MaxNorm(max_value=2, axis=0)
    """

    def __init__(
        self,
        layer: Any,
        merge_mode: str | None = "concat",
        backward_layer: Any = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        layer, backward = nested.get(layer), nested.get(backward_layer)
        for name, given in (("layer", layer), ("backward_layer", backward)):
            unsuitable = not isinstance(given, RNN) or given.built
            if unsuitable and (name == "layer" or given is not None):
                raise InvalidArgumentError(
                    "Bidirectional", name, given, "a recurrent layer, such as LSTM, not built yet"
                )
        self.merge_mode = check_choice("Bidirectional", "merge_mode", merge_mode, (*_MERGE, None))
        if backward is None:
            backward = _named(layer, "backward_")
            backward.go_backwards = True
        self.forward_layer = _named(layer, "forward_")
        self.backward_layer = backward
        self._check_alike(self.forward_layer, backward)
        for direction in (self.forward_layer, backward):
            direction.zero_output_for_mask = direction.return_sequences
        if not self.trainable:
            self.trainable = False

    def _check_alike(self, forward: RNN, backward: RNN) -> None:
        if forward.go_backwards == backward.go_backwards:
            raise InvalidArgumentError(
                "Bidirectional",
                "go_backwards",
                forward.go_backwards,
                "False for the layer, and True for its backward_layer",
            )
        for name in _COMMON:
            if getattr(forward, name) != getattr(backward, name):
                raise InvalidArgumentError(
                    "Bidirectional",
                    f"backward_layer.{name}",
                    getattr(backward, name),
                    f"that of the layer, {getattr(forward, name)}",
                )

    @property
    def layer(self) -> RNN:
        """The layer for the direction of time."""
        return self.forward_layer

    @property
    def return_sequences(self) -> bool:
        """Whether the output of each step is returned, and not the last alone."""
        return self.forward_layer.return_sequences

    @property
    def return_state(self) -> bool:
        """Whether the last states are returned too."""
        return self.forward_layer.return_state

    @property
    def stateful(self) -> bool:
        """Whether a batch begins with the states that the one before it ended with."""
        return self.forward_layer.stateful

    @property
    def states(self) -> Any:
        """The states of both directions with which the next batch begins; None for zeros."""
        forward, backward = self.forward_layer.states, self.backward_layer.states
        return None if forward is None else (*forward, *backward)

    def reset_state(self) -> None:
        """Begin the next batch with the states that the first began with."""
        self.forward_layer.reset_state()
        self.backward_layer.reset_state()

    def reset_states(self) -> None:
        """Begin the next batch with the states that the first began with."""
        self.reset_state()

    def check_input(self, shape: Shape) -> None:
        """Raise if the layers cannot take an input of these sizes.

        Args:
            shape: The sizes, the batch first.

        Raises:
            ValueError: If they cannot.
        """
        self.forward_layer.check_input(shape)
        self.backward_layer.check_input(shape)

    def build(self, input_shape: Shape) -> None:
        """Make the weights of both directions.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        self.forward_layer.build_once(input_shape)
        self.backward_layer.build_once(input_shape)

    supports_masking = True

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """Return the mask that the output carries.

        Args:
            inputs: The layer's input.
            mask: The mask that it carries.

        Returns:
            The same where the output has steps; None otherwise.
        """
        del inputs
        if not self.return_sequences:
            return None
        return mask if self.merge_mode else (mask, mask)

    def call(
        self,
        inputs: Tensor,
        initial_state: Sequence[Any] | None = None,
        mask: Tensor | None = None,
    ) -> Any:
        """Take the steps in both directions.

        Args:
            inputs: A tensor of shape (batch, steps, ...).
            initial_state: The states before the first step, of the direction of time and then of
                the other; None for zeros, or, if `stateful`, for those after the batch before.
            mask: Where steps count, of shape (batch, steps); None for everywhere.

        Returns:
            The merged output, or a tuple of both with ``merge_mode=None``. With `return_state`, the
            last states of both follow in the tuple.
        """
        half = len(initial_state or ()) // 2
        first, second = (
            (None, None) if initial_state is None else (initial_state[:half], initial_state[half:])
        )
        output = self.forward_layer(inputs, first, mask=mask)
        reverse = self.backward_layer(inputs, second, mask=mask)
        states: tuple[Any, ...] = ()
        if self.return_state:
            states = (*output[1:], *reverse[1:])
            output, reverse = output[0], reverse[0]
        if self.return_sequences:
            reverse = reverse.flip(1)
        if self.merge_mode is None:
            return (output, reverse, *states)
        merged = _MERGE[self.merge_mode](output, reverse)
        return (merged, *states) if self.return_state else merged

    def compute_output_shape(self, input_shape: Shape) -> Any:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first; None where a size is not known.

        Returns:
            The output's sizes, or a tuple of those of all that is returned.
        """
        output = self.forward_layer.compute_output_shape(input_shape)
        reverse = self.backward_layer.compute_output_shape(input_shape)
        states: tuple[Any, ...] = ()
        if self.return_state:
            states = (*output[1:], *reverse[1:])
            output, reverse = output[0], reverse[0]
        if self.merge_mode is None:
            return (output, reverse, *states)
        if self.merge_mode == "concat":
            output = (*output[:-1], output[-1] + reverse[-1])
        return (output, *states) if self.return_state else output


def _named(layer: RNN, prefix: str) -> RNN:
    """Return a copy of a layer under the name that Keras gives it."""
    copied = copy.deepcopy(layer)
    copied.name = prefix + layer.name.removeprefix(prefix)
    return copied
