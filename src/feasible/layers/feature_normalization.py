"""Features brought to mean 0 and variance 1 by what was found in data before training."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor

from feasible.arguments import InvalidArgumentError
from feasible.known_layouts import register_layouts
from feasible.layers import initializers
from feasible.layers.axis_arguments import check_axes, count_from_zero
from feasible.layers.layer import Layer
from feasible.layers.symbolic import Shape
from feasible.layers.tensors import as_tensor
from feasible.layouts import ParameterLayout

MEAN = ParameterLayout("adapt_mean", "mean")
VARIANCE = ParameterLayout("adapt_variance", "variance")
COUNT = ParameterLayout("count", "count")

# The smallest standard deviation that is divided by.
_SMALLEST = 1e-7


class Normalization(Layer):
    """Subtracts the mean of each feature, and divides by its standard deviation.

    Both are given, or found by `adapt` before training; they are not trained.

    Args:
        axis: The axes whose every index has a mean and a variance of its own: an int or a sequence
            of ints; None for one of each in all.
        mean: The means, which broadcast to the sizes of these axes; given with `variance`.
        variance: The variances, of the same shape.
        invert: Whether to multiply by the standard deviation and add the mean instead.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> layer = Normalization()
        >>> layer.adapt(np.array([[1.0, 10.0], [3.0, 30.0]]))
        >>> layer([[3.0, 10.0]])
        tensor([[ 1., -1.]])
    """

    supports_masking = True
    adapt_mean: Tensor
    adapt_variance: Tensor

    def __init__(
        self,
        axis: int | Sequence[int] | None = -1,
        mean: Any = None,
        variance: Any = None,
        invert: bool = False,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        is_none = axis is None or (isinstance(axis, Sequence) and len(axis) == 0)
        self.axis = () if is_none else check_axes("Normalization", axis)
        self.invert = bool(invert)
        self.input_mean = _given("mean", mean, len(self.axis))
        self.input_variance = _given("variance", variance, len(self.axis))
        if np.shape(self.input_mean) != np.shape(self.input_variance) or (mean is None) != (
            variance is None
        ):
            raise InvalidArgumentError(
                "Normalization", "variance", variance, "given together with `mean`, of its shape"
            )

    def check_input(self, shape: Shape) -> None:
        """Raise if the input lacks an axis, or has another size there than the weights.

        Args:
            shape: The input's sizes, the batch first.

        Raises:
            ValueError: If it does not fit.
        """
        sizes = self._sizes(shape)
        wanted = self._sizes(self.input_shape) if self.built and self.input_shape else sizes
        if None in sizes or sizes != wanted:
            raise ValueError(
                f"{self.name}: the input must have {'known' if sizes == wanted else wanted} sizes "
                f"along axis {', '.join(map(str, self.axis))}. Received: shape {shape}."
            )
        for argument, value in (("mean", self.input_mean), ("variance", self.input_variance)):
            own = np.shape(value)
            pairs = zip(reversed(own), reversed(sizes), strict=False)
            if any(one not in (1, size) for one, size in pairs):
                raise ValueError(
                    f"{self.name}: `{argument}` must broadcast to the sizes {sizes} of the axes "
                    f"{self.axis}. Received: shape {own} for an input of shape {shape}."
                )

    def _sizes(self, shape: Shape) -> list[int | None]:
        return [shape[axis] for axis in count_from_zero(self.name, self.axis, shape)]

    def build(self, input_shape: Shape) -> None:
        """Make the mean and the variance, save where they were given.

        Args:
            input_shape: The input's sizes, the batch first.
        """
        if self.input_mean is not None:
            return
        sizes = [size for size in self._sizes(input_shape) if size is not None]
        self.make_weight(MEAN, sizes, initializers.get("zeros"), buffer=True)
        self.make_weight(VARIANCE, sizes, initializers.get("ones"), buffer=True)
        # Keras's files hold one too, which nothing reads; kept as what other weights are.
        self.make_weight(COUNT, (), initializers.get("zeros"), buffer=True)

    @property
    def mean(self) -> Tensor | None:
        """The means, with size 1 along axes that share one; None before the layer is built."""
        return self._statistic(self.input_mean, MEAN) if self.built else None

    @property
    def variance(self) -> Tensor | None:
        """The variances, with size 1 along axes that share one; None before it is built."""
        return self._statistic(self.input_variance, VARIANCE) if self.built else None

    def _statistic(self, given: Any, layout: ParameterLayout) -> Tensor:
        """Return means or variances in a shape that broadcasts to inputs."""
        assert self.input_shape is not None
        if given is None:
            values: Tensor = getattr(self, layout.parameter)
        else:
            values = torch.as_tensor(given, dtype=self.dtype or torch.get_default_dtype())
        kept = count_from_zero(self.name, self.axis, self.input_shape)
        sizes: list[Any] = [self.input_shape[axis] for axis in kept]
        shape: list[Any] = [1] * len(self.input_shape)
        for axis, size in zip(kept, sizes, strict=True):
            shape[axis] = size
        return values.broadcast_to(sizes).reshape(shape)

    def adapt(self, data: Any) -> None:
        """Find the mean and the variance in data.

        Args:
            data: An array; or an iterable of batches, each an array, or a tuple with the inputs
                first.

        Raises:
            ValueError: If there are no data, batches differ in the sizes of the kept axes, or both
                were given.
            TypeError: If a batch is no array.
        """
        if self.input_mean is not None:
            raise ValueError(
                f"{self.name}: it was given its mean and variance, which `adapt` would replace. "
                "Leave them out to adapt it."
            )
        count, mean, squares = 0, torch.zeros(()), torch.zeros(())
        for batch in inputs_to_adapt_to(self.name, data):
            shape = tuple(batch.shape)
            kept = count_from_zero(self.name, self.axis, shape)
            self.check_input(shape)
            self.build_once(shape if 0 in kept else (None, *shape[1:]), _device_of(data))
            rest = [axis for axis in range(batch.ndim) if axis not in kept]
            # The pairwise update of Chan, Golub and LeVeque, 1979.
            own_mean = batch.mean(rest) if rest else batch
            own_variance = batch.var(rest, correction=0) if rest else torch.zeros_like(batch)
            own = int(np.prod([shape[axis] for axis in rest]))
            apart = own_mean.cpu() - mean
            squares = squares + own_variance.cpu() * own
            squares = squares + apart.square() * (count * own / (count + own))
            mean = mean + apart * (own / (count + own))
            count += own
        with torch.no_grad():
            self.adapt_mean.copy_(mean)
            self.adapt_variance.copy_(squares / count)

    def call(self, inputs: Tensor) -> Tensor:
        """Bring features to mean 0 and variance 1, or back.

        Args:
            inputs: A tensor of any dtype.

        Returns:
            A floating tensor of the same shape.
        """
        mean = self._statistic(self.input_mean, MEAN)
        variance = self._statistic(self.input_variance, VARIANCE)
        x = inputs.to(mean.dtype)
        mean, variance = mean.to(x.device), variance.to(x.device)
        deviation = variance.sqrt().clamp(min=_SMALLEST)
        return x * deviation + mean if self.invert else (x - mean) / deviation

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output, which are those of the input.

        Args:
            input_shape: The input's sizes, the batch first.

        Returns:
            The same.
        """
        return input_shape

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments, as Keras writes them.

        Returns:
            Arguments by name, as values that JSON can hold; not what `adapt` found, which is among
            the weights.
        """
        return {
            **super().get_config(),
            "axis": list(self.axis),
            "mean": self.input_mean,
            "variance": self.input_variance,
        }

    def extra_repr(self) -> str:
        """Return the arguments that are shown when the layer is printed.

        Returns:
            Those that differ from their defaults.
        """
        given = {
            "axis": None if self.axis == (-1,) else (self.axis or "None"),
            "mean": self.input_mean,
            "variance": self.input_variance,
            "invert": self.invert or None,
        }
        return ", ".join(f"{name}={value}" for name, value in given.items() if value is not None)


def _given(argument: str, value: Any, rank: int) -> Any:
    """Return means or variances as numbers, nested in lists."""
    if value is None:
        return None
    try:
        array = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.full((1,) * (rank + 1), np.nan)
    if array.ndim > rank or not np.isfinite(array).all():
        allowed = f"finite numbers, in an array of at most {rank} axes, as many as `axis` names"
        raise InvalidArgumentError("Normalization", argument, value, allowed)
    return array.tolist()


def _device_of(data: Any) -> torch.device | None:
    return data.device if isinstance(data, Tensor) else None


def inputs_to_adapt_to(owner: str, data: Any) -> Iterator[Tensor]:
    """Return the inputs in data that a layer adapts to.

    Args:
        owner: The layer, for the message.
        data: An array; or an iterable of batches, each an array, or a tuple with the inputs first.

    Yields:
        Tensors of float64.

    Raises:
        ValueError: If there are none.
        TypeError: If the data or a batch is no array.
    """
    whole = isinstance(data, np.ndarray | Tensor)
    if not whole and not isinstance(data, Iterable):
        raise TypeError(
            f"{owner}: `data` must be an array, or an iterable of arrays. Received: {data!r:.200}"
        )
    empty = True
    for batch in [data] if whole else data:
        inputs = batch[0] if isinstance(batch, tuple | list) and len(batch) else batch
        if not hasattr(inputs, "shape"):
            raise TypeError(
                f"{owner}: each batch of `data` must be an array. Received: {inputs!r:.200} in a "
                f"{type(data).__name__}. Pass np.asarray(data) where all of it is one array."
            )
        tensor = as_tensor(inputs).detach()
        if tensor.numel() == 0:
            continue
        empty = False
        # The one device without float64.
        yield (tensor.cpu() if tensor.device.type == "mps" else tensor).double()
    if empty:
        raise ValueError(f"{owner}: `data` must hold at least one entry. Received: none.")


register_layouts(Normalization, MEAN, VARIANCE, COUNT)
