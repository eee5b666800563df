"""The constraint that few of each few consecutive entries are not zero, such as two of four."""

from __future__ import annotations

from collections.abc import Sequence

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.backends import Array
from feasible.constraints.axes import Axis, check_axis
from feasible.constraints.base import Constraint
from feasible.constraints.gate import Measurement, moves
from feasible.constraints.largest import is_among_largest
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, Steps


@CONSTRAINTS.built_in("nofm", of_keras=False)
class NofM(Constraint):
    r"""Keep at most n of each m consecutive entries of a vector, those of the largest size.

    It solves

    .. math::

        \min_v \lVert v - w \rVert
        \quad \text{subject to} \quad \lVert v_g \rVert_0 \le n \text{ for each group } g

    where the norm counts the entries that are not zero, and a group is m consecutive entries: the
    first m along `axis`, the next m, and so on. The others become zero. The set is not convex; of
    entries of equal absolute value, the first are kept. Complex entries count by their modulus.
    Vectors that are sharded are gathered. Gradients are not projected unless asked for, because
    then those entries would stay that are not zero.

    Args:
        n: How many entries of a group, from 0 to m.
        m: How long a group is; the length of a vector is a multiple of it.
        axis: The axes that one vector lies along, as in `Simplex`.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> NofM(1, 2)(np.array([[1.0], [-3.0], [2.0], [0.5]])).T
        array([[ 0., -3.,  2.,  0.]])

    Source:
        Mishra et al.: Accelerating Sparse Deep Neural Networks, 2021; Zhou et al.: Learning N:M
        Fine-grained Structured Sparse Neural Networks From Scratch, ICLR 2021.
    """

    quantity = "most entries of a group that are not zero"
    whole_blocks = True
    takes_complex = True
    is_cone = True

    def __init__(self, n: int = 2, m: int = 4, axis: Axis = 0) -> None:
        self.n = check_integer("NofM", "n", n, minimum=0)
        self.m = check_integer("NofM", "m", m)
        self.axis = check_axis("NofM", axis)
        if self.n > self.m:
            raise InvalidArgumentError("NofM", "n", n, f"at most m, which is {self.m}")

    @property
    def has_ray(self) -> bool:
        """Whether the first entry alone is a nearest direction: of zero vectors, if any is."""
        return self.n > 0

    @property
    def bounds(self) -> tuple[float, float]:
        """Zero, and n."""
        return 0.0, float(self.n)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise if a weight of this shape cannot be constrained.

        Args:
            shape: The weight's shape.

        Raises:
            ValueError: If it does not have the axes, or its vectors do not fall into groups.
        """
        super().check_shape(shape)
        count, length = self.vectors(shape)
        if count and length % self.m:
            raise ValueError(
                f"NofM: the length of vectors must be a multiple of m={self.m}. Received: vectors "
                f"of {length}, of a weight of shape {tuple(shape)} along axis={self.axis!r}."
            )

    def project(self, part: Part) -> tuple[Array, Array]:
        """Return the entries, with zeros for all but the largest of each group.

        Args:
            part: The weight, of whole vectors.

        Returns:
            The entries, and which keep their bits.
        """
        xp, groups = part.xp, self._groups(part, part.xp.abs(part.finite_blocks))
        stays = self._counts(part) <= self.n
        kept = self._ungrouped(part, is_among_largest(groups, self.n) | stays)
        entries = xp.where(kept, part.w, xp.zeros_like(part.w))
        return entries, ~part.is_finite

    def measure(self, part: Part) -> Steps:
        """Return the most entries of a group that are not zero, and how large those too many are.

        Args:
            part: The weight, of whole vectors.

        Yields:
            Sums, and receives those of whole vectors.

        Returns:
            One count and distance a vector.
        """
        found = yield from moves(part, self.project(part)[0], 0.0)
        xp, zero = part.xp, part.xp.zeros_like(found.violations)
        counts = self._counts(part)
        if 0 in counts.shape:
            return Measurement(zero, zero)
        most = xp.reshape(xp.max(counts, axis=(0, 1)), zero.shape)
        feasible = (most <= self.n) & part.is_finite
        violations = xp.where(feasible, zero, found.violations)
        return Measurement(xp.astype(most, zero.dtype), violations)

    def project_tangent(self, part: Part, gradient: Array) -> Array:
        """Return the gradient; of a group with n entries, zero where the group is.

        Args:
            part: The weight, of whole vectors.
            gradient: The gradient there.

        Returns:
            The projected gradient.
        """
        is_full = self._counts(part) >= self.n
        held = self._groups(part, part.blocks(part.w)) != 0
        is_free = self._ungrouped(part, held | ~is_full)
        return part.xp.where(is_free, gradient, part.xp.zeros_like(gradient))

    def _groups(self, part: Part, columns: Array) -> Array:
        """Return groups of entries as columns, of shape (m, groups, *others)."""
        shape = (columns.shape[0] // self.m, self.m, *columns.shape[1:])
        order = (1, 0, *range(2, len(shape)))
        return part.xp.permute_dims(part.xp.reshape(columns, shape), order)

    def _ungrouped(self, part: Part, groups: Array) -> Array:
        """Return what `_groups` returned in the order of the weight's entries."""
        order = (1, 0, *range(2, groups.ndim))
        columns = part.xp.permute_dims(groups, order)
        return part.unblocked(part.xp.reshape(columns, (part.length, *groups.shape[2:])))

    def _counts(self, part: Part) -> Array:
        """Return how many entries of each group are not zero, of shape (1, groups, *others)."""
        held = self._groups(part, part.blocks(part.w)) != 0
        return part.xp.sum(part.xp.astype(held, part.xp.int32), axis=0, keepdims=True)
