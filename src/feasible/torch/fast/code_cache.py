"""Compiles a loop once for all processes, and whatever becomes of the files that keep it."""

from __future__ import annotations

import getpass
import tempfile
import warnings
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout
from numba import cfunc

# In seconds: longer than a loop takes to compile.
_PATIENCE = 60.0


def code_of(loop: Callable[[Any], None], signature: Any) -> Any:
    """Compile a loop, or find it as it was compiled before, by this or another process.

    Args:
        loop: The loop, a function of its own in a file.
        signature: The types that Numba compiles it for.

    Returns:
        What Numba compiled, with its `address`.
    """
    with _one_process_at_a_time():
        try:
            return cfunc(signature, cache=True)(loop)
        except RuntimeError:  # there is no place to keep it
            pass
        except Exception as error:  # noqa: BLE001, because a damaged file may raise anything
            warnings.warn(
                f"What Numba keeps of {loop.__name__} cannot be used or written, so that it is "
                f"compiled again: {type(error).__name__}: {error}. Make room on the disk, or "
                f"delete the files loops.* in {Path(__file__).with_name('__pycache__')}, or in "
                "Numba's cache folder.",
                stacklevel=2,
            )
    return cfunc(signature)(loop)


@contextmanager
def _one_process_at_a_time() -> Iterator[None]:
    """Let others wait, who then find what the first compiled; where that fails, all go on."""
    lock = FileLock(Path(tempfile.gettempdir()) / f"feasible-loops-{_user()}.lock")
    with suppress(OSError, Timeout, NotImplementedError):
        lock.acquire(timeout=_PATIENCE)
    try:
        yield
    finally:
        lock.release()


def _user() -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):  # of a container, which has no name
        return "nobody"
