"""Loops over the memory of weights, compiled when they are first needed.

Norms are sums of squares in float64, which hold whatever float32 holds, so that nothing needs to be
scaled first. A row of memory is multiplied while a core's cache still holds it.

A task is an array of integers: a weight's `Sizes`, how many vectors across are summed up at once,
the addresses of the numbers that decide and of memory for sums, how many weights there are, their
addresses, and a place for each to say whether it was changed. What was compiled before is found
again as long as this file is the same.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from functools import cache
from typing import Any

import torch
from llvmlite import ir
from numba import carray, float32, float64, int32, int64, njit, types, uint16
from numba.extending import intrinsic

from feasible.torch.fast import openmp
from feasible.torch.fast.code_cache import code_of

_OPTIONS = {"error_model": "numpy", "no_cpython_wrapper": True, "no_cfunc_wrapper": True}
_inner = njit(**_OPTIONS, _nrt=False)
# Sums may be added up in any order, and so in several lanes at once.
_summing = njit(**_OPTIONS, _nrt=False, fastmath={"reassoc", "contract"})
_outer = njit(**_OPTIONS)

_rank = types.ExternalFunction("feasible_rank", types.int32())
_size = types.ExternalFunction("feasible_size", types.int32())
_barrier = types.ExternalFunction("feasible_barrier", types.void())

# The entries of a task before the weights' addresses.
_HEAD = 8
# By factors in between, products of float32 keep their digits.
_SMALL, _LARGE = 2.0**-100, 2.0**100
# Entries of a row that are read in four places at once, and of a block that is looked at before it
# is written.
_LONG, _BLOCK = 2048, 4096
_NARROW, _WIDE = ir.IntType(16), ir.IntType(32)


@intrinsic
def _at(context: Any, address: Any, dtype: Any) -> Any:
    """An address, as a pointer to entries of a dtype."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return builder.inttoptr(arguments[0], context.get_value_type(signature.return_type))

    return types.CPointer(dtype.instance_type)(address, dtype), code


@intrinsic
def _read(context: Any, entry: Any) -> Any:
    """An entry as float32, of which bfloat16 is the upper half."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        (value,) = arguments
        if signature.args[0] == float32:
            return value
        value = builder.shl(builder.zext(value, _WIDE), _WIDE(16))
        return builder.bitcast(value, ir.FloatType())

    return float32(entry), code


@intrinsic
def _stored(context: Any, value: Any, entry: Any) -> Any:
    """A float32 as another entry is stored, rounded to the nearest, of two to the even one."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        value = arguments[0]
        if signature.return_type == float32:
            return value
        bits = builder.bitcast(value, _WIDE)
        odd = builder.and_(builder.lshr(bits, _WIDE(16)), _WIDE(1))
        bits = builder.add(bits, builder.add(odd, _WIDE(0x7FFF)))
        return builder.trunc(builder.lshr(bits, _WIDE(16)), _NARROW)

    return entry(float32, entry), code


@_summing
def _squares(row: Any) -> float:
    # Of a long row, a core fetches four places at once sooner than one after the other.
    quarter = row.shape[0] // 4 if row.shape[0] >= _LONG else 0
    first, second = row[:quarter], row[quarter : 2 * quarter]
    third, fourth = row[2 * quarter : 3 * quarter], row[3 * quarter : 4 * quarter]
    rest = row[4 * quarter :]
    total = 0.0
    for place in range(quarter):
        a, b = float64(_read(first[place])), float64(_read(second[place]))
        c, d = float64(_read(third[place])), float64(_read(fourth[place]))
        total += a * a + b * b + c * c + d * d
    for place in range(rest.shape[0]):
        entry = float64(_read(rest[place]))
        total += entry * entry
    return total


@_summing
def _add_squares(sums: Any, row: Any) -> None:
    for place in range(sums.shape[0]):
        entry = float64(_read(row[place]))
        sums[place] += entry * entry


@_summing
def _add_squares_of_four(sums: Any, rows: Any, step: int) -> None:
    width = sums.shape[0]
    first, second = rows[:width], rows[step : step + width]
    third, fourth = rows[2 * step : 2 * step + width], rows[3 * step : 3 * step + width]
    for place in range(width):
        a, b = float64(_read(first[place])), float64(_read(second[place]))
        c, d = float64(_read(third[place])), float64(_read(fourth[place]))
        sums[place] += a * a + b * b + c * c + d * d


