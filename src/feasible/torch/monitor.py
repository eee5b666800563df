"""Watches what projections do to a model's weights while it is trained."""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Iterable
from functools import partial
from itertools import chain, cycle, product
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Self

import numpy as np
import torch
from torch import Tensor, nn

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.backends import accumulation_dtype
from feasible.constraints import Constraint
from feasible.report import align_columns
from feasible.requirements import require
from feasible.torch.applying import observers
from feasible.torch.bound_weights import Bound
from feasible.torch.graph_breaks import break_graph

if TYPE_CHECKING:
    from matplotlib.figure import Figure


class Sample(NamedTuple):
    """What one projection did to one weight.

    Attributes:
        step: The number of the step that its optimizer had taken, the first being 1.
        parameter: The weight's name in the model.
        moved: The share of its vectors that were moved, from 0 to 1.
        mean_distance: The mean Euclidean distance by which a vector was moved, over all vectors.
        max_distance: The largest such distance.
        zero_vectors: How many vectors are zero afterwards.
    """

    step: int
    parameter: str
    moved: float
    mean_distance: float
    max_distance: float
    zero_vectors: int


# What is measured, and what the panels of a picture say of it.
_MEASURED = {
    "moved": "share of vectors moved",
    "mean_distance": "mean distance moved",
    "max_distance": "largest distance moved",
    "zero_vectors": "zero vectors",
}


class _Series:
    """The samples of one weight, which stay on its device until they are read.

    Args:
        initial_step: How many steps there were before.
    """

    def __init__(self, initial_step: int) -> None:
        self.step = initial_step
        self.vectors = (0, 0)
        self.steps: list[int] = []
        self.values = torch.empty(0, len(_MEASURED))
        self.logged = 0

    def append(self, rule: Constraint, before: Tensor, after: Tensor) -> None:
        """Measure a projection, without waiting for the device."""
        self.vectors, axes = rule.vectors(before.shape), rule.vector_axes(before.shape)
        wide = accumulation_dtype(before)
        # In float16 and bfloat16 a difference would be rounded.
        difference = after.to(torch.promote_types(before.dtype, torch.float32)) - before
        distances = _norms(difference, axes, wide)
        measured = torch.stack(
            [
                (distances > 0).sum().to(wide) / self.vectors[0],
                distances.mean(dtype=wide),
                distances.max().to(wide),
                (_norms(after, axes, wide) == 0).sum().to(wide),
            ]
        )
        if len(self.steps) == len(self.values):
            # Twice the room, so that a long run holds some large tensors rather than many small.
            room = measured.new_empty(max(len(self.values), 16), len(_MEASURED))
            self.values = torch.cat([self.values.to(room), room])
        self.values[len(self.steps)] = measured
        self.steps.append(self.step)

    def read(self, parameter: str, first: int = 0) -> list[Sample]:
        """Return the samples as numbers, which waits for the device."""
        values = self.values[first : len(self.steps)].tolist()
        return [
            Sample(step, parameter, moved, mean, largest, int(zero))
            for step, (moved, mean, largest, zero) in zip(self.steps[first:], values, strict=True)
        ]


