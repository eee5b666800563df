"""What the cells share whose states are vectors: their weights, and all steps in one call."""

from __future__ import annotations

from abc import abstractmethod
from collections.abc import Callable
from typing import Any, ClassVar

import torch
from torch import Tensor
from torch.nn import functional

from feasible.arguments import check_integer
from feasible.known_layouts import register_layouts
from feasible.known_layouts.torch_layouts import BIAS, KERNEL
from feasible.layers.recurrent_cell import RECURRENT_KERNEL, RecurrentCell, States
from feasible.layers.symbolic import Shape


class UnitsCell(RecurrentCell):
    """A cell whose states are vectors, one entry a unit.

    Args:
        units: How many units there are.
        **kwargs: Arguments of every cell.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    states: ClassVar[int] = 1

    def __init__(self, *, units: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.units = check_integer(type(self).__name__, "units", units)

    @property
    def state_size(self) -> int | list[int]:
        """The size of the state, or of each of them."""
        return self.units if self.states == 1 else [self.units] * self.states

    @property
    def output_size(self) -> int:
        """The size of the output."""
        return self.units

    @property
    def bias_shape(self) -> tuple[int, ...]:
        """The shape of the bias."""
        return (self.gates * self.units,)

    def check_input(self, shape: Shape) -> None:
        """Raise if the input of a step has other axes or features than the kernel.

        Args:
            shape: Its sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        wanted = self.weight.shape[1] if self.built else None
        if len(shape) != 2 or shape[-1] is None or wanted not in (None, shape[-1]):
            raise ValueError(
                f"{self.name}: the input of a step must have 2 axes, the last of size "
                f"{wanted or 'known'}. Received: shape {shape}."
            )

    def build(self, input_shape: Shape) -> None:
        """Make both kernels and the bias.

        Args:
            input_shape: The sizes of a step's input, the batch first.
        """
        features = check_integer(self.name, "input_shape[-1]", input_shape[-1])
        size = self.gates * self.units
        self.make_weight(KERNEL, (size, features), self.kernel_initializer)
        self.make_weight(RECURRENT_KERNEL, (size, self.units), self.recurrent_initializer)
        if self.use_bias:
            self.make_weight(BIAS, self.bias_shape, self.initial_bias)
        else:
            self.register_parameter("bias", None)

    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        """Return states of zeros.

        Args:
            batch_size: How many examples there are.

        Returns:
            The states, each of shape (batch, units).
        """
        return [self.weight.new_zeros(batch_size, self.units) for _ in range(self.states)]

    def map_inputs(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Map the inputs of all steps by a kernel.

        Args:
            inputs: A tensor of shape (batch, steps, in).
            weight: The kernel of some gates, as it is stored.
            bias: Their bias, or None.

        Returns:
            A tensor of shape (batch, steps, gates * units).
        """
        return functional.linear(inputs, weight, bias)

    def map_state(self, state: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Map a state by a recurrent kernel.

        Args:
            state: A state of shape (batch, units).
            weight: The recurrent kernel of some gates, as it is stored.
            bias: Their bias, or None.

        Returns:
            A tensor of shape (batch, gates * units).
        """
        return functional.linear(state, weight, bias)

    @property
    @abstractmethod
    def kernel_of_pytorch(self) -> Callable[..., Any] | None:
        """PyTorch's function for all steps at once; None if it has none for these activations."""

    def kernel_weights(self) -> list[Tensor]:
        """Return the weights as PyTorch's function takes them.

        Returns:
            Both kernels, and a bias for each if there is one.
        """
        if self.bias is None:
            return [self.weight, self.recurrent_weight]
        # PyTorch adds two biases, and Keras one.
        return [self.weight, self.recurrent_weight, self.bias, torch.zeros_like(self.bias)]

    def scan(
        self,
        inputs: Tensor,
        states: States,
        return_sequences: bool,
        mask: Tensor | None = None,
        zeros: bool = False,
    ) -> tuple[Tensor, list[Tensor]]:
        """Take one step after the other, all by one function of PyTorch's if there is one.

        Args:
            inputs: A tensor of shape (batch, steps, in).
            states: The states before the first step.
            return_sequences: Whether the output of each step is wanted, and not the last alone.
            mask: Where steps count, of shape (batch, steps); None for everywhere. Elsewhere states
                stay as they are.
            zeros: Whether the output of a step that does not count is zeros, and not that of the
                one before it.

        Returns:
            The output, of shape (batch, units), or (batch, steps, units) if all are wanted, and the
            last states.
        """
        kernel = self.kernel_of_pytorch
        is_plain = mask is None and not (self.training and self.recurrent_dropout > 0)
        if kernel is None or not is_plain:
            return super().scan(inputs, states, return_sequences, mask, zeros)
        masks = self.draw_masks(inputs[:, :1], self.dropout)
        if masks is not None:
            inputs = inputs * masks[0]
        first = [state.unsqueeze(0).contiguous() for state in states]
        weights = self.kernel_weights()
        if torch.is_autocast_enabled("cpu") and inputs.device.type == "cpu":
            # Autocast asks oneDNN for a function that not every processor has.
            dtype = torch.get_autocast_dtype("cpu")
            first = [state.to(dtype) for state in first]
            weights = [weight.to(dtype) for weight in weights]
            with torch.autocast("cpu", enabled=False):
                outputs, *found = self._all_steps(kernel, inputs.to(dtype), first, weights)
        else:
            outputs, *found = self._all_steps(kernel, inputs, first, weights)
        return outputs if return_sequences else outputs[:, -1], [one.squeeze(0) for one in found]

    def _all_steps(
        self, kernel: Callable[..., Any], inputs: Tensor, first: list[Tensor], weights: list[Tensor]
    ) -> Any:
        return kernel(
            inputs,
            first if len(first) > 1 else first[0],
            weights,
            self.use_bias,
            1,  # layers
            0.0,  # dropout between them
            self.training,
            False,  # in both directions
            True,  # the batch first
        )

    def compute_output_shape(self, input_shape: Shape) -> Any:
        """Return the sizes of the output and of the states.

        Args:
            input_shape: The sizes of a step's input, the batch first.

        Returns:
            The output's sizes, and a list of those of each state.
        """
        size = (input_shape[0], self.units)
        return size, [size] * self.states


register_layouts(RecurrentCell, KERNEL, RECURRENT_KERNEL, BIAS)
