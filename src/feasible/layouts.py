"""How a parameter's stored axes map to Keras's, as data: order, splits, parts, units."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from feasible.arguments import InvalidArgumentError
from feasible.axis_placement import (
    AxisPart,
    Pattern,
    Placement,
    expand_names,
    names_of,
    pattern_of,
    permute_axes,
    placement_of,
    split_sizes,
)

# How many axes weights have, for which the order of axes is found beforehand.
_RANKS = range(8)
_AXIS = re.compile(r"\([^()*]*\)|\*?\w+")


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
    part: AxisPart | None = None
    _stored: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _keras: tuple[str, ...] = field(init=False, repr=False, compare=False)
    _patterns: tuple[Pattern | None, ...] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        stored = tuple(_AXIS.findall(self.stored))
        names = tuple(name for axis in stored for name in names_of(axis))
        keras = tuple(self.keras.split()) or names
        known = {name for name, _ in self.sizes}
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
                f"pairs of one of the names {sorted(names)} and its size, for all names of a split "
                "but one",
                known <= set(names)
                and all(isinstance(size, int) and size > 0 for _, size in self.sizes)
                and all(len(set(names_of(axis)) - known) < 2 for axis in stored),
            ),
            (
                "part",
                self.part,
                f"a Part of one of the axes {stored}, or None",
                self.part is None or self.part.axis in stored,
            ),
        ):
            if not holds:
                raise InvalidArgumentError("ParameterLayout", argument, value, allowed)
        object.__setattr__(self, "_stored", stored)
        object.__setattr__(self, "_keras", keras)
        object.__setattr__(self, "_patterns", tuple(map(self._pattern, _RANKS)))

    def _pattern(self, rank: int) -> Pattern | None:
        return pattern_of(self._stored, self._keras, dict(self.sizes), self.part, rank)

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
        names = [
            "*axes" if axis.startswith("*") else f"axis{place}"
            for place, axis in enumerate(self._stored)
        ]
        part = self.part and self.part._replace(axis=names[self._stored.index(self.part.axis)])
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
        names = enumerate(expand_names(self._keras, rank))
        return tuple(axis for axis, (name, _) in names if name not in units)

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
        shape = tuple(stored_shape)
        rank = len(shape)
        pattern = self._patterns[rank] if rank in _RANKS else self._pattern(rank)
        place = pattern and placement_of(pattern, shape)
        if place is None:
            raise self._misfit(shape)
        return place

    def _misfit(self, shape: Sequence[int]) -> ValueError:
        sizes = "".join(f" with {name} = {size}" for name, size in self.sizes)
        part = f" and the part {self.part}" if self.part else ""
        return ValueError(
            f"{self.parameter}, the {self.role}, must have the axes {self.stored!r}{sizes}{part}. "
            f"Received: shape {tuple(shape)}. Register the layout that it has."
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
            ValueError: If a parameter with so many axes cannot be stored so.

        Example:
            >>> import numpy as np
            >>> kernel = ParameterLayout("weight", "kernel", "out in", "in out")
            >>> kernel.view(np.ones((3, 2))).shape
            (2, 3)
        """
        # PyTorch's compiler follows this, so that nothing is remembered between calls.
        rank = len(array.shape)
        pattern = self._patterns[rank] if rank in _RANKS else self._pattern(rank)
        if pattern is None:
            raise self._misfit(array.shape)
        if self.part is not None:
            bounds = (bound or (None, None) for bound in pattern.bounds)
            array = array[tuple(slice(*bound) for bound in bounds)]
        if not pattern.is_permutation:
            axes = zip(pattern.splits, array.shape, strict=True)
            array = array.reshape([one for split, size in axes for one in split_sizes(split, size)])
        return permute_axes(array, pattern.order) if self.keras else array
