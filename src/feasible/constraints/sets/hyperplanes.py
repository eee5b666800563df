"""The constraints that each vector lies on a hyperplane, or on one side of it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from feasible.arguments import InvalidArgumentError, check_number
from feasible.backends import Array
from feasible.constraints.array_arguments import check_array
from feasible.constraints.axes import Axis, check_axis
from feasible.constraints.base import Constraint
from feasible.constraints.gate import Measurement, measure_steps, project_whole
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps, Sums
from feasible.constraints.rays import is_first_largest


@CONSTRAINTS.built_in("hyperplane", of_keras=False)
class Hyperplane(Constraint):
    r"""Keep each vector on a hyperplane: its product with a normal is a number.

    It solves

    .. math::

        \min_v \lVert v - w \rVert \quad \text{subject to} \quad a^\top v = b

    with a normal a and an offset b, by

    .. math::

        v = w - \frac{a^\top w - b}{\lVert a \rVert^2} a .

    Args:
        normal: An array that broadcasts to the weight in Keras layout: one normal for all vectors,
            or one each. Of no vector all zeros.
        offset: The product.
        axis: The axes that one vector lies along, as in `FixedSum`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> Hyperplane([1.0, -1.0], axis=-1)(np.array([[3.0, 1.0], [2.0, 2.0]]))
        array([[2., 2.],
               [2., 2.]])

    Source:
        Parikh, Boyd: Proximal Algorithms, 2014, section 6.2.1.
    """

    quantity = "product with the normal"
    tangent_by_default = True
    is_convex = True
    has_ray = True

    def __init__(self, normal: Any, offset: float = 0, axis: Axis = 0) -> None:
        name = type(self).__name__
        self.normal = check_array(name, "normal", normal)
        if not np.isfinite(self.normal).all() or not self.normal.any():
            raise InvalidArgumentError(name, "normal", normal, "finite and not all zeros")
        self.offset = check_number(name, "offset", offset)
        self.axis = check_axis(name, axis)

    @property
    def is_cone(self) -> bool:
        """Whether positive multiples of a feasible vector are feasible: those of offset 0."""
        return self.offset == 0

    @property
    def bounds(self) -> tuple[float, float]:
        """The offset, twice."""
        return float(self.offset), float(self.offset)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise if a weight of this shape cannot be constrained.

        Args:
            shape: The weight's shape.

        Raises:
            ValueError: If it does not have the axes, or the normal does not broadcast to it, or is
                all zeros for one of its vectors.
        """
        super().check_shape(shape)
        normals = np.broadcast_to(self.normal, shape)
        if normals.size and not np.any(normals, axis=self.vector_axes(shape)).all():
            raise ValueError(
                f"{type(self).__name__}: `normal` must not be all zeros for any vector of a weight "
                f"of shape {tuple(shape)}. Received: zeros for some along axis={self.axis!r}."
            )

    def project(self, part: Part) -> Steps:
        """Return the entries, moved along the normal.

        Args:
            part: The weight, or what of it is here.

        Yields:
            Sums of products, and receives those of whole vectors.

        Returns:
            The entries.
        """
        entries, normal = part.finite, self._normal(part)
        for _ in range(part.passes):
            product, squared = yield self._products(part, normal, entries)
            excess = self._excess(part, product - self._offset(part))
            entries = entries - normal * (excess / squared)
        return entries

    def measure(self, part: Part) -> Steps:
        """Return each vector's product with the normal, and how far it is from being feasible.

        Args:
            part: The weight, or what of it is here.

        Yields:
            Sums, and receives those of whole vectors.

        Returns:
            The products and distances.
        """
        found = yield from measure_steps(self, part)
        product, _ = yield self._products(part, self._normal(part), part.wide)
        return Measurement(product * part.array(self._largest(part)), found.violations)

    def project_tangent(self, part: Part, gradient: Array) -> Steps:
        """Return the gradient without its component along the normal.

        Args:
            part: The weight, or what of it is here.
            gradient: The gradient there.

        Yields:
            Sums of products, and receives those of whole vectors.

        Returns:
            The projected gradient.
        """
        normal = self._normal(part)
        product, squared = yield self._products(part, normal, gradient)
        return gradient - normal * (product / squared)

    def ray(self, part: Part) -> Array:
        """Return the nearest direction inside the cone of vectors that have none there.

        Args:
            part: The weight, of whole vectors, which the projection makes zero.

        Returns:
            Entries of vectors on the hyperplane, the nearest to one that has one entry, where the
            normal is smallest.
        """
        xp, normal = part.xp, self._normal(part)
        chosen = xp.astype(is_first_largest(part, -xp.abs(normal)), normal.dtype)
        return project_whole(self, part.of_block(chosen, self.vector_axes))

    def _largest(self, part: Part) -> np.ndarray:
        """Return each normal's largest entry, by which it is divided, so that it can be squared.

        Of the whole normal, although what is here may be a part of the vectors.
        """
        rank = part.w.ndim - part.stacked
        sizes = np.abs(self.normal.reshape((1,) * (rank - self.normal.ndim) + self.normal.shape))
        axes = tuple([axis - part.stacked for axis in part.axes])
        return np.max(sizes, axis=axes, keepdims=True) if axes else sizes

    def _offset(self, part: Part) -> Array:
        return self.offset / part.array(self._largest(part))

    def _excess(self, part: Part, product: Array) -> Array:
        """Return by how much products are to be changed."""
        del part
        return product

    def _normal(self, part: Part) -> Array:
        """Return the normal of each vector, scaled, so that it can be squared."""
        normal = self.normal / self._largest(part)
        return part.array(normal) + part.xp.zeros_like(part.wide)

    def _products(self, part: Part, normal: Array, values: Array) -> Sums:
        """Return the sums of products with the normal, and of its squares, to be yielded."""
        return part.total(normal * values), part.total(normal * normal)