@_inner
def _multiply(row: Any, factor: float) -> None:
    for place in range(row.shape[0]):
        row[place] = _stored(float32(_read(row[place]) * factor), row[place])


@_inner
def _multiply_each(row: Any, factors: Any) -> None:
    for place in range(row.shape[0]):
        row[place] = _stored(float32(_read(row[place]) * factors[place]), row[place])


@_inner
def _factor(squares: float, numbers: Any) -> Any:
    """By what to multiply a vector: by exactly 1 what is feasible, zero, infinite or NaN."""
    least, low, high, most, rate = numbers[0], numbers[1], numbers[2], numbers[3], numbers[4]
    norm = math.sqrt(squares)
    if norm == 0 or not norm < math.inf or least <= norm <= most:
        return 1.0
    target = min(max(norm, low), high)
    if rate != 1:
        target = (1 - rate) * norm + rate * target
    return target / norm


@_inner
def _rescale_rows(weight: Any, length: int, first: int, last: int, numbers: Any) -> int:
    """Rescale vectors that are rows of memory."""
    moved = 0
    for index in range(first, last):
        row = weight[index * length : (index + 1) * length]
        factor = _factor(_squares(row), numbers)
        if factor != 1.0:
            moved = 1
            if _SMALL < factor < _LARGE:
                _multiply(row, float32(factor))
            else:
                _multiply(row, factor)
    return moved


