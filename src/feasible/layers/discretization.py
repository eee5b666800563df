"""Numbers as the bins that they fall into."""

from __future__ import annotations

import math
from collections.abc import Sequence
from itertools import islice
from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from feasible.arguments import (
    InvalidArgumentError,
    check_choice,
    check_integer,
    check_number,
)
from feasible.layers.category_encoding import ENCODINGS, check_joined, encode, encoded_shape
from feasible.layers.feature_normalization import inputs_to_adapt_to
from feasible.layers.layer import Layer
from feasible.layers.symbolic import Shape

# Values in ascending order, and how many entries of the data each of them stands for.
Sketch = NDArray[np.float32]


class Discretization(Layer):
    """Replaces each number by that of the bin into which it falls.

    Boundaries are given, or found by `adapt` so that bins hold about equally many entries. A bin
    holds its lower boundary, and not its upper one.

    Args:
        bin_boundaries: The boundaries, ascending; the first and the last bin are open.
        num_bins: How many bins `adapt` makes, where no boundaries are given.
        epsilon: How far off the share of entries up to a boundary may be, from above 0 to 1.
        output_mode: ``"int"`` for a bin's number; or one of those of `CategoryEncoding`.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> Discretization([0.0, 1.0])([[-3.0, 0.0, 5.0]])
        tensor([[0, 1, 2]], dtype=torch.int32)
    """

    def __init__(
        self,
        bin_boundaries: Sequence[float] | None = None,
        num_bins: int | None = None,
        epsilon: float = 0.01,
        output_mode: str = "int",
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if (bin_boundaries is None) == (num_bins is None):
            raise InvalidArgumentError(
                "Discretization", "num_bins", num_bins, "given, or else `bin_boundaries`"
            )
        self.bin_boundaries = None if bin_boundaries is None else _checked(bin_boundaries)
        self.num_bins = (
            None if num_bins is None else check_integer("Discretization", "num_bins", num_bins)
        )
        self.epsilon = check_number("Discretization", "epsilon", epsilon, maximum=1)
        if self.epsilon <= 0:
            raise InvalidArgumentError("Discretization", "epsilon", epsilon, "above 0 and up to 1")
        self.output_mode = check_choice(
            "Discretization", "output_mode", output_mode, ["int", *ENCODINGS]
        )

    def adapt(self, data: Any, steps: int | None = None) -> None:
        """Find the boundaries between bins that hold about equally many entries of data.

        Args:
            data: An array; or an iterable of batches, each an array, or a tuple with the inputs
                first.
            steps: How many batches are taken at most; None for all.

        Raises:
            ValueError: If the boundaries were given, or there are no data.
            TypeError: If a batch is no array.
        """
        if self.num_bins is None:
            raise ValueError(
                f"{self.name}: its `bin_boundaries` were given, which `adapt` would replace. Pass "
                "`num_bins` in their place to adapt it."
            )
        found = np.zeros((2, 0), np.float32)
        for batch in islice(inputs_to_adapt_to(self.name, data), steps):
            values = np.sort(batch.cpu().numpy().astype(np.float32), axis=None)
            found = np.concatenate([_sketch(values, self.epsilon), found], 1)
            found = _thinned(found[:, np.argsort(found[0], kind="stable")], self.epsilon)
        self.bin_boundaries = _thinned(found, 1 / self.num_bins)[0, :-1].tolist()

    def check_input(self, shape: Shape) -> None:
        """Raise if the input has more axes than the output mode joins.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it has.
        """
        check_joined(self.name, self.output_mode, shape)

    def call(self, inputs: Tensor) -> Tensor:
        """Replace numbers by those of their bins.

        Args:
            inputs: A tensor of numbers.

        Returns:
            Whole numbers, as int32; or vectors.

        Raises:
            ValueError: If the layer has no boundaries yet.
        """
        if self.bin_boundaries is None:
            raise ValueError(
                f"{self.name}: it has no boundaries yet. Pass `bin_boundaries`, or call `adapt` on "
                "data first."
            )
        values = inputs if inputs.is_floating_point() else inputs.to(torch.get_default_dtype())
        edges = torch.tensor(self.bin_boundaries, dtype=values.dtype, device=values.device)
        bins = torch.bucketize(values, edges, right=True, out_int32=True)
        if self.output_mode == "int":
            return bins
        dtype = self.dtype or torch.get_default_dtype()
        return encode(bins, self.output_mode, len(self.bin_boundaries) + 1, dtype)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first.

        Returns:
            The same for whole numbers; those with vectors last otherwise.
        """
        if self.output_mode == "int":
            return input_shape
        edges = self.bin_boundaries
        depth = len(edges) + 1 if edges is not None else self.num_bins
        assert depth is not None
        return encoded_shape(input_shape, self.output_mode, depth)

    def symbolic_result(self, inputs: Any, *others: Any, **named: Any) -> Any:
        """Return the sizes and the dtype that stand for the output in a model.

        Args:
            inputs: What stands for the input.
            *others: None.
            **named: None.

        Returns:
            The sizes, and the dtype's name.
        """
        shape, dtype = super().symbolic_result(inputs, *others, **named)
        return shape, "int32" if self.output_mode == "int" else dtype

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as Keras writes them.

        Returns:
            Arguments by name, with the boundaries that were found; Keras takes no `trainable`.
        """
        config = super().get_config()
        del config["trainable"]
        return config

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make a layer from what `get_config` returned.

        Args:
            config: Arguments by name, as we or Keras write them.

        Returns:
            A layer, with the boundaries that another one had found.
        """
        config = dict(config)
        found = config.pop("bin_boundaries", None)
        if config.get("num_bins") is None:
            return cls(found, **config)
        layer = cls(**config)
        layer.bin_boundaries = None if found is None else _checked(found)
        return layer


def _checked(boundaries: Any) -> list[float]:
    """Return boundaries as numbers in ascending order."""
    try:
        array = np.asarray(boundaries, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.full(1, np.nan)
    if array.ndim != 1 or np.isnan(array).any() or (np.diff(array) < 0).any():
        raise InvalidArgumentError(
            "Discretization", "bin_boundaries", boundaries, "a list of numbers, ascending"
        )
    return array.tolist()  # type: ignore[no-any-return]


def _sketch(values: NDArray[np.float32], epsilon: float) -> Sketch:
    """Return at most about ``1 / epsilon`` of sorted values, each for those before it."""
    each = max(len(values) * epsilon, 1)
    kept = values[int(each - 1) :: int(each)]
    return np.stack([kept, np.full_like(kept, each)])


def _thinned(sketch: Sketch, share: float) -> Sketch:
    """Return a sketch of values that each stand for a share of the entries, between given ones."""
    if sketch.shape[1] * share < 1:
        return sketch
    values, weights = sketch
    upto = weights.cumsum()
    steps = np.arange(1, math.ceil(1 / share) + 1)
    counts = np.clip(upto[-1] * share * steps, upto[0], upto[-1])
    kept = np.interp(counts, upto, values)
    return np.stack([kept, np.diff(counts, prepend=0)]).astype(np.float32)
