"""Compiled code runs on PyTorch's own threads, where it finds them."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import pytest

from feasible.torch.fast import openmp


@pytest.mark.parametrize("threads", [1, 2, 3])
def test_a_task_is_run_once_in_each_thread(threads: int) -> None:
    seen: list[tuple[int, int]] = []
    loop = openmp._Loop(lambda task: seen.append((task, threading.get_ident())))
    openmp.run_parallel(loop, 7, threads)
    assert [task for task, _ in seen] == [7] * threads
    assert len({thread for _, thread in seen}) == threads


ALONE = """
import torch
from pathlib import Path
from feasible import UnitNorm
from feasible.torch.fast import openmp
from feasible.torch.plans import plan_of
assert (openmp._library is None) == {missing}
weight = torch.randn(512, 512)
expected = UnitNorm()(weight)
plan, stored = plan_of(UnitNorm(), weight)
plan.project([stored])
torch.testing.assert_close(weight, expected)
assert type(plan).__name__ == "LoopPlan"
"""


@pytest.mark.parametrize("missing", [True, False])
def test_a_process_of_its_own(missing: bool, tmp_path: Path) -> None:
    # Where PyTorch's library has no such functions, and where nothing that is compiled can be kept.
    hidden = "import pathlib; pathlib.Path.exists = lambda self: False\n" if missing else ""
    environment = {**os.environ, "NUMBA_CACHE_DIR": "/dev/null/nowhere"}
    script = hidden + ALONE.format(missing=missing)
    subprocess.run([sys.executable, "-c", script], env=environment, check=True, cwd=tmp_path)
