"""Projects weights in compiled loops, in their own storage."""

from __future__ import annotations

import math
import warnings
from array import array
from collections.abc import Callable, Collection, Sequence
from functools import cache, cached_property
from itertools import compress, groupby
from types import ModuleType
from typing import NamedTuple

import torch
from torch import Tensor
from torch.autograd.graph import increment_version

# So many entries are projected sooner by one thread than it takes to wake another up.
_ALONE = 1 << 15
# Larger weights are not given to threads one each, but each to all of them.
_SHARED = 1 << 18
# Sums that are kept beside a weight: more at once would not stay in a cache.
_COLUMNS = 4096


class LoopSizes(NamedTuple):
    """How vectors lie in memory: sizes of four axes, from the slowest to the fastest.

    Attributes:
        outer: How many blocks of memory there are that share no vector.
        along: How many rows a vector goes through in a block.
        across: How many vectors lie side by side in a row.
        within: How many adjacent entries of a row are one vector's.
    """

    outer: int
    along: int
    across: int
    within: int


def sizes_of(shape: Sequence[int], axes: Collection[int]) -> LoopSizes | None:
    """Return how vectors lie in memory.

    Args:
        shape: A weight's shape, with its axes in the order of memory.
        axes: The axes that a vector lies along.

    Returns:
        The sizes; None where they are not enough to say it, or some are too large.

    Example:
        >>> sizes_of((5, 4, 3, 3), (1, 2, 3))
        LoopSizes(outer=5, along=36, across=1, within=1)
        >>> sizes_of((4, 5, 3, 3), (0, 2, 3))
        LoopSizes(outer=1, along=4, across=5, within=9)
    """
    longer = [(size, axis in axes) for axis, size in enumerate(shape) if size > 1]
    runs = groupby(longer, key=lambda one: one[1])
    found = [(along, math.prod(size for size, _ in run)) for along, run in runs]
    if [along for along, _ in found] == [True]:
        return _of_one_vector(found[0][1])
    places = [1] * 4
    start = 0
    for along, size in found:
        place = next((place for place in range(start, 4) if place % 2 == along), 4)
        if place == 4 or (place == 3 and size > _COLUMNS):
            return None
        # What no vector comes before lies across; else vectors would be one entry of a row.
        place = 2 if found == [(False, size)] else place
        places[place], start = size, place + 1
    return LoopSizes(*places)


def _of_one_vector(length: int) -> LoopSizes:
    """Return how a single vector is looked at as rows, so that threads can share it."""
    within = next((size for size in range(_COLUMNS, 63, -1) if length % size == 0), 1)
    return LoopSizes(1, length // within, 1, within)


class LoopPlan:
    """How a compiled loop projects weights of one shape in place.

    Memory is read once, and written once, where anything is to be written.

    Args:
        name: The loop's name: ``"rescale rows"``, ``"rescale columns"`` or ``"clip"``.
        dtype: The weights' dtype.
        sizes: How vectors lie in their memory.
        numbers: What decides, as the loop wants it.
    """

    def __init__(
        self, name: str, dtype: torch.dtype, sizes: LoopSizes, numbers: Sequence[float] = ()
    ) -> None:
        self._name, self._dtype = name, dtype
        self._entries = math.prod(sizes)
        self._numbers = array("d", numbers)
        address, _ = self._numbers.buffer_info()
        chunk = min(sizes.across, max(_COLUMNS // sizes.within, 1))
        self._task = (*sizes, chunk, address)
        # The sums of a row's columns, and what they are multiplied by, for each thread.
        across_rows = numbers and sizes.across * sizes.within > 1
        self._scratch = bytes(16 * chunk * sizes.within if across_rows else 0)

    @cached_property
    def _compiled(self) -> tuple[Callable[..., None], Callable[[int], None]]:
        """What runs the loop, and the loop, compiled when there is a weight to project."""
        loops = loops_for(self._dtype)
        assert loops is not None
        return loops.openmp.run_parallel, loops.compile_loop(self._name, self._dtype)

    def project(self, weights: list[Tensor]) -> None:
        """Project weights in their own storage.

        Args:
            weights: The weights, of this dtype, and contiguous in the order of memory.
        """
        if self._entries < _SHARED:
            self._project(weights)
        else:
            for weight in weights:
                self._project([weight])

    def _project(self, weights: list[Tensor]) -> None:
        count = len(weights)
        threads = torch.get_num_threads() if count * self._entries > _ALONE else 1
        scratch = array("d", threads * self._scratch)
        memory, _ = scratch.buffer_info()
        pointers = [weight.data_ptr() for weight in weights]
        task = array("q", [*self._task, memory, count, *pointers, *[0] * count])
        address, _ = task.buffer_info()
        run, loop = self._compiled
        run(loop, address, threads)
        # What autograd keeps of a weight that was changed is no longer valid.
        changed = list(compress(weights, task[-count:]))
        if changed:
            increment_version(changed)


def can_be_compiled(weight: Tensor) -> bool:
    """Say whether there is a compiled loop for a weight.

    Args:
        weight: The weight, with its axes in the order of memory.

    Returns:
        Whether there is: for what lies on the CPU without gaps, in float32 or bfloat16.
    """
    return (
        weight.device.type == "cpu"
        and weight.layout == torch.strided
        and type(weight) in (Tensor, torch.nn.Parameter)
        and weight.is_contiguous()
        and weight.numel() > 0
        and loops_for(weight.dtype) is not None
    )


@cache
def loops_for(dtype: torch.dtype) -> ModuleType | None:
    """Return the loops for weights of a dtype.

    Args:
        dtype: The dtype.

    Returns:
        The module `feasible.torch.fast.loops`; None for other dtypes, and where Numba is not
        installed, or told not to compile.
    """
    if dtype not in (torch.float32, torch.bfloat16):
        return None
    try:
        from numba import config

        from feasible.torch.fast import loops
    except ModuleNotFoundError as error:
        if error.name not in ("numba", "llvmlite"):
            raise
        return None
    except ImportError as error:
        warnings.warn(
            f"feasible projects weights on the CPU more slowly than it could, because Numba cannot "
            f"be imported: {error}. Install versions that go together: "
            "pip install --upgrade 'feasible[cpu]'.",
            stacklevel=2,
        )
        return None
    return None if config.DISABLE_JIT else loops
