"""The constraint that a kernel's weights are the same at each radius."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from itertools import product
from typing import Any, Literal

from feasible.arguments import InvalidArgumentError, check_choice
from feasible.backends import Array, accumulation_dtype, astype, namespace
from feasible.constraints.base import Constraint
from feasible.constraints.gate import moves
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps

Rings = Literal["documented", "mean", "legacy"]
Metric = Literal["chebyshev", "euclidean"]


@CONSTRAINTS.built_in("radialconstraint", of_keras=False)
class RadialConstraint(Constraint):
    """Give a convolution kernel one value a ring around its centre.

    Every kernel of the weight, one for each input and output channel, is constrained alone.

    Args:
        rings: Where a ring's value comes from.
            ``"documented"``: from the main diagonal, as the Keras page shows on a 4x4 kernel. The
            centre of an odd kernel is its own sample and the innermost ring of an even one its
            upper-left corner; every further ring's is its lower-right corner. The rings of an odd
            kernel take their own samples, those of an even one take them in reverse order. A
            kernel that is radial already comes back as it is.
            ``"mean"``: the mean of the ring, which gives the nearest radial kernel. It is the one
            to train with, for any number of spatial axes.
            ``"legacy"``: what tf.keras 2.15 computes, bit for bit; not idempotent.
        metric: What a ring is, for ``"mean"``: the squares of the ``"chebyshev"`` distance, or the
            circles of the ``"euclidean"`` one.

    Raises:
        InvalidArgumentError: If an argument is none of these, or the metric is given for samples.

    Example:
        >>> import numpy as np
        >>> kernel = np.arange(9.0).reshape(3, 3, 1, 1)
        >>> RadialConstraint()(kernel)[:, :, 0, 0]
        array([[8., 8., 8.],
               [8., 4., 8.],
               [8., 8., 8.]])

    Source:
        The page on layer weight constraints of the Keras documentation, for ``"documented"``. The
        mean is the least-squares projection onto kernels that are constant on each ring.
    """

    whole_blocks = True

    @property
    def is_convex(self) -> bool:
        """Whether a kernel between two feasible ones is feasible, and the nearest is returned."""
        return self.rings == "mean"

    @property
    def is_cone(self) -> bool:
        """Whether positive multiples of a feasible kernel are feasible."""
        return self.rings == "mean"

    def __init__(self, rings: Rings = "documented", metric: Metric = "chebyshev") -> None:
        self.rings: Rings = check_choice("RadialConstraint", "rings", rings, tuple(_PROJECTIONS))
        self.metric: Metric = check_choice("RadialConstraint", "metric", metric, tuple(_DISTANCES))
        if rings != "mean" and metric != "chebyshev":
            raise InvalidArgumentError(
                "RadialConstraint", "metric", metric, f'"chebyshev" where rings={rings!r}'
            )

    def project(self, part: Part) -> tuple[Array, bool]:
        """Return radial kernels.

        Args:
            part: Kernels that are whole, of shape (*spatial, in, out), of equal spatial sizes.

        Returns:
            The entries, and that no kernel is left to be looked at.
        """
        projection = _PROJECTIONS[self.rings]
        return part.unblocked(projection(part.blocks(), *self._rings(part))), False

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient, the same at each radius; that of sampled rings as it is.

        Args:
            part: Kernels that are whole.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        if self.rings != "mean":
            return gradient
        return part.unblocked(_mean(part.blocks(gradient), *self._rings(part)))

    def measure(self, part: Part) -> Steps:
        """Return how far each kernel is from the nearest radial one.

        Args:
            part: Kernels that are whole, of shape (*spatial, in, out), of equal spatial sizes.

        Yields:
            Sums of squares, and receives the same.

        Returns:
            One Euclidean distance a kernel, NaN where it holds a NaN.
        """
        return (yield from moves(part, part.unblocked(_mean(part.blocks(), *self._rings(part)))))

    def doubt(self, shape: Sequence[int]) -> str | None:
        """Return that samples of even kernels change places at each step.

        Args:
            shape: The weight's shape.

        Returns:
            A warning, or None.
        """
        if self.rings != "documented" or shape[0] < 4 or shape[0] % 2:
            return None
        return (
            f"{self!r} on a kernel of even size {shape[0]} exchanges the values of its rings at "
            'each step. RadialConstraint(rings="mean") is the one to train with.'
        )

    def _rings(self, part: Part) -> tuple[list[int], int]:
        """Return the ring of each pixel, and the kernels' size."""
        size = part.w.shape[part.axes[0]]
        return ring_indices(size, len(part.axes), self.metric), size

    def _spatial(self, shape: Sequence[int]) -> tuple[int, int]:
        """Return the kernel's size and its number of spatial axes, if it has equal ones."""
        spatial = tuple(shape[:-2])
        ranks = (2,) if self.rings == "legacy" else range(1, len(shape))
        if len(spatial) not in ranks or len(set(spatial)) > 1 or 0 in spatial:
            form = "(size, size, in, out)" if ranks == (2,) else "(size, ..., size, in, out)"
            raise ValueError(
                f"{self!r}: the weight must be a convolution kernel of shape {form}, of equal "
                f"spatial sizes. Received: a weight of shape {tuple(shape)}."
            )
        return spatial[0], len(spatial)

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments.

        Returns:
            ``rings``, and ``metric`` where it has a say.
        """
        if self.rings == "mean":
            return {"rings": self.rings, "metric": self.metric}
        return {"rings": self.rings}

    def vector_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the spatial axes: each kernel is constrained alone.

        Args:
            shape: The weight's shape.

        Returns:
            All axes but the last two.

        Raises:
            ValueError: If it is not the shape of such kernels.
        """
        _, rank = self._spatial(shape)
        return tuple(range(rank))


