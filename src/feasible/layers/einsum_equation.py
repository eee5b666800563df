"""Einsum equations of one input and one kernel: their parts, and the sizes that they imply."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from feasible.arguments import InvalidArgumentError
from feasible.layers.symbolic import Shape

_EQUATION = re.compile(
    r"(?P<left>\.\.\.)?(?P<inputs>[a-zA-Z]+)(?P<right>\.\.\.)?,(?P<kernel>[a-zA-Z]+)"
    r"->(?P<left_out>\.\.\.)?(?P<outputs>[a-zA-Z]+)(?P<right_out>\.\.\.)?"
)

# Sizes of axes by their letters; None where a size is not known.
Sizes = dict[str, int | None]


@dataclass(frozen=True)
class EinsumEquation:
    """An equation such as ``"...ab,bc->...ac"``, in parts.

    Attributes:
        inputs: The letters of the input's axes.
        kernel: The letters of the kernel's axes.
        outputs: The letters of the output's axes.
        ellipsis: On which side of the input's letters, and of the output's, are axes without a
            letter: ``"left"``, ``"right"``, or ``""`` if there are none.
    """

    inputs: str
    kernel: str
    outputs: str
    ellipsis: str

    @classmethod
    def parse(cls, owner: str, equation: object) -> EinsumEquation:
        """Return the parts of an equation.

        Args:
            owner: The layer, for the message.
            equation: The equation.

        Returns:
            Its parts.

        Raises:
            InvalidArgumentError: If it is of another form, or an axis of the kernel or of the
                output comes from nowhere.

        Example:
            >>> EinsumEquation.parse("EinsumDense", "...x,xy->...y")
            EinsumEquation(inputs='x', kernel='xy', outputs='y', ellipsis='left')
        """
        match = _EQUATION.fullmatch(equation) if isinstance(equation, str) else None
        if match is not None:
            left, right = match["left"], match["right"]
            inputs, kernel, outputs = match["inputs"], match["kernel"], match["outputs"]
            if (
                (left, right) == (match["left_out"], match["right_out"])
                and not (left and right)
                and all(len(set(part)) == len(part) for part in (inputs, kernel, outputs))
                and set(kernel) <= set(inputs + outputs)
                and set(outputs) <= set(inputs + kernel)
            ):
                return cls(inputs, kernel, outputs, "left" if left else "right" if right else "")
        raise InvalidArgumentError(
            owner,
            "equation",
            equation,
            "of the form 'ab,bc->ac', '...ab,bc->...ac' or 'ab...,bc->ac...', with no letter twice "
            "in one part, and each letter of the kernel and of the output in another part",
        )

    @cached_property
    def summed(self) -> tuple[int, ...]:
        """The kernel's axes that the output lacks, over which it is summed."""
        return tuple(i for i, letter in enumerate(self.kernel) if letter not in self.outputs)

    @cached_property
    def kept(self) -> tuple[int, ...]:
        """The kernel's axes that the output has."""
        return tuple(i for i, letter in enumerate(self.kernel) if letter in self.outputs)

    @cached_property
    def is_matrix_product(self) -> bool:
        """Whether it multiplies the input's last axes, taken as one, by a matrix."""
        summed = "".join(self.kernel[axis] for axis in self.summed)
        kept = "".join(self.kernel[axis] for axis in self.kept)
        ends = self.outputs == self.inputs.removesuffix(summed) + kept
        return self.ellipsis != "right" and bool(summed and kept) and ends

    def sizes(self, owner: str, input_shape: Shape, output_shape: Sequence[int | None]) -> Sizes:
        """Return the sizes of all axes that have a letter.

        Args:
            owner: The layer, for the message.
            input_shape: The input's sizes, the batch first.
            output_shape: The output's sizes without those of the batch and of the axes without a
                letter; None where the input tells.

        Returns:
            The sizes; None for those that neither tells.

        Raises:
            ValueError: If the input has another number of axes, or both tell different sizes.
        """
        others = len(input_shape) - len(self.inputs)
        # Axes on the left begin with the batch; elsewhere it is the first that has a letter.
        if others < (self.ellipsis == "left") or (others and not self.ellipsis):
            raise ValueError(
                f"{owner}: the input must have the axes of `equation`"
                f"{', and the batch before them' if self.ellipsis == 'left' else ''}. Received: "
                f"shape {input_shape} for {self._written('inputs')!r}."
            )
        start = others if self.ellipsis == "left" else 0
        found: Sizes = dict(zip(self.inputs, input_shape[start:], strict=False))
        given = self.outputs if self.ellipsis == "left" else self.outputs[1:]
        if len(given) != len(output_shape):
            raise ValueError(
                f"{owner}: `output_shape` must have a size for each of {given!r}, the axes of "
                f"{self._written('outputs')!r} besides the batch and those without a letter. "
                f"Received: {tuple(output_shape)}."
            )
        for letter, size in zip(given, output_shape, strict=True):
            known = found.get(letter)
            if known is not None and size not in (None, known):
                raise ValueError(
                    f"{owner}: the axis {letter!r} has size {known} in the input, and {size} in "
                    f"`output_shape`. Received: shape {input_shape}, "
                    f"output_shape={tuple(output_shape)}."
                )
            found[letter] = size if known is None else known
        return found

    def output_shape(self, sizes: Sizes, input_shape: Shape) -> Shape:
        """Return the output's sizes.

        Args:
            sizes: The sizes of the axes that have a letter.
            input_shape: The input's sizes, the batch first.

        Returns:
            The sizes, the batch first.
        """
        lettered = tuple(sizes.get(letter) for letter in self.outputs)
        others = len(input_shape) - len(self.inputs)
        if self.ellipsis == "left":
            return (*input_shape[:others], *lettered)
        return (*lettered, *input_shape[len(input_shape) - others :])

    def bias_shape(self, axes: str, sizes: Sizes, rank: int) -> tuple[int | None, ...]:
        """Return the sizes of a bias, which is broadcast to the output.

        Args:
            axes: The letters of the axes along which it differs.
            sizes: The sizes of the axes that have a letter.
            rank: How many axes the input has.

        Returns:
            The sizes, from the first of these axes on: 1 for the axes between and after them.
        """
        first = min(map(self.outputs.index, axes))
        lettered = [sizes.get(letter) if letter in axes else 1 for letter in self.outputs[first:]]
        others = rank - len(self.inputs) if self.ellipsis == "right" else 0
        return (*lettered, *(1,) * others)

    def _written(self, part: str) -> str:
        dots = {"left": "...{}", "right": "{}...", "": "{}"}
        return dots[self.ellipsis].format(getattr(self, part))
