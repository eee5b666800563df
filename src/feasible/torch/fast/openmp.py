"""Runs compiled code on the threads that PyTorch itself runs its operations on.

After an operation these threads go on looking for work for a while, each on its core. Those of
another pool would have to wait for them: two threads would be slower than one.
"""

from __future__ import annotations

import ctypes
from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import torch
from llvmlite import binding

_PYTORCH = Path(torch.__file__).parent / "lib" / "libtorch_cpu.so"


class _Called(NamedTuple):
    """What compiled code calls: OpenMP's name for it, and what stands in where there is none."""

    name: str
    stand_in: Callable[[], int | None]
    returned: type[ctypes.c_int] | None


_CALLED = {
    "feasible_rank": _Called("omp_get_thread_num", lambda: 0, ctypes.c_int),
    "feasible_size": _Called("omp_get_num_threads", lambda: 1, ctypes.c_int),
    "feasible_barrier": _Called("GOMP_barrier", lambda: None, None),
}
_Loop = ctypes.CFUNCTYPE(None, ctypes.c_void_p)


def _openmp() -> ctypes.CDLL | None:
    """Return PyTorch's library with OpenMP's functions, or None where they have other names."""
    if not _PYTORCH.exists():
        return None
    library = ctypes.CDLL(str(_PYTORCH))
    names = ("GOMP_parallel", *(called.name for called in _CALLED.values()))
    return library if all(hasattr(library, name) for name in names) else None


_library = _openmp()
if _library is not None:
    _library.GOMP_parallel.restype = None
    _library.GOMP_parallel.argtypes = (_Loop, ctypes.c_void_p, ctypes.c_uint, ctypes.c_uint)
_functions = {
    symbol: ctypes.CFUNCTYPE(called.returned)(called.stand_in)
    if _library is None
    else getattr(_library, called.name)
    for symbol, called in _CALLED.items()
}
for _symbol, _function in _functions.items():
    binding.add_symbol(_symbol, ctypes.cast(_function, ctypes.c_void_p).value)


def loop_at(address: int) -> Callable[[int], None]:
    """Return compiled code as a function of a task's address.

    Args:
        address: Where the code is.

    Returns:
        The function, which lets other threads of Python go on.
    """
    return _Loop(address)


def run_parallel(loop: Callable[[int], None], task: int, threads: int) -> None:
    """Run compiled code in each of several threads, and wait for all of them.

    Args:
        loop: What `loop_at` returned. In it, ``feasible_rank`` and ``feasible_size`` say which of
            how many threads it is in, and ``feasible_barrier`` waits for the others.
        task: The address that it is given.
        threads: How many threads there are at most.
    """
    if threads == 1 or _library is None:
        loop(task)
    else:
        _library.GOMP_parallel(loop, task, threads, 0)
