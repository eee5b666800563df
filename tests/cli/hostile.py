"""Mutates checkpoints of each kind, and opens them under an audit hook.

Run it for a long fuzz: python -m tests.cli.hostile --count 2000
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import os
import random
import resource
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np

from feasible import MaxNorm
from feasible.checkpoints.auditing import check_checkpoint
from feasible.cli.exit_codes import ExitCode, run_for_file

RULES = [("*", MaxNorm(1, axis=None))]
# What reading a file has no reason to do.
FORBIDDEN = [
    "os.system",
    "os.exec",
    "os.fork",
    "os.forkpty",
    "os.posix_spawn",
    "os.spawn",
    "subprocess.Popen",
    "pty.spawn",
    "pickle.find_class",
    "exec",
    "import",
    "ctypes.dlopen",
    "socket.connect",
    "socket.bind",
    "os.remove",
    "os.rename",
    "os.mkdir",
    "os.rmdir",
    "os.link",
    "os.symlink",
    "os.chmod",
    "os.truncate",
    "shutil.rmtree",
    "marshal.loads",
]


class Watch:
    """Notes what a block does that reading has no reason to do; an audit hook cannot be removed."""

    def __init__(self) -> None:
        self.active = False
        self.seen: list[str] = []
        sys.addaudithook(self._hook)

    def _hook(self, event: str, arguments: tuple[object, ...]) -> None:
        if not self.active:
            return
        is_write = event == "open" and isinstance(arguments[1], str) and arguments[1][:1] in "wax"
        if event in FORBIDDEN or is_write:
            self.seen.append(f"{event} {arguments!r:.80}")

    @contextlib.contextmanager
    def __call__(self) -> Iterator[None]:
        self.active = True
        try:
            yield
        finally:
            self.active = False


def seeds(folder: Path) -> dict[str, Path]:
    """One small file of each kind."""
    import torch
    from safetensors.numpy import save_file

    from feasible import Sequential
    from feasible.layers import Dense

    arrays = {"a.weight": np.ones((4, 3), "f4"), "a.bias": np.ones(4, "f4")}
    save_file(arrays, folder / "m.safetensors", metadata={"format": "pt"})
    (folder / "m.safetensors.index.json").write_text(
        json.dumps({"weight_map": dict.fromkeys(arrays, "m.safetensors")})
    )
    np.savez(folder / "m.npz", **arrays)
    np.savez_compressed(folder / "c.npz", **arrays)
    torch.save({"state_dict": {k: torch.tensor(v) for k, v in arrays.items()}}, folder / "m.pt")
    model = Sequential([Dense(2, kernel_constraint="max_norm", name="d", input_shape=(3,))])
    model.save(folder / "m.keras")
    import zipfile

    with zipfile.ZipFile(folder / "m.keras") as opened:
        (folder / "m.weights.h5").write_bytes(opened.read("model.weights.h5"))
    legacy = Path(__file__).parents[1] / "keras" / "golden" / "stack.h5"
    (folder / "legacy.h5").write_bytes(legacy.read_bytes())
    return {one.name: one for one in sorted(folder.iterdir())}


def mutated(content: bytes, chance: random.Random) -> bytes:
    """The file with a few bytes, words or stretches changed."""
    data = bytearray(content)
    for _ in range(chance.choice((1, 1, 2, 4, 8))):
        if not data:
            break
        place = chance.randrange(len(data))
        kind = chance.randrange(6)
        if kind == 0:
            data[place] = chance.randrange(256)
        elif kind == 1:
            data[place] ^= 1 << chance.randrange(8)
        elif kind == 2:
            word = chance.choice((0, 1, 2**31 - 1, 2**32 - 1, 2**63 - 1, 2**64 - 1, 2**40))
            size = chance.choice((2, 4, 8))
            data[place : place + size] = (word % 2 ** (8 * size)).to_bytes(size, "little")
        elif kind == 3:
            del data[place:]
        elif kind == 4:
            del data[place : place + chance.randrange(1, 64)]
        else:
            other = chance.randrange(len(data))
            data[place:place] = data[other : other + chance.randrange(1, 64)]
    return bytes(data)


def try_file(path: Path) -> ExitCode:
    """Check a file as the command does, without printing."""

    def action() -> ExitCode:
        ok = check_checkpoint(path, RULES).ok
        return ExitCode.FEASIBLE if ok else ExitCode.VIOLATED

    return run_for_file(action, lambda message: None)


def fuzz(folder: Path, count: int, watch: Watch) -> dict[str, dict[str, float]]:
    """Try mutated files of each kind: exit codes, the slowest in seconds, the peak in MiB."""
    found: dict[str, dict[str, float]] = {}
    for name, path in seeds(folder).items():
        content, chance = path.read_bytes(), random.Random(name)
        with np.errstate(all="ignore"):
            assert try_file(path) in (ExitCode.FEASIBLE, ExitCode.VIOLATED), name
            target = folder / f"x-{name}"
            codes: Counter[int] = Counter()
            slowest = 0.0
            for _ in range(count):
                target.write_bytes(mutated(content, chance))
                started = time.perf_counter()
                with watch(), contextlib.redirect_stderr(io.StringIO()):
                    codes[int(try_file(target))] += 1
                slowest = max(slowest, time.perf_counter() - started)
        target.unlink()
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        found[name] = {f"exit {code}": n for code, n in sorted(codes.items())} | {
            "slowest_s": round(slowest, 4),
            "peak_mib": round(peak),
        }
    return found


def main() -> None:
    """Run the long fuzz, and print what was found of each kind."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--count", type=int, default=2000)
    "\x1b".encode("unicode_escape")  # so that this codec is not imported under the hook
    arguments = parser.parse_args()
    watch = Watch()
    with tempfile.TemporaryDirectory() as folder:
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024
        print(f"process {os.getpid()} at {before:.0f} MiB")
        for name, row in fuzz(Path(folder), arguments.count, watch).items():
            print(name, row, flush=True)
    print("forbidden events:", watch.seen or "none")
    if watch.seen:
        sys.exit(1)


if __name__ == "__main__":
    main()
