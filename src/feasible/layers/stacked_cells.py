"""Cells on top of each other."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from typing import Any

from torch import Tensor, nn

from feasible.arguments import InvalidArgumentError
from feasible.layers import nested
from feasible.layers.cells import initial_state, output_shapes, scan
from feasible.layers.layer import Layer
from feasible.layers.symbolic import Shape
from feasible.registry import snake_case


class StackedRNNCells(Layer):
    """A cell made of cells, each of which takes what the one before it puts out.

    Args:
        cells: The cells.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If something is not a cell, or there is none.

    Example:
        >>> import numpy as np
        >>> from feasible.layers import GRUCell, LSTMCell, RNN
        >>> RNN(StackedRNNCells([LSTMCell(4), GRUCell(5)]))(np.ones((2, 7, 3))).shape
        torch.Size([2, 5])
    """

    def __init__(self, cells: Iterable[Any], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        cells = [nested.get(cell) for cell in cells]
        if not cells or any(not hasattr(cell, "state_size") for cell in cells):
            raise InvalidArgumentError(
                "StackedRNNCells", "cells", cells, "layers with `state_size`, one or more"
            )
        self.cells = nn.ModuleList(cells)
        if not self.trainable:
            self.trainable = False

    @property
    def state_size(self) -> list[Any]:
        """The sizes of each cell's states."""
        return [cell.state_size for cell in self._layers()]

    def _layers(self) -> list[Any]:
        # Asked for before there are cells, too.
        return [*(self._modules.get("cells") or ())]  # type: ignore[misc]

    def sublayers(self) -> dict[str, Layer]:
        """Return the cells.

        Returns:
            Cells by the name under which Keras keeps their weights in this layer's.
        """
        used: Counter[str] = Counter()
        found = {}
        for cell in self._layers():
            stem = f"cells/{snake_case(type(cell).__name__)}"
            found[f"{stem}_{used[stem]}" if used[stem] else stem] = cell
            used[stem] += 1
        return found

    def check_input(self, shape: Shape) -> None:
        """Raise if the first cell cannot take a step's input.

        Args:
            shape: Its sizes, the batch first.

        Raises:
            ValueError: If it cannot.
        """
        self._layers()[0].check_input(shape)

    def build(self, input_shape: Shape) -> None:
        """Make the cells' weights.

        Args:
            input_shape: The sizes of a step's input, the batch first.
        """
        for cell in self._layers():
            cell.build_once(input_shape)
            input_shape, _ = output_shapes(cell, input_shape)

    def get_initial_state(self, batch_size: int) -> list[Any]:
        """Return the states before the first step.

        Args:
            batch_size: How many examples there are.

        Returns:
            A list of each cell's states.
        """
        return [initial_state(cell, batch_size) for cell in self._layers()]

    def scan(
        self,
        inputs: Tensor,
        states: Any,
        return_sequences: bool,
        mask: Tensor | None = None,
        zeros: bool = False,
    ) -> tuple[Tensor, list[Any]]:
        """Take one step after the other, all of a cell before those of the next one.

        Args:
            inputs: A tensor of shape (batch, steps, ...).
            states: A list of each cell's states before the first step.
            return_sequences: Whether the output of each step is wanted, and not the last alone.
            mask: Where steps count, of shape (batch, steps); None for everywhere. Elsewhere states
                stay as they are.
            zeros: Whether the output of a step that does not count is zeros, and not that of the
                one before it.

        Returns:
            The output, with an axis of steps after the batch if all are wanted, and the last
            states.
        """
        cells, found = self._layers(), []
        for cell, before in zip(cells, states, strict=True):
            wanted = return_sequences or cell is not cells[-1]
            inputs, after = scan(cell, inputs, before, wanted, mask, zeros)
            found.append(after)
        return inputs, found

    def call(self, inputs: Tensor, states: Any) -> Any:  # type: ignore[override]
        """Take one step.

        Args:
            inputs: The step's input, the batch first.
            states: A list of each cell's states before it.

        Returns:
            The output, and a list of each cell's new states.
        """
        return self.scan(inputs.unsqueeze(1), states, False)

    def compute_output_shape(self, input_shape: Shape) -> Any:
        """Return the sizes of the output and of the states.

        Args:
            input_shape: The sizes of a step's input, the batch first.

        Returns:
            The output's sizes, and a list of those of each cell's states.
        """
        found = []
        for cell in self._layers():
            input_shape, states = output_shapes(cell, input_shape)
            found.append(states)
        return input_shape, found
