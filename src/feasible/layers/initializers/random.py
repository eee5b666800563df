"""Initial values that are drawn."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import torch
from torch import Tensor, nn

from feasible.arguments import InvalidArgumentError, check_choice, check_number
from feasible.layers.initializers.initializer import INITIALIZERS, Initializer

Mode = Literal["fan_in", "fan_out", "fan_avg"]
Distribution = Literal["truncated_normal", "untruncated_normal", "uniform"]

# The standard deviation of a standard normal variable that is truncated at -2 and 2.
_TRUNCATED_DEVIATION = 0.87962566103423978


def _truncated_normal(values: Tensor, generator: torch.Generator | None) -> Tensor:
    return nn.init.trunc_normal_(values, 0.0, 1.0, -2.0, 2.0, generator=generator)


@INITIALIZERS.built_in("normal")
@dataclass(frozen=True, eq=False)
class RandomNormal(Initializer):
    """Values of a normal distribution.

    Args:
        mean: The mean.
        stddev: The standard deviation, at least 0.
        seed: What the values are drawn from; None draws new ones at each call.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    mean: float = 0.0
    stddev: float = 0.05
    seed: int | None = None

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_number(type(self).__name__, "mean", self.mean)
        check_number(type(self).__name__, "stddev", self.stddev, minimum=0)

    def _filled(self, values: Tensor, generator: torch.Generator | None) -> Tensor:
        return values.normal_(self.mean, self.stddev, generator=generator)


