"""Sharded and replicated weights, in real processes on this machine."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

SCRIPT = Path(__file__).with_name("distributed_run.py")
RUNS = [
    ("ddp,zero_redundancy,fsdp2,from_meta,dtensor", 2),
    ("convolutions,parts,communication,monitored,refused", 2),
    ("fsdp2,dtensor,convolutions,parts", 3),
    ("dtensor", 4),
    ("own_classes", 2),
    ("own_classes", 4),
    ("sets,rules", 2),
    ("sets", 4),
]


@pytest.mark.parametrize(("scenarios", "world"), RUNS)
def test_distributed_equals_not_distributed(scenarios: str, world: int, tmp_path: Path) -> None:
    processes = [
        subprocess.Popen(
            [sys.executable, SCRIPT, scenarios, str(rank), str(world), tmp_path / "rendezvous"],
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        for rank in range(world)
    ]
    for process in processes:
        output, _ = process.communicate(timeout=300)
        assert process.returncode == 0, output[-3000:]
