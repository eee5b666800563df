"""Times alternatives in turn, and keeps what each costs as a ratio to the first of them."""

from __future__ import annotations

import argparse
import gc
import json
import os
import statistics
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

Action = Callable[[], object]

# For a look at whether everything runs; its figures mean nothing.
BRIEF = "FEASIBLE_BENCHMARK_BRIEF" in os.environ


@dataclass(frozen=True)
class Figure:
    """One ratio.

    Attributes:
        section: What is measured, such as ``"one weight"``.
        case: On what, such as ``"MaxNorm, Linear 4096x4096, feasible"``.
        subject: Whose cost this is.
        reference: Whose cost it is divided by.
        ratio: The median over the rounds of the one divided by the other.
        low: The ratio's lower quartile, ...
        high: ... and its upper one.
        unit: What `ratio` counts, where it is no ratio, such as ``"MiB"``.
    """

    section: str
    case: str
    subject: str
    reference: str
    ratio: float
    low: float
    high: float
    unit: str = ""


@dataclass(frozen=True)
class Subject:
    """Something to time.

    Attributes:
        run: What is timed.
        prepare: What is done before each time, untimed.
    """

    run: Action
    prepare: Action = lambda: None


def timed(
    subjects: Mapping[str, Subject], *, wait: Action = lambda: None, seconds: float = 1.5
) -> dict[str, list[float]]:
    """Time subjects in turn, round after round.

    Args:
        subjects: What to time, by name.
        wait: What waits for a device to be done.
        seconds: About how long to go on; at least seven rounds are made.

    Returns:
        The seconds that each subject took, a number a round.
    """
    times: dict[str, list[float]] = {name: [] for name in subjects}

    def one_round() -> float:
        for name, subject in subjects.items():
            subject.prepare()
            wait()
            start = time.perf_counter()
            subject.run()
            wait()
            times[name].append(time.perf_counter() - start)
        return sum(taken[-1] for taken in times.values())

    one_round(), one_round()  # what is compiled, and memory that is new
    for taken in times.values():
        taken.clear()
    gc.collect()
    gc.disable()
    rounds = 3 if BRIEF else max(7, min(2000, int(seconds / max(one_round(), 1e-6))))
    for _ in range(rounds):
        one_round()
    gc.enable()
    return times


def compared(
    section: str,
    case: str,
    reference: str,
    subjects: Mapping[str, Subject],
    *,
    wait: Action = lambda: None,
    seconds: float = 1.5,
) -> list[Figure]:
    """Time subjects in turn, and divide by one of them.

    Args:
        section: For the figures.
        case: For the figures.
        reference: Which of the subjects the others are divided by.
        subjects: What to time, by name.
        wait: What waits for a device to be done.
        seconds: About how long to go on.

    Returns:
        A figure for each subject but the reference.
    """
    return ratios(section, case, reference, timed(subjects, wait=wait, seconds=seconds))


def ratios(
    section: str, case: str, reference: str, times: Mapping[str, Sequence[float]]
) -> list[Figure]:
    """Divide times, round by round.

    Args:
        section: For the figures.
        case: For the figures.
        reference: Which of the subjects the others are divided by.
        times: The seconds that each subject took, a number a round.

    Returns:
        A figure for each subject but the reference.
    """
    return [
        figure(section, case, name, reference, [a / b for a, b in zip(taken, base, strict=True)])
        for base in [times[reference]]
        for name, taken in times.items()
        if name != reference
    ]


def figure(
    section: str, case: str, subject: str, reference: str, values: list[float], unit: str = ""
) -> Figure:
    """Return the figure of some values: their median and quartiles.

    Args:
        section: For the figure.
        case: For the figure.
        subject: For the figure.
        reference: For the figure.
        values: One or more values.
        unit: What they count, where they are no ratios.

    Returns:
        The figure.
    """
    low, middle, high = statistics.quantiles(values, n=4) if len(values) > 1 else values * 3
    return Figure(section, case, subject, reference, middle, low, high, unit)


def written(figures: Callable[[], Iterable[Figure]]) -> None:
    """Measure, as the main program of a section, and write the figures to a file as JSON.

    Args:
        figures: What measures.
    """
    parser = argparse.ArgumentParser()
    parser.add_argument("path", type=Path)
    path = parser.parse_args().path
    path.write_text(json.dumps([asdict(one) for one in figures()], indent=1))
