"""What was found of a model's constraints: as data, as a table, as a picture."""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from feasible.backends import Array, namespace
from feasible.constraints import Constraint
from feasible.constraints.base import is_whole_call
from feasible.constraints.function import as_constraint
from feasible.constraints.joint import measure_joint
from feasible.histograms import draw_histogram
from feasible.ops import convert_to_numpy
from feasible.requirements import require

if TYPE_CHECKING:
    from matplotlib.figure import Figure


_COLUMNS = (
    "parameter",
    "stored",
    "counted as",
    "constraint",
    "vectors",
    "violating",
    "worst",
    "note",
)
_GONE = "declared, and no longer there: constrain what took its place, or release this name"
_NUMBER = re.compile(r"([-+.e\d]+( of \d+)?|nan|inf)?")


class ViolationError(ValueError):
    """Raised where weights were required to be feasible, and some are not."""


@dataclass(frozen=True)
class Row:
    """What was found of one parameter.

    Attributes:
        parameter: Its name in the model.
        stored: Its shape as it is stored.
        shape: Its shape in the layout in which the constraint counts axes.
        constraint: The constraint, printed, its axes resolved.
        vectors: How many vectors it constrains.
        length: How long each is.
        violating: How many of them are not feasible.
        worst: The largest distance of one from being feasible, NaN if one holds a NaN.
        quantity: What the constraint bounds: a norm, an entry, a distance.
        bounds: The smallest and the largest quantity that is feasible.
        measured: The quantity of each vector.
        note: What else is to be said, such as which entries are exempt; empty for nothing.
    """

    parameter: str
    stored: tuple[int, ...]
    shape: tuple[int, ...]
    constraint: str
    vectors: int
    length: int
    violating: int
    worst: float
    quantity: str
    bounds: tuple[float, float]
    measured: NDArray[np.float64] = field(repr=False, compare=False)
    note: str = ""

    @classmethod
    def of(
        cls,
        parameter: str,
        constraint: Any,
        weight: Array,
        stored: Sequence[int] | None = None,
        note: str = "",
    ) -> Row:
        """Measure one weight.

        Args:
            parameter: Its name in the model.
            constraint: The constraint, without ``"unit"``, or any callable from array to array.
            weight: The weight, in the layout in which the constraint counts axes.
            stored: The weight's shape as it is stored; None if it is stored in that layout.
            note: What else is to be said of it.

        Returns:
            What was found.

        Example:
            >>> from feasible import NonNeg
            >>> row = Row.of("dense.bias", NonNeg(), np.array([0.5, -0.25]))
            >>> row.violating, row.worst
            (1, 0.25)
        """
        stored = tuple(weight.shape if stored is None else stored)
        (row,) = cls.of_alike([parameter], constraint, [weight], stored, note)
        return row

    @classmethod
    def of_alike(
        cls,
        parameters: Sequence[str],
        constraint: Any,
        weights: Sequence[Array],
        stored: tuple[int, ...],
        note: str = "",
    ) -> list[Row]:
        """Measure weights that are alike, at once.

        Args:
            parameters: Their names in the model.
            constraint: The constraint of all, without ``"unit"``, or any callable.
            weights: The weights, of one shape, dtype and device, in the layout in which the
                constraint counts axes.
            stored: Their shape as they are stored.
            note: What else is to be said of them.

        Returns:
            What was found, a row a weight.
        """
        rule = as_constraint(constraint)
        shape = tuple(weights[0].shape)
        shared = stored, shape, repr(rule), *rule.vectors(shape)
        return [
            cls(
                parameter,
                *shared,
                int(np.count_nonzero(violations)),
                float(violations.max(initial=0.0)),
                rule.quantity,
                rule.bounds,
                values,
                note,
            )
            for parameter, (values, violations) in zip(
                parameters, _measured(rule, weights), strict=True
            )
        ]

    @classmethod
    def joint(
        cls, parameters: Sequence[str], constraint: Constraint, weights: Sequence[Any]
    ) -> Row:
        """Measure weights whose vectors go through all of them.

        Args:
            parameters: Their names in the model.
            constraint: The constraint, without ``"unit"``.
            weights: The weights, in the layout in which the constraint counts axes.

        Returns:
            What was found, one row for all.

        Example:
            >>> from feasible import MaxNorm
            >>> one, other = np.array([3.0]), np.array([4.0])
            >>> Row.joint(["one", "other"], MaxNorm(1, axis=None), [one, other]).worst
            4.0
        """
        found = measure_joint(constraint, weights)
        values, violations = (convert_to_numpy(one).astype(np.float64).ravel() for one in found)
        length = sum(constraint.vectors(weight.shape)[1] for weight in weights)
        return cls(
            parameter=" + ".join(parameters),
            stored=(len(values) * length,),
            shape=(len(values), length),
            constraint=repr(constraint),
            vectors=len(values),
            length=length,
            violating=int(np.count_nonzero(violations)),
            worst=float(violations.max(initial=0.0)),
            quantity=constraint.quantity,
            bounds=constraint.bounds,
            measured=values,
            note="constrained together",
        )


