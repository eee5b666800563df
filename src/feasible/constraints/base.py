"""The contract that every constraint fulfils."""

from __future__ import annotations

import copy
import math
from collections.abc import Sequence
from typing import Any, ClassVar, Self

import numpy as np

from feasible.backends import Array, is_compiling, namespace, value_of
from feasible.constraints.axes import vector_axes
from feasible.constraints.gate import (
    Measurement,
    measure_steps,
    moves,
    project_whole,
    tangent_whole,
)
from feasible.constraints.names import CONSTRAINTS
from feasible.constraints.parts import Part, ProjectionResult, Steps, refuse_complex, run
from feasible.constraints.values import Value, attributes_of, defined_at

# What goes with a projection, so that a class with another projection does not inherit it.
_OF_PROJECTION = (
    "measure",
    "measured",
    "violations",
    "quantity",
    "bounds",
    "interval",
    "project_tangent",
    "tangent_by_default",
    "takes_complex",
    "is_convex",
    "is_cone",
    "is_entrywise",
    "is_scaling",
    "has_ray",
    "ray",
)
# A constraint that computes in the weight's dtype rounds more than once.
_ROUNDINGS_OF_CALLS = 4.0


@CONSTRAINTS.built_in()
class Constraint(Value):
    """Base class of weight constraints: a stateless function from a weight to a feasible one.

    A subclass says its mathematics in one of two ways. As in Keras, it overrides `__call__`, which
    is given the whole weight. Or it overrides `project`, which is given blocks, in parts where the
    weight is sharded, and then also acts on many weights at once, in place, and without gathering.

    Equality, hash, repr and the config follow from the constructor's arguments, which are kept as
    attributes of the same names; arrays count by content. A subclass that keeps others, and has no
    `get_config` of its own, is equal only to itself. A constraint cannot be changed: `replace`
    makes another.

    Example:
        >>> import numpy as np
        >>> from feasible import ops
        >>> class AtMostOne(Constraint):
        ...     def __call__(self, w):
        ...         return ops.minimum(w, 1.0)
        >>> AtMostOne()(np.array([0.5, 3.0]))
        array([0.5, 1. ])
        >>> class FixedMean(Constraint):
        ...     def __init__(self, mean, axis=0):
        ...         self.mean, self.axis = mean, axis
        ...
        ...     def project(self, part):
        ...         (total,) = yield (part.total(part.wide),)
        ...         return part.wide - (total / part.length - self.mean)
        >>> FixedMean(2.0)(np.array([[1.0, 5.0], [2.0, 7.0]]))
        array([[1.5, 1. ],
               [2.5, 3. ]])
        >>> FixedMean(2.0) == FixedMean(2.0, axis=0)
        True
    """

    quantity: ClassVar[str] = "distance"
    # Whether a block must be whole to be projected: then it is gathered where it is sharded.
    whole_blocks: Any = False
    # Whether complex numbers are projected by their modulus; else such weights are refused.
    takes_complex: Any = False
    # Whether gradients are projected, too, where a model is not told otherwise.
    tangent_by_default: Any = False
    # What an intersection goes by: whether with two feasible weights all between them are feasible,
    # with one all its positive multiples, and whether each entry is constrained alone; and whether
    # the nearest feasible vector is a positive multiple of the given one.
    is_convex: Any = False
    is_cone: Any = False
    is_entrywise: Any = False
    is_scaling: Any = False
    # Whether `ray` is one of a cone's nearest directions.
    has_ray: Any = False
    __call__: Any

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        own = vars(cls)
        if "call" in own and not {"__call__", "project"} & set(own) and not is_called(cls):
            raise TypeError(
                f"{cls.__name__}: a constraint must define `__call__`, given the whole weight, or "
                "`project`, given blocks of it. Received: `call`, which nothing would call. Rename "
                "it `__call__`."
            )
        latest = min(defined_at(cls, "__call__"), defined_at(cls, "project"))
        for name in _OF_PROJECTION:
            if defined_at(cls, name) > latest:
                setattr(cls, name, vars(Constraint)[name])

    @property
    def bounds(self) -> tuple[float, float]:
        """The smallest and the largest quantity of a feasible vector."""
        return 0.0, 0.0

    @property
    def interval(self) -> tuple[Any, Any]:
        """Between which numbers, or arrays that broadcast to it, entries of a feasible weight lie.

        Here, any: it need not be narrow, only true.
        """
        return -math.inf, math.inf

    def __call__(self, w: Array) -> Array:  # type: ignore[no-redef]
        """Return the weight projected onto the feasible ones.

        Args:
            w: The weight, of any shape.

        Returns:
            An array of the same shape, dtype, device and library.

        Raises:
            TypeError: If the weight is of a dtype that cannot be projected.
            ValueError: If the weight does not have the constraint's axes.
        """
        w, given = value_of(w), w
        if given is not w and self.in_units:
            raise ValueError(
                f'{self!r}: axis="unit" needs to know the layer of the Keras variable '
                f"{given.path}. Import feasible.keras before the layer is built, or give the axes "
                "as integers."
            )
        namespace(w)  # which says so where it is no array
        if not is_compiling():  # which follows no arrays of NumPy's
            self.check_shape(w.shape)
        return project_whole(self, Part(w, self.vector_axes(w.shape), type(self).__name__))

    def project(self, part: Part) -> ProjectionResult | Steps:
        """Return the nearest feasible entries; here, the entries as they are.

        As a generator it yields tuples of sums over what is here of each block, as `part.total`
        takes them, and receives those over whole blocks. Blocks that moved no further than
        rounding, and those with a NaN or an infinity, keep their bits whatever it returns.

        Args:
            part: The weight, or what of it is here, with the axes of its blocks.

        Returns:
            Entries of the part's shape in any float dtype. Or a pair of them and, of size 1 along
            the axes of a block, which blocks keep their bits: then that is not looked at again.
        """
        return part.w

    def measure(self, part: Part) -> Steps:
        """Return what this constraint bounds, and how far each block is from being feasible.

        Args:
            part: The weight, or what of it is here, with the axes of its blocks.

        Yields:
            Sums, and receives totals, as `project` does.

        Returns:
            What was found of each block; unless overridden, how far the projection moves it.
        """
        if is_whole_call(self):
            return (yield from moves(part, self(part.w), _ROUNDINGS_OF_CALLS))
        return (yield from measure_steps(self, part))

    def tangent(self, w: Array, gradient: Array) -> Array:
        """Return a gradient without what points out of the feasible set.

        Its negative is the direction of steepest descent among those along which the weight stays
        feasible: the projection of minus the gradient onto the tangent cone. An optimizer that
        scales each entry of a gradient by itself, as Adam does, ends at the optimum with it, and
        elsewhere without.

        Args:
            w: The weight, feasible.
            gradient: The gradient, of its shape.

        Returns:
            An array of the gradient's shape, dtype, device and library; the gradient itself where
            the constraint's class says nothing of tangents.

        Raises:
            TypeError: If the weight is of a dtype that cannot be projected.
            ValueError: If the weight does not have the constraint's axes.

        Example:
            >>> import numpy as np
            >>> from feasible import FixedSum
            >>> FixedSum(1.0).tangent(np.array([0.5, 0.5]), np.array([1.0, 3.0]))
            array([-1.,  1.])
        """
        if is_whole_call(self):
            return gradient
        self.check_shape(w.shape)
        part = Part(w, self.vector_axes(w.shape), type(self).__name__)
        return tangent_whole(self, part, gradient)

    def roundings(self, part: Part) -> float:
        """Return how many roundings of its dtype may move a block that is feasible.

        Args:
            part: The weight, or what of it is here.

        Returns:
            1.0, for all but what is computed in a dtype that rounds as much as the weight's.
        """
        del part
        return 1.0

    def project_tangent(self, part: Part, gradient: Array) -> Array | Steps:
        """Return the part of a gradient along which a weight can move; here, all of it.

        Args:
            part: The weight, or what of it is here, with the axes of its blocks.
            gradient: The gradient there, in the dtype in which sums are taken.

        Returns:
            The projected gradient; or, as a generator that yields sums as `project` does, it.
        """
        del part
        return gradient

    def ray(self, part: Part) -> Array:
        """Return the nearest direction inside a cone of vectors that have none there.

        Args:
            part: The weight, of whole vectors, which the projection onto the cone makes zero.

        Returns:
            Entries of vectors that are not zero; here, of all the first one.
        """
        one = part.xp.ones_like(part.wide)
        return part.xp.where(part.is_first, one, part.xp.zeros_like(one))

    def __and__(self, other: Constraint) -> Constraint:
        """Return the constraint that asks for both, where its projection is known."""
        if not isinstance(other, Constraint):
            return NotImplemented
        both: Constraint = CONSTRAINTS.find("Intersection")(self, other)
        return both

    @property
    def in_units(self) -> bool:
        """Whether axes are still to be replaced by those of a layer's units."""
        return getattr(self, "axis", None) == "unit"

    @property
    def needs_initial_weight(self) -> bool:
        """Whether something depends on what a weight is when this is declared for it."""
        return False

    def declared_for(self, w: Array) -> Constraint:
        """Return this constraint as it holds for a weight for which it is declared.

        Args:
            w: The weight, in the layout in which the constraint counts axes.

        Returns:
            A constraint of which nothing depends on what the weight was when it was declared.
        """
        del w
        return self

    def resolve(self, unit_axes: Sequence[int]) -> Self:
        """Return this constraint with ``axis="unit"`` replaced by the axes it stands for.

        Args:
            unit_axes: The axes that hold the weights incident to one unit, for one parameter.

        Returns:
            A constraint without ``"unit"``; one that has no such axis is returned as it is.
        """
        return self.along(unit_axes) if self.in_units else self

    def along(self, axes: Sequence[int]) -> Self:
        """Return this constraint on blocks that lie along other axes.

        Args:
            axes: The axes.

        Returns:
            A constraint that differs in its axis only.
        """
        other = copy.copy(self)
        vars(other)["axis"] = tuple(axes)
        return other

    def vector_axes(self, shape: Sequence[int]) -> tuple[int, ...]:
        """Return the axes that one vector of a weight of this shape lies along.

        A vector is what is constrained alone, whatever the rest of the weight is.

        Args:
            shape: The weight's shape.

        Returns:
            The axes in ascending order: those that `axis` names, or of a constraint without such
            an attribute all, which makes the whole weight one vector.

        Raises:
            ValueError: If the shape does not have such an axis.
        """
        axis = getattr(self, "axis", None)
        return vector_axes(type(self).__name__, axis, shape)

    def check_shape(self, shape: Sequence[int]) -> None:
        """Raise if a weight of this shape cannot be constrained.

        Args:
            shape: The weight's shape.

        Raises:
            ValueError: If it does not have the constraint's axes, or an array of the constraint's
                does not broadcast to it.
        """
        self.vector_axes(shape)
        for name, value in attributes_of(self).items():
            if isinstance(value, np.ndarray) and not is_broadcastable(value.shape, shape):
                raise ValueError(
                    f"{type(self).__name__}: an array of shape {value.shape} does not broadcast to "
                    f"a weight of shape {tuple(shape)}. Received: that for `{name}`, which counts "
                    "axes as the constraint does, for known layers in Keras layout."
                )

    def doubt(self, shape: Sequence[int]) -> str | None:
        """Return what is to be said where this constraint is bound to a weight that is trained.

        Args:
            shape: The weight's shape.

        Returns:
            A warning, or None.
        """
        del shape
        return None

    def vectors(self, shape: Sequence[int]) -> tuple[int, int]:
        """Return how many vectors a weight of this shape holds, and how long each is.

        Args:
            shape: The weight's shape.

        Returns:
            Their count and their length.
        """
        axes = block_axes(self, shape)
        count = math.prod(size for axis, size in enumerate(shape) if axis not in axes)
        return count, math.prod(shape[axis] for axis in axes)

    def violations(self, w: Array) -> Array:
        """Return how far each vector of a weight is from being feasible.

        Args:
            w: The weight, of any shape.

        Returns:
            One distance a vector: 0 where it is feasible up to its dtype's rounding, and NaN where
            it holds a NaN.
        """
        return namespace(w).reshape(self.measurement(w).violations, (-1,))

    def measured(self, w: Array) -> Array:
        """Return what this constraint bounds: its `quantity`, one number a vector.

        Args:
            w: The weight, of any shape.

        Returns:
            The numbers that lie within `bounds` where the weight is feasible.
        """
        return namespace(w).reshape(self.measurement(w).values, (-1,))

    def measurement(self, w: Array, *, stacked: bool = False) -> Measurement:
        """Return both at once, `measured` and `violations`, before they are flattened.

        Args:
            w: The weight, or weights of one shape, stacked along a new first axis.
            stacked: Whether they are several. Not those of a function of the whole weight.

        Returns:
            What was found of each block, of size 1 along its axes.
        """
        refuse_complex(self, w)
        axes = tuple(stacked + axis for axis in block_axes(self, w.shape[int(stacked) :]))
        found: Measurement = run(
            self.measure(Part(w, axes, type(self).__name__, stacked=int(stacked)))
        )
        return found


