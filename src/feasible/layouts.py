"""How a parameter's stored axes map to Keras's, as data: order, splits, parts, units."""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

from feasible.arguments import InvalidArgumentError

_AXIS = re.compile(r"\([^()*]*\)|\*?\w+")


class Part(NamedTuple):
    """A slice of one stored axis, where several weights share one parameter.

    Attributes:
        name: What the slice is, such as ``"query"``.
        axis: The stored axis, as the layout writes it.
        start: Where the slice begins.
        size: How long it is.
    """

    name: str
    axis: str
    start: int
    size: int


class Placement(NamedTuple):
    """Where the axes of one shape are in Keras layout.

    Attributes:
        bounds: The start and stop of the part along each stored axis.
        splits: The sizes that each stored axis is split into; none for an axis that Keras lacks.
        order: Which of all those sizes each axis in Keras layout is.
        stored_axes: The stored axis that each axis in Keras layout comes from.
    """

    bounds: tuple[tuple[int, int], ...]
    splits: tuple[tuple[int, ...], ...]
    order: tuple[int, ...]
    stored_axes: tuple[int, ...]

    @property
    def shape(self) -> tuple[int, ...]:
        """The shape in Keras layout."""
        sizes = [size for split in self.splits for size in split]
        return tuple(sizes[place] for place in self.order)

    @property
    def is_permutation(self) -> bool:
        """Whether each axis in Keras layout is one stored axis."""
        return all(len(split) == 1 for split in self.splits)


