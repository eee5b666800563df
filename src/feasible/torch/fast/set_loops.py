"""Loops over the vectors of weights, one for all sets that go over a vector several times.

A task is an array of integers: how vectors lie in memory, what is to be done with them, the
addresses of the numbers that decide, of a mask and of memory of its own, how many weights there
are, their addresses, those of gradients, and a place for each to say whether it was changed. A row
stays in a core's cache while it is gone over several times; columns are copied to rows first.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import torch
from numba import carray, float32, float64, int64, types, uint8, uint16

from feasible.torch.fast import openmp
from feasible.torch.fast.code_cache import code_of
from feasible.torch.fast.column_loops import (
    PADDING,
    _gather,
    _norm_tangent_columns,
    _scatter,
    _shift_columns,
)
from feasible.torch.fast.loops import _at, _outer, _rank, _size
from feasible.torch.fast.row_loops import MASK, SHIFT, _project
from feasible.torch.fast.tangent_loops import NORM_TANGENT, _tangent

# The entries of a task before the addresses.
HEAD = 8
# How many columns are copied to rows at once, as many as a line of a cache holds, and how many are
# shifted at once.
NARROW, WIDE = 32, 1024


@_outer
def _project_columns(weight: Any, head: Any, width: int, memory: int, dtype: Any) -> int:
    along, step, kind, address = head[1], head[2], head[3], head[4]
    numbers = carray(_at(address, float64), 4)
    if kind == SHIFT:
        wide = carray(_at(memory, float64), 3 * width)
        rounded = carray(_at(memory + 24 * width, float32), width)
        sums = wide[:width], wide[width : 2 * width], wide[2 * width :], rounded
        return _shift_columns(weight, along, step, width, sums, numbers)
    padded = along + PADDING
    columns = carray(_at(memory, dtype), width * padded)
    _gather(columns, weight, along, step, width)
    mask = carray(_at(memory, uint8), 1)
    moved = 0
    for column in range(width):
        row = columns[column * padded : column * padded + along]
        moved |= _project(row, kind, numbers, mask)
    if moved:
        _scatter(columns, weight, along, step, width)
    return moved


@_outer
def _project_weights(task: Any, dtype: Any) -> None:
    head = carray(task, HEAD)
    outer, along, across, kind, address, operand, memory, count = head
    rest = carray(task, HEAD + 3 * count)[HEAD:]
    numbers = carray(_at(address, float64), 4)
    rank, size = int64(_rank()), int64(_size())
    chunk = WIDE if kind == SHIFT else NARROW
    own = memory + rank * (28 * WIDE if kind == SHIFT else 4 * NARROW * (along + PADDING))
    parts = (across + chunk - 1) // chunk if across > 1 else 1
    for index in range(count):
        first, last = 0, outer * parts
        if count == 1:
            first, last = last * rank // size, last * (rank + 1) // size
        elif index % size != rank:
            continue
        weight = carray(_at(rest[index], dtype), outer * along * across)
        moved = 0
        for place in range(first, last):
            if across == 1:
                start = place * along
                row = weight[start : start + along]
                mask = carray(_at(operand + (start if kind == MASK else 0), uint8), along)
                moved |= _project(row, kind, numbers, mask)
            else:
                column = place % parts * chunk
                part = weight[place // parts * along * across + column :]
                moved |= _project_columns(part, head, min(chunk, across - column), own, dtype)
        if moved:
            rest[2 * count + index] = 1


@_outer
def _project_gradients(task: Any, dtype: Any) -> None:
    outer, along, across, kind, address, _, memory, count = carray(task, HEAD)
    rest = carray(task, HEAD + 3 * count)[HEAD:]
    numbers = carray(_at(address, float64), 4)
    rank, size = int64(_rank()), int64(_size())
    is_norm = kind == NORM_TANGENT
    chunk = WIDE if is_norm else NARROW
    parts = (across + chunk - 1) // chunk if across > 1 else 1
    # Two blocks of columns as rows, and what is noted of one row.
    noted = 8 * NARROW * (along + PADDING) if across > 1 else 0
    own = memory + rank * (24 * WIDE if is_norm else noted + 8 * along)
    others = carray(_at(own + noted, float32), along)
    for index in range(count):
        first, last = 0, outer * parts
        if count == 1:
            first, last = last * rank // size, last * (rank + 1) // size
        elif index % size != rank:
            continue
        weight = carray(_at(rest[index], dtype), outer * along * across)
        gradient = carray(_at(rest[count + index], dtype), outer * along * across)
        for place in range(first, last):
            if across == 1:
                start = place * along
                row, along_row = weight[start : start + along], gradient[start : start + along]
                _tangent(row, along_row, others, kind, numbers)
                continue
            column = place % parts * chunk
            start, width = place // parts * along * across + column, min(chunk, across - column)
            if is_norm:
                wide = carray(_at(own, float64), 2 * width)
                narrow = carray(_at(own + 16 * width, float32), 2 * width)
                sums = wide[:width], wide[width:], narrow[:width], narrow[width:]
                sizes = along, across, width
                _norm_tangent_columns(weight[start:], gradient[start:], sizes, sums, numbers)
                continue
            padded = along + PADDING
            rows = carray(_at(own, dtype), width * padded)
            gradients = carray(_at(own + 4 * NARROW * padded, dtype), width * padded)
            _gather(rows, weight[start:], along, across, width)
            _gather(gradients, gradient[start:], along, across, width)
            for one in range(width):
                here = slice(one * padded, one * padded + along)
                _tangent(rows[here], gradients[here], others, kind, numbers)
            _scatter(gradients, gradient[start:], along, across, width)


@cache
def _made_from() -> str:
    """Return what tells the files apart that these loops take functions from.

    What Numba keeps of a loop goes by the file that it is in alone, and by what a loop encloses.
    """
    here = sorted(Path(__file__).parent.glob("*loops.py"))
    files = [*here, Path(__file__).with_name("row_sums.py")]
    return hashlib.sha256(b"".join(one.read_bytes() for one in files)).hexdigest()


def _loops() -> dict[tuple[str, torch.dtype], Callable[[Any], None]]:
    made_from = _made_from()

    def project_weights_float32(task: Any) -> None:
        made_from  # noqa: B018
        _project_weights(task, float32)

    def project_weights_bfloat16(task: Any) -> None:
        made_from  # noqa: B018
        _project_weights(task, uint16)

    def project_gradients_float32(task: Any) -> None:
        made_from  # noqa: B018
        _project_gradients(task, float32)

    def project_gradients_bfloat16(task: Any) -> None:
        made_from  # noqa: B018
        _project_gradients(task, uint16)

    return {
        ("weights", torch.float32): project_weights_float32,
        ("weights", torch.bfloat16): project_weights_bfloat16,
        ("gradients", torch.float32): project_gradients_float32,
        ("gradients", torch.bfloat16): project_gradients_bfloat16,
    }


@cache
def compile_set_loop(name: str, dtype: torch.dtype) -> Callable[[int], None]:
    """Compile a loop, or find it as it was compiled before, by this or another process.

    Args:
        name: ``"weights"`` or ``"gradients"``: what is projected.
        dtype: Their dtype: float32 or bfloat16.

    Returns:
        What `feasible.torch.fast.openmp.run_parallel` runs.
    """
    code = code_of(_loops()[name, dtype], types.void(types.CPointer(int64)))
    _kept.append(code)
    return openmp.loop_at(code.address)


_kept: list[Any] = []