class Monitor:
    """Watches what projections do to a model's weights while it is trained.

    Of each constrained weight it samples the share of vectors that a projection moves, how far, and
    how many are zero: whether a bound binds at all, how hard it works against the gradient, and
    which units died. It watches from `start` to `stop`, or inside a ``with`` statement, and prints
    as a table, with a row for each weight over all samples.

    A step of a weight is an optimizer's step that projected it. What is measured stays on the
    weight's device, 32 bytes a sample, and only reading it waits for the device: `records`,
    `log_to`, `plot` and printing. A sample costs some passes over the weight, and for a moment two
    copies of it; the steps in between, and training without a monitor, cost nothing. The weights
    are the same, bit for bit, as without.

    Of a weight that is sharded over processes, each process measures the part that it holds: its
    own vectors where they are whole, its own part of each where they are not. A weight that has to
    be gathered to be projected is measured whole.

    Args:
        model: The model. Modules added to it later are not watched.
        every: How many steps of a weight there are from one sample to the next.
        initial_step: How many steps there were before, where training is resumed.

    Raises:
        InvalidArgumentError: If a number is not an integer, or too small.

    Example:
        >>> import feasible
        >>> model = nn.Linear(3, 2, bias=False)
        >>> _ = feasible.torch.constrain(model, kernel=feasible.MaxNorm(1, axis="unit"))
        >>> _ = nn.init.ones_(model.weight)
        >>> optimizer = torch.optim.SGD(model.parameters(), lr=1.0)
        >>> with Monitor(model) as monitor:
        ...     for _ in range(4):
        ...         optimizer.zero_grad()
        ...         model(torch.ones(1, 3)).sum().neg().backward()
        ...         optimizer.step()
        >>> print(monitor)
        parameter  vectors  samples  moved  mean distance  max distance  zero vectors
        weight      2 of 3        4      1           1.92          2.46             0
    """

    def __init__(self, model: nn.Module, *, every: int = 1, initial_step: int = 0) -> None:
        self.model = model
        self.every = check_integer("Monitor", "every", every, minimum=1)
        self.initial_step = check_integer("Monitor", "initial_step", initial_step, minimum=0)
        self._prefixes: dict[nn.Module, str] = {}
        self._series: dict[str, _Series] = {}

    def start(self) -> Self:
        """Watch from now on.

        Returns:
            This monitor.
        """
        self._prefixes = {
            module: f"{name}." if name else "" for name, module in self.model.named_modules()
        }
        if self._observe not in observers:
            observers.append(self._observe)
        return self

    def stop(self) -> None:
        """Watch no more; what was recorded stays."""
        if self._observe in observers:
            observers.remove(self._observe)

    def __enter__(self) -> Self:
        return self.start()

    def __exit__(self, *exception: object) -> None:
        self.stop()

    # Or it would be compiled for each weight anew.
    @break_graph
    def _observe(self, bound: Bound, before: Tensor) -> Callable[[Tensor], None] | None:
        """Count a projection of one of the model's weights; return what samples it when due."""
        prefix = self._prefixes.get(bound.weight.module)
        if prefix is None:
            return None
        name = prefix + bound.name.rpartition(".")[2]
        if name not in self._series:
            self._series[name] = _Series(self.initial_step)
        series = self._series[name]
        series.step += 1
        if series.step % self.every or not before.numel():
            return None
        return partial(series.append, bound.rule, before.clone())

    def records(self) -> list[Sample]:
        """Return what was recorded, which waits for the device.

        Returns:
            The samples, in the order of their steps.
        """
        return _ordered(series.read(name) for name, series in self._series.items())

    def log_to(self, *loggers: Any) -> None:
        """Log what was recorded since this was last called, which waits for the device.

        Values are named like ``"constraints/encoder.weight/moved"``.

        Args:
            *loggers: Where to: Lightning's loggers, TensorBoard's `SummaryWriter`, or whatever
                has their ``log_metrics(values, step)`` or ``add_scalar(name, value, step)``.

        Raises:
            InvalidArgumentError: If one has neither; nothing is logged then.
        """
        writing = [_writer(logger) for logger in loggers]
        values: dict[int, dict[str, float]] = defaultdict(dict)
        for sample in _ordered(
            series.read(name, series.logged) for name, series in self._series.items()
        ):
            for quantity in _MEASURED:
                name = f"constraints/{sample.parameter}/{quantity}"
                values[sample.step][name] = getattr(sample, quantity)
        for write in writing:
            for step, of_step in values.items():
                write(of_step, step)
        for series in self._series.values():
            series.logged = len(series.steps)

    def __str__(self) -> str:
        rows = []
        for name, series in self._series.items():
            if not series.steps:
                continue
            moved, mean, largest, zero = np.array([it[2:] for it in series.read(name)]).T
            rows.append(
                (
                    name,
                    "{} of {}".format(*series.vectors),
                    str(len(moved)),
                    *(f"{it:.3g}" for it in (moved.mean(), mean.mean(), largest.max())),
                    str(int(zero[-1])),
                )
            )
        header = ("parameter", "vectors", "samples", *(it.replace("_", " ") for it in _MEASURED))
        return align_columns(header, rows) if rows else "Monitor: no samples"

    def plot(self, path: str | Path | None = None) -> Figure:
        """Draw what was recorded over the steps, which waits for the device.

        Args:
            path: Where to save the picture; its suffix tells the format. None saves nothing.

        Returns:
            The figure: one panel a quantity, one line a weight.

        Raises:
            ImportError: If matplotlib is not installed.
        """
        require("feasible.torch.Monitor.plot", "report", "matplotlib")
        from matplotlib.figure import Figure

        figure = Figure(figsize=(10, 6), layout="constrained")
        panels = figure.subplots(2, 2, sharex=True).flatten()
        styles = cycle(product(("-", "--", ":", "-."), (f"C{colour}" for colour in range(10))))
        for (name, series), (dashes, colour) in zip(self._series.items(), styles, strict=False):
            samples = series.read(name)
            for axes, quantity in zip(panels, _MEASURED, strict=True):
                values = [getattr(sample, quantity) for sample in samples]
                axes.plot(series.steps, values, dashes, color=colour, marker=".", ms=3, label=name)
        for axes, quantity in zip(panels, _MEASURED, strict=True):
            axes.set_title(_MEASURED[quantity], fontsize=10)
            axes.set_ylim(bottom=0)
        panels[0].set_ylim(-0.03, 1.03)
        for axes in panels[2:]:
            axes.set_xlabel("step")
        columns = math.ceil(len(self._series) / 30) or 1
        handles = panels[0].get_lines()
        figure.legend(handles=handles, loc="outside right upper", ncols=columns, fontsize=8)
        if path is not None:
            figure.savefig(path, dpi=120)
        return figure


def _norms(array: Tensor, axes: tuple[int, ...], wide: torch.dtype) -> Tensor:
    """Return the norm of each vector; along no axes, each entry is one."""
    return torch.linalg.vector_norm(array, dim=axes, dtype=wide) if axes else array.abs()


def _ordered(series: Iterable[list[Sample]]) -> list[Sample]:
    """Return the samples of several weights in the order of their steps."""
    return sorted(chain.from_iterable(series), key=lambda sample: sample.step)


def _writer(logger: Any) -> Callable[[dict[str, float], int], None]:
    """Return what writes the values of one step to a logger."""
    if callable(getattr(logger, "log_metrics", None)):
        return logger.log_metrics  # type: ignore[no-any-return]
    if not callable(getattr(logger, "add_scalar", None)):
        raise InvalidArgumentError(
            "Monitor.log_to", "loggers", logger, "loggers with log_metrics or add_scalar"
        )

    def write(values: dict[str, float], step: int) -> None:
        for name, value in values.items():
            logger.add_scalar(name, value, step)

    return write