@CONSTRAINTS.built_in("halfspace", of_keras=False)
class HalfSpace(Hyperplane):
    r"""Keep each vector on one side of a hyperplane: its product with a normal is at most a number.

    It solves

    .. math::

        \min_v \lVert v - w \rVert \quad \text{subject to} \quad a^\top v \le b

    with a normal a and an offset b, by

    .. math::

        v = w - \frac{\max(a^\top w - b, 0)}{\lVert a \rVert^2} a .

    Args:
        normal: An array that broadcasts to the weight in Keras layout: one normal for all vectors,
            or one each. Of no vector all zeros.
        offset: The largest product.
        axis: The axes that one vector lies along, as in `FixedSum`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> HalfSpace([1.0, 1.0], 2.0, axis=-1)(np.array([[3.0, 1.0], [0.0, 1.0]]))
        array([[2., 0.],
               [0., 1.]])

    Source:
        Parikh, Boyd: Proximal Algorithms, 2014, section 6.2.2.
    """

    @property
    def is_cone(self) -> bool:
        """Whether positive multiples of a feasible vector are feasible: those of offset 0."""
        return self.offset == 0

    @property
    def bounds(self) -> tuple[float, float]:
        """No smallest product, and the offset."""
        return -np.inf, float(self.offset)

    def _excess(self, part: Part, product: Array) -> Array:
        return part.xp.where(product > 0, product, part.xp.zeros_like(product))

    def project_tangent(self, part: Part, gradient: Array) -> Steps:
        """Return the gradient; of a vector at the hyperplane, without what leads across it.

        Args:
            part: The weight, or what of it is here.
            gradient: The gradient there.

        Yields:
            Sums of products, and receives those of whole vectors.

        Returns:
            The projected gradient.
        """
        normal = self._normal(part)
        product, squared = yield self._products(part, normal, part.wide)
        least = 4 * part.precision.slack * part.xp.abs(part.wide) + part.leeway
        (near,) = yield (part.total(part.xp.abs(normal) * least),)
        offset = self._offset(part)
        near = near + 4 * part.precision.slack * part.xp.abs(offset)
        at_bound = product >= offset - near
        along, _ = yield self._products(part, normal, gradient)
        outward = at_bound & (along < 0)
        return gradient - normal * part.xp.where(outward, along / squared, along * 0)