@dataclass(frozen=True)
class ParameterLayout:
    """What a parameter is to its module, and how its axes are laid out.

    Axes have names, separated by spaces. One starred name stands for any number of axes,
    ``(group in)`` splits one stored axis, and ``1`` is an axis of size one that Keras lacks.

    Args:
        parameter: Its name in the module, such as ``"weight"``, or the path to an array inside,
            such as ``"dense_h/kernel"``.
        role: What it is to the module, in Keras's words, such as ``"kernel"``.
        stored: The axes as they are stored, such as ``"out in *spatial"``.
        keras: The same names in Keras's order, such as ``"*spatial in out"``; empty for the order
            in which they are stored.
        unit: The names of the axes that count units, such as ``"out"``; along all others lie the
            weights incident to one unit. None where units are not known.
        sizes: Pairs of a name and a size, for all but one of the names of a split.
        part: The slice of a stored axis that this is, where several weights share one parameter.

    Raises:
        InvalidArgumentError: If the names do not fit together.

    Example:
        >>> layout = ParameterLayout("weight", "kernel", "out in *space", "*space in out", "out")
        >>> layout.shape((8, 3, 5, 5)), layout.unit_axes(4)
        ((5, 5, 3, 8), (0, 1, 2))
    """

    parameter: str
    role: str
    stored: str = "*axes"
    keras: str = ""
    unit: str | None = None
    sizes: tuple[tuple[str, int], ...] = ()
    part: Part | None = None
    _stored: tuple[tuple[str, ...], ...] = field(init=False, repr=False, compare=False)
    _keras: tuple[str, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        written = _AXIS.findall(self.stored)
        stored = tuple(() if axis == "1" else tuple(axis.strip("()").split()) for axis in written)
        names = tuple(name for axis in stored for name in axis)
        keras = tuple(self.keras.split()) or names
        for argument, value, allowed, holds in (
            (
                "stored",
                self.stored,
                "names of axes, each once, one of them starred at most",
                not _AXIS.sub("", self.stored).strip()
                and len(set(names)) == len(names)
                and sum(name.startswith("*") for name in names) <= 1,
            ),
            ("keras", self.keras, f"the names {sorted(names)}", sorted(keras) == sorted(names)),
            (
                "unit",
                self.unit,
                f"some of the names {sorted(names)}, or None",
                set((self.unit or "").split()) <= set(names),
            ),
            (
                "sizes",
                self.sizes,
                f"pairs of one of the names {sorted(names)} and a size",
                {name for name, _ in self.sizes} <= set(names),
            ),
            (
                "part",
                self.part,
                f"a Part of one of the axes {written}, or None",
                self.part is None or self.part.axis in written,
            ),
        ):
            if not holds:
                raise InvalidArgumentError("ParameterLayout", argument, value, allowed)
        object.__setattr__(self, "_stored", stored)
        object.__setattr__(self, "_keras", keras)

    @property
    def key(self) -> tuple[str, str | None]:
        """What tells this from the other layouts of its module: the parameter and the part."""
        return self.parameter, self.part.name if self.part else None

    def native(self) -> ParameterLayout:
        """Return the layout in which axes are counted as they are stored, of unknown units.

        Returns:
            A layout of the same parameter, or of the same part of it.

        Example:
            >>> kernel = ParameterLayout("weight", "kernel", "out in", "in out", "out")
            >>> kernel.native().shape((3, 2))
            (3, 2)
        """
        written = _AXIS.findall(self.stored)
        names = [
            "*axes" if axis.startswith("*") else f"axis{place}"
            for place, axis in enumerate(written)
        ]
        part = self.part and self.part._replace(axis=names[written.index(self.part.axis)])
        stored = " ".join(names)
        return replace(self, stored=stored, keras="", unit=None, sizes=(), part=part)

    def stacked(self, rank: int) -> int:
        """Return how many leading axes count modules that are stacked, as `jax.vmap` stacks them.

        Args:
            rank: How many axes there are.

        Returns:
            How many there are besides the layout's own, negative if there are fewer; 0 where a
            starred name takes them all.

        Example:
            >>> ParameterLayout("weight", "kernel", "out in").stacked(3)
            1
        """
        starred = any(name.startswith("*") for name in self._keras)
        return min(rank - len(self._stored) + 1, 0) if starred else rank - len(self._stored)

    def unit_axes(self, rank: int) -> tuple[int, ...] | None:
        """Return the axes along which the weights incident to one unit lie.

        Args:
            rank: How many axes there are in Keras layout.

        Returns:
            The axes in Keras layout, in ascending order; None where units are not known.

        Example:
            >>> ParameterLayout("bias", "bias", "*unit", unit="*unit").unit_axes(1)
            ()
        """
        if self.unit is None:
            return None
        units = set(self.unit.split())
        names = _expanded(self._keras, rank)
        return tuple(axis for axis, (name, _) in enumerate(names) if name not in units)

    def placement(self, stored_shape: Sequence[int]) -> Placement:
        """Return where the axes of a shape are in Keras layout.

        Args:
            stored_shape: The shape of the whole parameter, as it is stored.

        Returns:
            Where they are.

        Raises:
            ValueError: If a parameter of this shape cannot be stored so.

        Example:
            >>> ParameterLayout("weight", "kernel", "out in", "in out").placement((3, 2)).order
            (1, 0)
        """
        written = _expanded(_AXIS.findall(self.stored), len(stored_shape))
        own = _expanded(self._stored, len(stored_shape))
        if len(written) != len(stored_shape):
            raise self._misfit(stored_shape)
        bounds = tuple(
            (self.part.start, self.part.start + self.part.size)
            if self.part is not None and axis == self.part.axis
            else (0, size)
            for (axis, _), size in zip(written, stored_shape, strict=True)
        )
        splits, found = [], []
        for place, ((names, nth), (start, stop)) in enumerate(zip(own, bounds, strict=True)):
            if stop > stored_shape[place] or (not names and stored_shape[place] != 1):
                raise self._misfit(stored_shape)
            splits.append(self._split(names, stop - start, stored_shape))
            found += [((name, nth), place) for name in names]
        names = [name for name, _ in found]
        order = tuple(map(names.index, _expanded(self._keras, len(names))))
        return Placement(bounds, tuple(splits), order, tuple(found[axis][1] for axis in order))

    def _split(
        self, names: tuple[str, ...], size: int, stored_shape: Sequence[int]
    ) -> tuple[int, ...]:
        if len(names) < 2:
            return (size,) if names else ()
        known = dict(self.sizes)
        product = math.prod(known.get(name, 1) for name in names)
        unknown = [name for name in names if name not in known]
        if len(unknown) > 1 or product == 0 or size % product or (not unknown and size != product):
            raise self._misfit(stored_shape)
        return tuple(known.get(name, size // product) for name in names)

    def _misfit(self, stored_shape: Sequence[int]) -> ValueError:
        sizes = "".join(f" with {name} = {size}" for name, size in self.sizes)
        part = f" and the part {self.part}" if self.part else ""
        return ValueError(
            f"{self.parameter}, the {self.role}, must have the axes {self.stored!r}{sizes}"
            f"{part}. Received: shape {tuple(stored_shape)}. Register the layout that it has."
        )

    def shape(self, stored_shape: Sequence[int]) -> tuple[int, ...]:
        """Return the shape in Keras layout.

        Args:
            stored_shape: The shape of the whole parameter, as it is stored.

        Returns:
            The shape of its view.

        Raises:
            ValueError: If a parameter of this shape cannot be stored so.
        """
        return self.placement(stored_shape).shape

    def view(self, array: Any) -> Any:
        """Return the view of a parameter in Keras layout.

        Args:
            array: The whole parameter, as it is stored: of PyTorch, NumPy or JAX.

        Returns:
            A view, or in JAX an array; never a copy of a tensor or of a NumPy array.

        Raises:
            ValueError: If a parameter of this shape cannot be stored so.

        Example:
            >>> import numpy as np
            >>> kernel = ParameterLayout("weight", "kernel", "out in", "in out")
            >>> kernel.view(np.ones((3, 2))).shape
            (2, 3)
        """
        place = self.placement(array.shape)
        if self.part is not None:
            array = array[tuple(slice(start, stop) for start, stop in place.bounds)]
        if not place.is_permutation:
            array = array.reshape(tuple(size for split in place.splits for size in split))
        return permuted(array, place.order) if self.keras else array


def permuted(array: Any, order: tuple[int, ...]) -> Any:
    """Return an array with its axes in another order.

    Args:
        array: An array of PyTorch, NumPy or JAX.
        order: The axis that each axis is to be.

    Returns:
        A view.

    Example:
        >>> import numpy as np
        >>> permuted(np.ones((3, 2)), (1, 0)).shape
        (2, 3)
    """
    # NumPy and JAX name it one way, PyTorch the other.
    return (array.permute if hasattr(array, "permute") else array.transpose)(order)


def numbered(name: str, count: int) -> str:
    """Return names for a number of axes.

    Args:
        name: What the axes are.
        count: How many there are.

    Returns:
        The names, separated by spaces.

    Example:
        >>> numbered("spatial", 2)
        'spatial0 spatial1'
    """
    return " ".join(f"{name}{place}" for place in range(count))


def _expanded(names: Sequence[Any], rank: int) -> list[tuple[Any, int]]:
    """Return a pair for each axis: its name, and which of those that a starred name stands for."""
    count = rank - len(names) + 1
    expanded = []
    for name in names:
        starred = (name[:1] if isinstance(name, str) else "".join(name)[:1]) == "*"
        expanded += [(name, nth) for nth in range(count if starred else 1)]
    return expanded