@_inner
def _rescale_columns(
    weight: Any, sizes: Any, step: int, numbers: Any, scratch: Any, rank: int, team: int
) -> int:
    """Rescale vectors that lie across rows of memory, in a team of threads.

    Each thread adds up its own rows, each column in its own sum. A vector may have several adjacent
    columns, whose sums are added up in turn.
    """
    rows, vectors, columns = sizes
    width = vectors * columns
    first, last = rows * rank // team, rows * (rank + 1) // team
    sums, narrow = scratch
    own = sums[rank * width : (rank + 1) * width]
    own[:] = 0.0
    fours = first + (last - first) // 4 * 4
    for row in range(first, fours, 4):
        _add_squares_of_four(own, weight[row * step :], step)
    for row in range(fours, last):
        _add_squares(own, weight[row * step :])
    if team > 1:
        _barrier()
    for vector in range(vectors * rank // team, vectors * (rank + 1) // team):
        squares = 0.0
        for thread in range(team):
            for column in range(vector * columns, (vector + 1) * columns):
                squares += sums[thread * width + column]
        factor = _factor(squares, numbers)
        for column in range(vector * columns, (vector + 1) * columns):
            sums[column] = factor
            narrow[column] = float32(factor)
    if team > 1:
        _barrier()
    moved, usual = 0, True
    for column in range(width):
        if sums[column] != 1.0:
            moved = 1
            usual &= _SMALL < sums[column] < _LARGE
    if moved:
        # The rows that were read last may still be in a cache.
        for row in range(last - 1, first - 1, -1):
            entries = weight[row * step : row * step + width]
            if usual:
                _multiply_each(entries, narrow)
            else:
                _multiply_each(entries, sums)
    if team > 1:
        _barrier()
    return moved


@_outer
def _rescale_rows_of(task: Any, dtype: Any) -> None:
    outer, along, _, _, _, address, _, count = carray(task, _HEAD)
    rest = carray(task, _HEAD + 2 * count)[_HEAD:]
    addresses, changed = rest[:count], rest[count:]
    numbers = carray(_at(address, float64), 5)
    rank, size = int64(_rank()), int64(_size())
    for index in range(count):
        first, last = 0, outer
        if count == 1:
            first, last = outer * rank // size, outer * (rank + 1) // size
        elif index % size != rank:
            continue
        weight = carray(_at(addresses[index], dtype), outer * along)
        if _rescale_rows(weight, along, first, last, numbers):
            changed[index] = 1


@_outer
def _rescale_columns_of(task: Any, dtype: Any) -> None:
    outer, along, across, within, chunk, address, memory, count = carray(task, _HEAD)
    rest = carray(task, _HEAD + 2 * count)[_HEAD:]
    addresses, changed = rest[:count], rest[count:]
    numbers = carray(_at(address, float64), 5)
    rank, size = int64(_rank()), int64(_size())
    # Threads share a weight's vectors, or, where those are too few, each of them.
    shared = count == 1 and outer < size
    team = size if shared else 1
    step, width = across * within, chunk * within
    memory += 0 if shared else rank * 16 * width
    sums = carray(_at(memory, float64), team * width)
    scratch = (sums, carray(_at(memory + 8 * team * width, float32), width))
    for index in range(count):
        if count > 1 and index % size != rank:
            continue
        weight = carray(_at(addresses[index], dtype), outer * along * step)
        first, last = 0, outer
        if count == 1 and not shared:
            first, last = outer * rank // size, outer * (rank + 1) // size
        moved = 0
        for place in range(first * along * step, last * along * step, along * step):
            for start in range(0, across, chunk):
                sizes = along, min(chunk, across - start), within
                part = weight[place + start * within :]
                moved |= _rescale_columns(
                    part, sizes, step, numbers, scratch, rank if shared else 0, team
                )
        if moved:
            changed[index] = 1


@_inner
def _clip_entries(entries: Any) -> Any:
    negative = int32(0)  # a wider one would be found in fewer lanes at once
    for place in range(entries.shape[0]):
        negative = int32(negative | (_read(entries[place]) < 0))
    if negative:
        for place in range(entries.shape[0]):
            entry = entries[place]
            entries[place] = _stored(float32(0), entry) if _read(entry) < 0 else entry
    return negative


@_outer
def _clip(task: Any, dtype: Any) -> None:
    outer, along, across, within, _, _, _, count = carray(task, _HEAD)
    rest = carray(task, _HEAD + 2 * count)[_HEAD:]
    addresses, changed = rest[:count], rest[count:]
    rank, size = int64(_rank()), int64(_size())
    entries = outer * along * across * within
    for index in range(count):
        first, last = 0, entries
        if count == 1:
            first, last = entries * rank // size, entries * (rank + 1) // size
        elif index % size != rank:
            continue
        weight = carray(_at(addresses[index], dtype), entries)
        moved = 0
        for start in range(first, last, _BLOCK):
            moved |= _clip_entries(weight[start : min(start + _BLOCK, last)])
        if moved:
            changed[index] = 1


# Functions of their own, because only such are found again by another process; and one for rows
# and one for columns, because what a program needs of them takes half as long to compile.
def _rescale_rows_float32(task: Any) -> None:
    _rescale_rows_of(task, float32)


def _rescale_rows_bfloat16(task: Any) -> None:
    _rescale_rows_of(task, uint16)


def _rescale_columns_float32(task: Any) -> None:
    _rescale_columns_of(task, float32)


def _rescale_columns_bfloat16(task: Any) -> None:
    _rescale_columns_of(task, uint16)


def _clip_float32(task: Any) -> None:
    _clip(task, float32)


def _clip_bfloat16(task: Any) -> None:
    _clip(task, uint16)


_LOOPS = {
    ("rescale rows", torch.float32): _rescale_rows_float32,
    ("rescale rows", torch.bfloat16): _rescale_rows_bfloat16,
    ("rescale columns", torch.float32): _rescale_columns_float32,
    ("rescale columns", torch.bfloat16): _rescale_columns_bfloat16,
    ("clip", torch.float32): _clip_float32,
    ("clip", torch.bfloat16): _clip_bfloat16,
}


@cache
def _code(name: str, dtype: torch.dtype) -> Any:
    return code_of(_LOOPS[name, dtype], types.void(types.CPointer(int64)))


def compile_loop(name: str, dtype: torch.dtype) -> Callable[[int], None]:
    """Compile a loop, or find it as it was compiled before, by this or another process.

    Args:
        name: ``"rescale rows"``, ``"rescale columns"`` or ``"clip"``.
        dtype: The weights' dtype: float32 or bfloat16.

    Returns:
        What `feasible.torch.fast.openmp.run_parallel` runs.
    """
    return openmp.loop_at(_code(name, dtype).address)