_DISTANCES: dict[Metric, Callable[[Sequence[int]], int]] = {
    "chebyshev": lambda offsets: max(map(abs, offsets)),
    "euclidean": lambda offsets: sum(offset**2 for offset in offsets),
}


def ring_indices(size: int, rank: int, metric: Metric) -> list[int]:
    """Return the ring of each pixel of a kernel, the innermost ring being 0.

    Args:
        size: The size of each spatial axis.
        rank: The number of spatial axes.
        metric: ``"chebyshev"`` or ``"euclidean"``.

    Returns:
        ``size**rank`` indices, in row-major order.

    Example:
        >>> ring_indices(3, 2, "chebyshev")
        [1, 1, 1, 1, 0, 1, 1, 1, 1]
        >>> ring_indices(3, 2, "euclidean")
        [2, 1, 2, 1, 0, 1, 2, 1, 2]
    """
    # Twice the distance from the centre along each axis, so that even sizes have integers too.
    places = range(1 - size, size, 2)
    distances = [_DISTANCES[metric](offsets) for offsets in product(places, repeat=rank)]
    order = sorted(set(distances))
    return [order.index(distance) for distance in distances]


def _diagonal(pixels: Array, size: int) -> list[Array]:
    """Return the pixels of the main diagonal, from one corner to the other."""
    step = (pixels.shape[0] - 1) // max(size - 1, 1)
    return [pixels[place * step, ...] for place in range(size)]


def _documented(pixels: Array, rings: Sequence[int], size: int) -> Array:
    """Sample the diagonal as the Keras page shows, where a kernel is not radial yet."""
    xp, diagonal = namespace(pixels), _diagonal(pixels, size)
    corners = [size // 2 + ring for ring in range(max(rings) + 1)]
    samples = [(size - 1) // 2, *corners[1:]]
    if size % 2 == 0:
        samples.reverse()
    own = xp.stack([diagonal[corners[ring]] for ring in rings])
    # A NaN is the same as a NaN here, or a radial kernel with one would have its rings exchanged.
    same = (pixels == own) | ((pixels != pixels) & (own != own))
    radial = xp.all(same, axis=0, keepdims=True)
    return xp.where(radial, pixels, xp.stack([diagonal[samples[ring]] for ring in rings]))


def _legacy(pixels: Array, rings: Sequence[int], size: int) -> Array:
    """Sample the diagonal as tf.keras 2.15 does: one step up and left on odd sizes."""
    xp, diagonal = namespace(pixels), _diagonal(pixels, size)
    half, odd = divmod(size, 2)
    innermost = diagonal[max(half - 1, 0)]
    if not odd:
        # As it does there, which turns -0.0 into 0.0.
        innermost = innermost + xp.zeros_like(innermost)
    rest = [diagonal[half + ring - odd] for ring in range(1, max(rings) + 1)]
    samples = [innermost, *rest]
    return xp.stack([samples[ring] for ring in rings])


def _mean(pixels: Array, rings: Sequence[int], size: int) -> Array:
    """Give each ring its mean; a ring of equal values keeps them, bit for bit."""
    del size
    xp = namespace(pixels)
    wide = astype(pixels, accumulation_dtype(pixels))
    means = []
    for ring in range(max(rings) + 1):
        members = [pixel for pixel, other in enumerate(rings) if other == ring]
        first = pixels[members[0], ...]
        same, mean = first == first, 0.0
        for pixel in members:
            same = same & (pixels[pixel, ...] == first)
            # Divided before they are added, so that large values do not overflow.
            mean = mean + wide[pixel, ...] / len(members)
        means.append(xp.where(same, first, astype(mean, pixels.dtype)))
    return xp.stack([means[ring] for ring in rings])


_PROJECTIONS: dict[Rings, Callable[[Array, Sequence[int], int], Array]] = {
    "documented": _documented,
    "mean": _mean,
    "legacy": _legacy,
}
