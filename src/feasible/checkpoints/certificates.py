"""What the weights of a chain of layers imply: a Lipschitz constant, and monotone inputs.

The bound is on the Euclidean norm, for the model as it predicts, on inputs of any size. It is the
product of a bound for each layer: of a dense one its spectral norm; of a convolution a bound on its
own operator's norm, not its kernel matrix's. Zero padding embeds a signal among zeros, strides and
borders leave out outputs, and neither adds to a norm, so that the norm is at most that of the same
convolution on an infinite grid: the supremum over frequencies of the spectral norm of the kernel's
Fourier transform. That is a trigonometric polynomial of degree n along each axis, where the kernel
has at most 2 n + 1 entries. By a lemma of M. Riesz, such a polynomial is at least cos(n t) times
its maximum at a distance of t from it, so that the largest value on N > 2 n even points, divided by
cos(pi n / N) for each axis, is an upper bound. All of it is computed in float64, to its rounding.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from feasible.checkpoints.checkpoint import Checkpoint
from feasible.checkpoints.stored_array import StoredArray

_Weights = Mapping[str, NDArray[np.float64]]
# Points along each axis, for each entry of the kernel there.
_DENSITY = 8
_LARGEST = 4_000_000

# The Lipschitz constants of activations, which never fall, save for softmax.
_ACTIVATIONS = {
    **dict.fromkeys(("linear", "relu", "relu6", "tanh", "elu", "softplus", "leaky_relu"), 1.0),
    **dict.fromkeys(("softsign", "hard_tanh"), 1.0),
    "sigmoid": 0.25,
    "selu": 1.0507009873554805 * 1.6732632423543772,
    "softmax": 1.0,
}
_UNCHANGING = ("InputLayer", "Dropout", "Flatten", "Reshape", "Permute", "SpatialDropout1D")


class LayerBound(NamedTuple):
    """What is proven of one layer.

    Attributes:
        layer: Its name.
        constant: An upper bound on its Lipschitz constant.
        how: How that was found.
    """

    layer: str
    constant: float
    how: str


class Certificate(NamedTuple):
    """What is proven of a model.

    Attributes:
        layers: What is proven of each layer.
        constant: An upper bound on the model's Lipschitz constant; None where it is refused.
        increasing: Which inputs no output ever falls with; None where that is not known.
        refused: Why it is refused; empty if it is not.
    """

    layers: tuple[LayerBound, ...]
    constant: float | None
    increasing: tuple[int, ...] | None
    refused: str = ""


def certify(checkpoint: Checkpoint) -> Certificate:
    """Return what a checkpoint's weights imply for its model, if that is a chain of known layers.

    Args:
        checkpoint: The checkpoint.

    Returns:
        The certificate, or the reason why there is none.
    """
    if checkpoint.graph is None:
        return _refusal(
            "its layers are not known as a chain: only a Sequential in a Keras archive, or in a "
            "model of Keras 2, says which layer follows which"
        )
    by_group: dict[str, dict[str, StoredArray]] = {}
    for one in checkpoint.arrays:
        layer, _, role = one.name.rpartition("/")
        by_group.setdefault(layer, {})[role] = one
    bounds: list[LayerBound] = []
    signs: _Signs | None = _Signs()
    for entry in checkpoint.graph:
        kind, config = str(entry.get("class_name")), entry["config"]
        name = str(config.get("name"))
        stored = by_group.get(name, {})
        weights = {role: one.read().astype(np.float64) for role, one in stored.items()}
        try:
            bound, signs = _layer_bound(name, kind, config, weights, signs)
        except _RefusedError as reason:
            return _refusal(f"the {kind} {name!r}: {reason}", tuple(bounds))
        bounds.append(bound)
    constant = math.prod(one.constant for one in bounds)
    increasing = signs.increasing() if signs is not None else None
    return Certificate(tuple(bounds), constant, increasing)


class _RefusedError(Exception):
    """Why nothing is proven of a layer."""


def _refusal(reason: str, bounds: tuple[LayerBound, ...] = ()) -> Certificate:
    return Certificate(bounds, None, None, reason)


class _Signs:
    """For each input and unit, whether the unit may rise, and may fall, as the input rises."""

    def __init__(self, may: tuple[NDArray[np.bool_], NDArray[np.bool_]] | None = None) -> None:
        self._may = may

    def after(self, matrix: NDArray[np.float64]) -> _Signs | None:
        """Return the same behind a linear map of shape (in, out)."""
        up, down = ~(matrix <= 0), ~(matrix >= 0)  # of a NaN, both
        if self._may is None:
            return _Signs((up, down))
        rise, fall = self._may
        if rise.shape[1] != matrix.shape[0]:  # several positions, of which each is mapped alone
            return None
        return _Signs((rise @ up | fall @ down, rise @ down | fall @ up))

    def increasing(self) -> tuple[int, ...] | None:
        """Return the inputs with which no output falls."""
        if self._may is None:
            return None
        return tuple(np.flatnonzero(~self._may[1].any(axis=1)).tolist())


def _layer_bound(
    name: str, kind: str, config: Mapping[str, Any], weights: _Weights, signs: _Signs | None
) -> tuple[LayerBound, _Signs | None]:
    if kind in _UNCHANGING:
        keeps_order = kind != "Permute"
        return LayerBound(name, 1.0, "moves entries only"), signs if keeps_order else None
    maker = _MAKERS.get(kind)
    if maker is None:
        raise _RefusedError("nothing is known of such a layer")
    bound, how, matrix = maker(config, weights)
    activation = config.get("activation") or "linear"
    if not isinstance(activation, str) or activation not in _ACTIVATIONS:
        raise _RefusedError(f"nothing is known of its activation {activation!r:.80}")
    if activation != "linear":
        how = f"{how}, then {activation}"
    after = signs.after(matrix) if signs is not None and matrix is not None else None
    if kind == "Activation":
        after = signs
    if activation == "softmax":
        after = None
    return LayerBound(name, bound * _ACTIVATIONS[activation], how), after


_Bound = tuple[float, str, NDArray[np.float64] | None]


def _weight(weights: _Weights, role: str, ranks: Sequence[int]) -> NDArray[np.float64]:
    if role not in weights:
        raise _RefusedError(f"which of its arrays is its {role}, is not known")
    if weights[role].ndim not in ranks:
        raise _RefusedError(f"its {role} has the shape {weights[role].shape}")
    if not np.isfinite(weights[role]).all():
        raise _RefusedError(f"its {role} is not finite")
    return weights[role]


def _activation(config: Mapping[str, Any], weights: _Weights) -> _Bound:
    del config, weights
    return 1.0, "an activation", None


def _dense(config: Mapping[str, Any], weights: _Weights) -> _Bound:
    del config
    kernel = _weight(weights, "kernel", (2,))
    return float(np.linalg.norm(kernel, 2)), "its spectral norm", kernel


def _normalization(config: Mapping[str, Any], weights: _Weights) -> _Bound:
    variance = _weight(weights, "moving_variance", (1,))
    gamma = weights.get("gamma", np.ones_like(variance))
    if config.get("axis") not in (-1, [-1], None):
        raise _RefusedError("its axis is not the last")
    scale = gamma / np.sqrt(variance + float(config.get("epsilon", 1e-3)))
    if not np.isfinite(scale).all():
        raise _RefusedError("its scale is not finite")
    matrix = np.diag(scale) if len(scale) ** 2 <= _LARGEST else None
    return float(np.abs(scale).max()), "its largest scale", matrix


def _convolution(config: Mapping[str, Any], weights: _Weights) -> _Bound:
    if config.get("groups", 1) != 1 or config.get("data_format") == "channels_first":
        raise _RefusedError("it has groups, or channels that come first")
    kernel = _weight(weights, "kernel", (3, 4, 5))
    return convolution_norm_bound(kernel), "a bound by Fourier blocks", None


_MAKERS: Mapping[str, Callable[[Mapping[str, Any], _Weights], _Bound]] = {
    "Activation": _activation,
    "Dense": _dense,
    "BatchNormalization": _normalization,
    **{f"Conv{size}D": _convolution for size in (1, 2, 3)},
}


def convolution_norm_bound(kernel: NDArray[np.float64]) -> float:
    r"""Return an upper bound on the operator norm of a convolution, whatever it is applied to.

    It holds for zero padding of any kind, any stride and any dilation.

    Args:
        kernel: The kernel, (\*spatial, in, out).

    Returns:
        The bound, at most a few percent above the norm on a large input with stride 1.

    Example:
        >>> mean = np.full((3, 1, 1), 1 / 3)
        >>> 1 <= convolution_norm_bound(mean) < 1.03
        True
    """
    spatial = kernel.shape[:-2]
    points = [1 if size == 1 else _DENSITY * size for size in spatial]
    if math.prod(points) * kernel.shape[-1] * kernel.shape[-2] > 4 * _LARGEST:
        # Of a sum of shifts, each of norm 1.
        matrices = kernel.reshape(-1, *kernel.shape[-2:])
        return float(sum(np.linalg.norm(one, 2) for one in matrices))
    pairs = zip(spatial, points, strict=True)
    factor = math.prod(math.cos(math.pi * (size // 2) / count) for size, count in pairs)
    largest = 0.0
    for place in itertools.product(*map(range, points)):
        largest = max(largest, float(np.linalg.norm(_at(kernel, place, points), 2)))
    return largest / factor


def _at(
    kernel: NDArray[np.float64], place: Sequence[int], points: Sequence[int]
) -> NDArray[np.complex128]:
    """Return the kernel's Fourier transform at one frequency, (in, out)."""
    found: NDArray[Any] = kernel
    for index, count in zip(place, points, strict=True):
        phases = np.exp(-2j * np.pi * index * np.arange(found.shape[0]) / count)
        found = np.tensordot(phases, found, axes=(0, 0))
    return found.astype(np.complex128)