@dataclass(frozen=True)
class Report:
    """What was found of each constrained parameter of a model.

    Printed, it is a table.

    Attributes:
        rows: What was found, a row a parameter.
        pending: The names and constraints of parameters that have no values yet.
        notes: What else is to be said, a line each, such as what no rule was for.
        lost: The names and constraints of parameters that are no longer there.

    Example:
        >>> from feasible import MaxNorm
        >>> print(Report((Row.of("dense.weight", MaxNorm(2), np.full((9, 4), 1.0)),)))
        parameter     stored  counted as  constraint                    vectors  violating  worst
        dense.weight  9x4     9x4         MaxNorm(max_value=2, axis=0)   4 of 9          4      1
    """

    rows: tuple[Row, ...]
    pending: tuple[tuple[str, str], ...] = ()
    notes: tuple[str, ...] = ()
    lost: tuple[tuple[str, str], ...] = ()

    @property
    def ok(self) -> bool:
        """Whether every weight is feasible, and none is gone whose constraint was declared."""
        return not self.lost and not any(row.violating for row in self.rows)

    def raise_if_violated(self) -> None:
        """Raise if a weight is not feasible.

        Raises:
            ViolationError: With the table of the parameters that violate their constraints.
        """
        if not self.ok:
            violating = tuple(row for row in self.rows if row.violating)
            found = Report(violating, lost=self.lost)
            raise ViolationError(f"weights violate their constraints:\n{found}")

    def to_dict(self) -> dict[str, dict[str, Any]]:
        """Return what was found, as values that JSON can hold.

        Returns:
            By the parameter's name: its other attributes but the measured quantities.
        """
        return {
            row.parameter: {
                "stored": list(row.stored),
                "shape": list(row.shape),
                "constraint": row.constraint,
                "vectors": row.vectors,
                "length": row.length,
                "violating": row.violating,
                "worst": row.worst,
                "note": row.note,
            }
            for row in self.rows
        }

    def __str__(self) -> str:
        found = [
            (
                row.parameter,
                "x".join(map(str, row.stored)),
                "x".join(map(str, row.shape)),
                row.constraint,
                f"{row.vectors} of {row.length}",
                str(row.violating),
                f"{row.worst:.3g}",
                row.note,
            )
            for row in self.rows
        ]
        found += [
            (name, "not yet", "", constraint, "", "", "", "") for name, constraint in self.pending
        ]
        found += [
            (name, "gone", "", constraint, "", "", "", _GONE) for name, constraint in self.lost
        ]
        # A column that is empty is left out.
        shown = slice(None if any(row[-1] for row in found) else -1)
        table = align_columns(_COLUMNS[shown], [row[shown] for row in found])
        return "\n".join([table, *(f"note: {note}" for note in self.notes)])

    def plot(self, path: str | Path | None = None, *, beside: Report | None = None) -> Figure:
        """Draw the histogram of what each constraint bounds, and the bounds.

        Args:
            path: Where to save the picture; its suffix tells the format. None saves nothing.
            beside: What was found elsewhere of parameters of the same names, such as before
                training, to be drawn in the same panels.

        Returns:
            The figure, one panel a parameter.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        require("feasible.report", "report", "matplotlib")
        from matplotlib.figure import Figure

        columns = min(3, max(len(self.rows), 1))
        lines = math.ceil(len(self.rows) / columns)
        figure = Figure(figsize=(4.2 * columns, 2.8 * max(lines, 1)), layout="constrained")
        others = {row.parameter: row for row in beside.rows} if beside else {}
        for place, row in enumerate(self.rows):
            axes = figure.add_subplot(lines, columns, place + 1)
            draw_histogram(axes, row, others.get(row.parameter))
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


_Numbers = NDArray[np.float64]


def _measured(rule: Constraint, weights: Sequence[Array]) -> list[tuple[_Numbers, _Numbers]]:
    """Return the quantities and the violations of each weight's vectors."""

    def numbers(array: Array, *shape: int) -> _Numbers:
        return convert_to_numpy(array).astype(np.float64).reshape(*shape, -1)

    kind = type(rule)
    own = kind.measured is not Constraint.measured or kind.violations is not Constraint.violations
    if own or is_whole_call(rule) or len(weights) == 1:
        found = []
        for weight in weights:
            if own:
                pair = rule.measured(weight), rule.violations(weight)
            else:
                pair = rule.measurement(weight)
            found.append((numbers(pair[0]), numbers(pair[1])))
        return found
    together = rule.measurement(namespace(weights[0]).stack(list(weights)), stacked=True)
    values, violations = (numbers(one, len(weights)) for one in together)
    return list(zip(values, violations, strict=True))


def call_note(constraint: Any, shape: Sequence[int], counted: str) -> str:
    """Return what a report says of a plain callable, which cannot say which axes it counts.

    Args:
        constraint: The constraint, or any callable.
        shape: The shape of what it is called with.
        counted: In which layout that is.

    Returns:
        A note; empty for a constraint.

    Example:
        >>> call_note(abs, (3, 5), "as stored")
        'called with (3, 5), as stored'
    """
    is_plain = not isinstance(constraint, Constraint)
    return f"called with {tuple(shape)}, {counted}" if is_plain else ""


def align_columns(header: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Return a table in plain text; columns of numbers are aligned to the right.

    Args:
        header: The columns' names.
        rows: The cells of each row.

    Returns:
        The lines of the table.

    Example:
        >>> print(align_columns(("layer", "size"), [("dense", "8"), ("conv", "128")]))
        layer  size
        dense     8
        conv    128
    """
    table = [list(header), *map(list, rows)]
    columns = list(zip(*table, strict=True))
    widths = [max(map(len, column)) for column in columns]
    numeric = [all(map(_NUMBER.fullmatch, column[1:])) for column in columns]
    return "\n".join(
        "  ".join(
            cell.rjust(width) if right else cell.ljust(width)
            for cell, width, right in zip(line, widths, numeric, strict=True)
        ).rstrip()
        for line in table
    )