@INITIALIZERS.built_in()
class TruncatedNormal(RandomNormal):
    """Values of a normal distribution, those beyond two deviations from the mean left out.

    Args:
        mean: The mean.
        stddev: The standard deviation before truncation, at least 0.
        seed: What the values are drawn from; None draws new ones at each call.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    def _filled(self, values: Tensor, generator: torch.Generator | None) -> Tensor:
        return _truncated_normal(values, generator).mul_(self.stddev).add_(self.mean)


@INITIALIZERS.built_in("uniform")
@dataclass(frozen=True, eq=False)
class RandomUniform(Initializer):
    """Values of a uniform distribution.

    Args:
        minval: The smallest value.
        maxval: The largest value, at least `minval`.
        seed: What the values are drawn from; None draws new ones at each call.

    Raises:
        InvalidArgumentError: If an argument cannot be used.
    """

    minval: float = -0.05
    maxval: float = 0.05
    seed: int | None = None

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_number("RandomUniform", "minval", self.minval)
        check_number("RandomUniform", "maxval", self.maxval, minimum=self.minval)

    def _filled(self, values: Tensor, generator: torch.Generator | None) -> Tensor:
        return values.uniform_(self.minval, self.maxval, generator=generator)


@INITIALIZERS.built_in()
@dataclass(frozen=True, eq=False)
class VarianceScaling(Initializer):
    """Values whose variance is `scale` divided by a number of units.

    Args:
        scale: The variance times the number of units, above 0.
        mode: The units that are counted: those going in, those going out, or the mean of both.
        distribution: What the values are drawn from; ``"normal"`` means ``"truncated_normal"``.
        seed: What the values are drawn from; None draws new ones at each call.
        input_axes: With `output_axes`, the axes whose sizes count the units going in; None for all
            but the last of a kernel in Keras layout.
        output_axes: The axes whose sizes count the units going out.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> VarianceScaling(2.0, distribution="uniform")((50, 20)).abs().max() <= (6 / 50) ** 0.5
        tensor(True)
    """

    scale: float = 1.0
    mode: Mode = "fan_in"
    distribution: Distribution = "truncated_normal"
    seed: int | None = None
    input_axes: Sequence[int] | None = None
    output_axes: Sequence[int] | None = None

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        name = type(self).__name__
        if check_number(name, "scale", self.scale, minimum=0) == 0:
            raise InvalidArgumentError(name, "scale", self.scale, "above 0")
        check_choice(name, "mode", self.mode, ("fan_in", "fan_out", "fan_avg"))
        if self.distribution == "normal":  # type: ignore[comparison-overlap]
            object.__setattr__(self, "distribution", "truncated_normal")
        allowed = ("truncated_normal", "untruncated_normal", "uniform")
        check_choice(name, "distribution", self.distribution, allowed)

    def _filled(self, values: Tensor, generator: torch.Generator | None) -> Tensor:
        fans = compute_fans(values.shape, self.input_axes, self.output_axes)
        units = {"fan_in": fans[0], "fan_out": fans[1], "fan_avg": sum(fans) / 2}[self.mode]
        deviation = math.sqrt(self.scale / max(1.0, units))
        if self.distribution == "truncated_normal":
            return _truncated_normal(values, generator).mul_(deviation / _TRUNCATED_DEVIATION)
        if self.distribution == "untruncated_normal":
            return values.normal_(0.0, deviation, generator=generator)
        limit = math.sqrt(3) * deviation
        return values.uniform_(-limit, limit, generator=generator)


@dataclass(frozen=True, eq=False)
class _Preset(Initializer):
    """A variance scaling whose scale, mode and distribution have a name.

    Args:
        seed: What the values are drawn from; None draws new ones at each call.
        input_axes: As of `VarianceScaling`.
        output_axes: As of `VarianceScaling`.
    """

    seed: int | None = None
    input_axes: Sequence[int] | None = None
    output_axes: Sequence[int] | None = None

    scaling: ClassVar[tuple[float, Mode, Distribution]]

    def _filled(self, values: Tensor, generator: torch.Generator | None) -> Tensor:
        arguments = (*self.scaling, None, self.input_axes, self.output_axes)
        return VarianceScaling(*arguments)._filled(values, generator)


@INITIALIZERS.built_in()
class GlorotNormal(_Preset):
    """Truncated normal values of variance ``2 / (fan_in + fan_out)``.

    Source:
        Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks,
        2010, section 4.2.
    """

    scaling = (1.0, "fan_avg", "truncated_normal")


@INITIALIZERS.built_in()
class GlorotUniform(_Preset):
    """Uniform values of variance ``2 / (fan_in + fan_out)``.

    Source:
        Glorot, Bengio: Understanding the difficulty of training deep feedforward neural networks,
        2010, equation 16.
    """

    scaling = (1.0, "fan_avg", "uniform")


@INITIALIZERS.built_in()
class HeNormal(_Preset):
    """Truncated normal values of variance ``2 / fan_in``.

    Source:
        He, Zhang, Ren, Sun: Delving Deep into Rectifiers, 2015, equation 10.
    """

    scaling = (2.0, "fan_in", "truncated_normal")


@INITIALIZERS.built_in()
class HeUniform(_Preset):
    """Uniform values of variance ``2 / fan_in``.

    Source:
        He, Zhang, Ren, Sun: Delving Deep into Rectifiers, 2015, equation 10.
    """

    scaling = (2.0, "fan_in", "uniform")


@INITIALIZERS.built_in()
class LecunNormal(_Preset):
    """Truncated normal values of variance ``1 / fan_in``.

    Source:
        LeCun, Bottou, Orr, Müller: Efficient BackProp, 1998, equation 16.
    """

    scaling = (1.0, "fan_in", "truncated_normal")


@INITIALIZERS.built_in()
class LecunUniform(_Preset):
    """Uniform values of variance ``1 / fan_in``.

    Source:
        LeCun, Bottou, Orr, Müller: Efficient BackProp, 1998, equation 16.
    """

    scaling = (1.0, "fan_in", "uniform")


@INITIALIZERS.built_in("OrthogonalInitializer")
@dataclass(frozen=True, eq=False)
class Orthogonal(Initializer):
    """A matrix with orthonormal rows or columns, whichever are fewer, times a gain.

    All axes but the last count the rows.

    Args:
        gain: What the matrix is multiplied by.
        seed: What the values are drawn from; None draws new ones at each call.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Source:
        Saxe, McClelland, Ganguli: Exact solutions to the nonlinear dynamics of learning in deep
        linear neural networks, 2014.
    """

    gain: float = 1.0
    seed: int | None = None

    def __post_init__(self) -> None:
        """Check the arguments."""
        super().__post_init__()
        check_number("Orthogonal", "gain", self.gain)

    def _filled(self, values: Tensor, generator: torch.Generator | None) -> Tensor:
        if values.ndim < 2:
            raise ValueError(
                "Orthogonal: a weight must have 2 axes or more. Received: shape "
                f"{tuple(values.shape)}."
            )
        nn.init.orthogonal_(values.flatten(0, -2), self.gain, generator=generator)
        return values


def compute_fans(
    shape: Sequence[int],
    input_axes: Sequence[int] | None = None,
    output_axes: Sequence[int] | None = None,
) -> tuple[int, int]:
    """Return how many units go into one unit of a weight, and how many come out of one.

    Args:
        shape: The weight's shape in Keras layout.
        input_axes: The axes whose sizes count the units going in; used if both are given.
        output_axes: The axes whose sizes count those coming out.

    Returns:
        Both numbers.

    Example:
        >>> compute_fans((3, 3, 16, 32))
        (144, 288)
    """
    if input_axes is not None and output_axes is not None:
        return math.prod(shape[axis] for axis in input_axes), math.prod(
            shape[axis] for axis in output_axes
        )
    if len(shape) < 2:
        return math.prod(shape), math.prod(shape)
    spatial = math.prod(shape[:-2])
    return spatial * shape[-2], spatial * shape[-1]