def is_broadcastable(shape: Sequence[int], target: Sequence[int]) -> bool:
    """Return whether an array broadcasts to a shape.

    Args:
        shape: The array's shape.
        target: The shape.

    Returns:
        Whether it does.

    Example:
        >>> is_broadcastable((1, 3), (2, 3)), is_broadcastable((2,), (2, 3))
        (True, False)
    """
    pairs = zip(reversed(shape), reversed(target), strict=False)
    return len(shape) <= len(target) and all(one in (1, other) for one, other in pairs)


def is_called(kind: type) -> bool:
    """Return whether a class of constraints overrides `__call__`.

    Args:
        kind: A class that derives from `Constraint`.

    Returns:
        Whether what it makes is a function of the whole weight.
    """
    return kind.__call__ is not Constraint.__call__


def is_whole_call(constraint: Any) -> bool:
    """Return whether a constraint is a function of the whole weight, as Keras's are.

    Args:
        constraint: A constraint, or any callable.

    Returns:
        Whether it is no `Constraint`, or a class of it overrides `__call__`.
    """
    return not isinstance(constraint, Constraint) or is_called(type(constraint))


def block_axes(constraint: Constraint, shape: Sequence[int]) -> tuple[int, ...]:
    """Return the axes of what is looked at alone: of a function of the whole weight, all.

    Args:
        constraint: The constraint.
        shape: The weight's shape.

    Returns:
        The axes in ascending order.
    """
    kind = type(constraint)
    own = kind.vector_axes is not Constraint.vector_axes
    if is_whole_call(constraint) and not own:
        return tuple(range(len(shape)))
    return constraint.vector_axes(shape)
