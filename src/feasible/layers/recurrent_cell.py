"""What the cells of recurrent layers share: their arguments, their weights, dropout, the loop."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import replace
from typing import Any, ClassVar

import torch
from torch import Tensor, nn

from feasible.arguments import check_number
from feasible.known_layouts.torch_layouts import KERNEL
from feasible.layers import activations, initializers
from feasible.layers.cells import step_by_step
from feasible.layers.random_layer import RandomLayer
from feasible.layers.roles import ConstraintOf, WeightOf

RECURRENT_KERNEL = replace(KERNEL, parameter="recurrent_weight", role="recurrent_kernel")

States = Sequence[Tensor]
# Maps a tensor by a kernel, as PyTorch stores it, and a bias.
Map = Callable[[Tensor, Tensor, Tensor | None], Tensor]


class RecurrentCell(RandomLayer, ABC):
    """One step of a recurrent layer: from an input and states to new states.

    The first state is the output. The weights of all gates are stored one after the other, in
    Keras's order.

    Args:
        activation: A function, by name or itself; None for none.
        use_bias: Whether a bias is added.
        kernel_initializer: Initial values of the kernel.
        recurrent_initializer: Initial values of the recurrent kernel.
        bias_initializer: Initial values of the bias.
        kernel_constraint: The kernel's constraint.
        recurrent_constraint: The recurrent kernel's constraint.
        bias_constraint: The bias's constraint.
        dropout: The share of the inputs' entries that is set to 0 in training, the same ones in
            each step.
        recurrent_dropout: The share of the state's entries that is.
        **kwargs: The seed, and arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    gates: ClassVar[int] = 1

    kernel = WeightOf("kernel")
    recurrent_kernel = WeightOf("recurrent_kernel")
    kernel_constraint = ConstraintOf("kernel")
    recurrent_constraint = ConstraintOf("recurrent_kernel")
    bias_constraint = ConstraintOf("bias")
    weight: nn.Parameter
    recurrent_weight: nn.Parameter
    bias: nn.Parameter | None

    def __init__(
        self,
        *,
        activation: Any,
        use_bias: bool,
        kernel_initializer: Any,
        recurrent_initializer: Any,
        bias_initializer: Any,
        kernel_constraint: Any,
        recurrent_constraint: Any,
        bias_constraint: Any,
        dropout: float,
        recurrent_dropout: float,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        owner = type(self).__name__
        self.activation = activations.get(activation)
        self.use_bias = bool(use_bias)
        self.kernel_initializer = initializers.get(kernel_initializer)
        self.recurrent_initializer = initializers.get(recurrent_initializer)
        self.bias_initializer = initializers.get(bias_initializer)
        self.kernel_constraint = kernel_constraint
        self.recurrent_constraint = recurrent_constraint
        self.bias_constraint = bias_constraint
        self.dropout = check_number(owner, "dropout", dropout, minimum=0, maximum=1)
        self.recurrent_dropout = check_number(
            owner, "recurrent_dropout", recurrent_dropout, minimum=0, maximum=1
        )

    @abstractmethod
    def map_inputs(self, inputs: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Map the inputs of all steps by a kernel.

        Args:
            inputs: A tensor of shape (batch, steps, ...).
            weight: The kernel of some gates, as it is stored.
            bias: Their bias, or None.

        Returns:
            A tensor of shape (batch, steps, ...).
        """

    @abstractmethod
    def map_state(self, state: Tensor, weight: Tensor, bias: Tensor | None) -> Tensor:
        """Map a state by a recurrent kernel.

        Args:
            state: A state, the batch first.
            weight: The recurrent kernel of some gates, as it is stored.
            bias: Their bias, or None.

        Returns:
            A tensor, the batch first.
        """

    @abstractmethod
    def step(self, projected: Tensor, states: States, masks: Tensor | None) -> list[Tensor]:
        """Compute the states after a step.

        Args:
            projected: What `map_inputs` makes of the step's input, for all gates.
            states: The states before it.
            masks: What the state is multiplied by in training: one mask for each gate, or one for
                all; None for nothing.

        Returns:
            The new states, of which the first is the output.
        """

    @abstractmethod
    def get_initial_state(self, batch_size: int) -> list[Tensor]:
        """Return states of zeros.

        Args:
            batch_size: How many examples there are.

        Returns:
            The states.
        """

    @property
    def input_bias(self) -> Tensor | None:
        """The bias that is added to what the kernel makes of the input."""
        return self.bias

    @property
    def separate_masks(self) -> bool:
        """Whether dropout draws a mask for each gate, and not one for all."""
        return self.recurrent_dropout > 0

    def initial_bias(self, shape: Sequence[int], dtype: torch.dtype) -> Any:
        """Return initial values of the bias.

        Args:
            shape: Its shape.
            dtype: Its dtype.

        Returns:
            What the initializer gives.
        """
        return self.bias_initializer(tuple(shape), dtype=dtype)

    def draw_masks(self, like: Tensor, rate: float) -> Tensor | None:
        """Draw masks of dropout.

        Args:
            like: A tensor of the shape of a mask.
            rate: The share of zeros.

        Returns:
            Masks, one after the other; None outside of training.
        """
        if not self.training or rate == 0:
            return None
        count = self.gates if self.separate_masks else 1
        masks = torch.empty((count, *like.shape), dtype=like.dtype, device=like.device)
        masks.bernoulli_(1 - rate, generator=self.generator(like.device))
        return masks / (1 - rate) if rate < 1 else masks

    def masked(
        self,
        by: Map,
        inputs: Tensor,
        weight: Tensor,
        bias: Tensor | None,
        masks: Tensor | None,
        axis: int,
    ) -> Tensor:
        """Map a tensor by some gates' kernels, each of which may see it through a mask of its own.

        Args:
            by: What maps it.
            inputs: The tensor.
            weight: The kernels, one after the other.
            bias: Their biases, or None.
            masks: One mask for each gate, one for all, or None.
            axis: The axis along which the results lie.

        Returns:
            The results, one after the other.
        """
        if masks is None or len(masks) == 1:
            return by(inputs if masks is None else inputs * masks[0], weight, bias)
        count = len(masks)
        biases = [None] * count if bias is None else bias.chunk(count)
        parts = zip(masks, weight.chunk(count), biases, strict=True)
        return torch.cat([by(inputs * mask, kernel, own) for mask, kernel, own in parts], axis)

    def scan(
        self,
        inputs: Tensor,
        states: States,
        return_sequences: bool,
        mask: Tensor | None = None,
        zeros: bool = False,
    ) -> tuple[Tensor, list[Tensor]]:
        """Take one step after the other.

        Args:
            inputs: A tensor of shape (batch, steps, ...).
            states: The states before the first step.
            return_sequences: Whether the output of each step is wanted, and not the last alone.
            mask: Where steps count, of shape (batch, steps); None for everywhere. Elsewhere states
                stay as they are.
            zeros: Whether the output of a step that does not count is zeros, and not that of the
                one before it.

        Returns:
            The output, with an axis of steps after the batch if all are wanted, and the last
            states.
        """
        masks = self.draw_masks(inputs[:, :1], self.dropout)
        projected = self.masked(self.map_inputs, inputs, self.weight, self.input_bias, masks, 2)
        drawn = self.draw_masks(states[0], self.recurrent_dropout)

        def step(one: Tensor, before: Any) -> tuple[Tensor, Any]:
            after = self.step(one, before, drawn)
            return after[0], after

        output, last = step_by_step(step, projected, states, return_sequences, mask, zeros)
        return output, list(last)

    def call(  # type: ignore[override]
        self, inputs: Tensor, states: States | Tensor
    ) -> tuple[Tensor, list[Tensor] | Tensor]:
        """Take one step.

        Args:
            inputs: The step's input, the batch first.
            states: The states before it: a list, or a tensor if there is just one.

        Returns:
            The output, and the new states as they were given.
        """
        if isinstance(states, Tensor):
            output, found = self.scan(inputs.unsqueeze(1), [states], False)
            return output, found[0]
        return self.scan(inputs.unsqueeze(1), states, False)
