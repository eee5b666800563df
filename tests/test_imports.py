"""Importing feasible imports NumPy and no framework, and a missing one is said in one line."""

from __future__ import annotations

import subprocess
import sys

import pytest

import feasible
from feasible.requirements import require

FRAMEWORKS = (
    "torch",
    "jax",
    "keras",
    "tensorflow",
    "lightning",
    "array_api_compat",
    "numba",
    "matplotlib",
    "rich",
)


def run(code: str) -> str:
    """What a fresh interpreter prints."""
    return subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    ).stdout.strip()


def test_import_feasible_imports_no_framework() -> None:
    code = f"import sys, feasible; print([m for m in {FRAMEWORKS} if m in sys.modules])"
    assert run(code) == "[]"


def test_constraints_and_ops_work_on_numpy_without_a_framework() -> None:
    code = (
        "import sys, numpy as np, feasible;"
        "feasible.MaxNorm(1)(np.ones((3, 2))); feasible.RadialConstraint()(np.ones((3, 3, 1, 1)));"
        "feasible.ops.mean(np.ones(3)); feasible.constraints.get('max_norm');"
        f"print([m for m in {FRAMEWORKS} if m in sys.modules])"
    )
    assert run(code) == "[]"


def test_import_of_the_jax_part_imports_no_other_framework() -> None:
    others = [
        *(one for one in FRAMEWORKS if one not in ("jax", "array_api_compat")),
        "flax",
        "equinox",
    ]
    code = f"import sys, feasible.jax; print([m for m in {others} if m in sys.modules])"
    assert run(code) == "[]"


def test_what_compiles_is_imported_when_it_is_needed() -> None:
    code = "import sys, feasible.torch, feasible.layers; print('numba' in sys.modules)"
    assert run(code) == "False"


def test_the_compiler_is_not_imported() -> None:
    code = (
        "import sys, torch, feasible, feasible.torch, feasible.layers;"
        "model = torch.nn.Linear(3, 2);"
        "feasible.torch.constrain(model, kernel=feasible.MaxNorm(1, axis='unit'), project=True);"
        "print('torch._dynamo' in sys.modules)"
    )
    assert run(code) == "False"


@pytest.mark.parametrize(
    ("package", "missing", "line"),
    [
        ("torch", "torch", "feasible.torch needs PyTorch: pip install 'feasible[torch]'"),
        ("layers", "torch", "feasible.layers needs PyTorch: pip install 'feasible[fit]'"),
        ("models", "torch", "feasible.models needs PyTorch: pip install 'feasible[fit]'"),
        ("jax", "jax", "feasible.jax needs JAX: pip install 'feasible[jax]'"),
        ("jax", "optax", "feasible.jax needs optax: pip install 'feasible[jax]'"),
    ],
)
def test_a_missing_framework_is_one_line(package: str, missing: str, line: str) -> None:
    code = (
        "import sys\n"
        "import importlib.util as u\n"
        "real = u.find_spec\n"
        f"u.find_spec = lambda name, *a: None if name == {missing!r} else real(name, *a)\n"
        "import feasible\n"
        f"try: feasible.{package}\n"
        "except ImportError as error: print(error)\n"
    )
    assert run(code) == line


def test_require() -> None:
    require("feasible", "report", "numpy", "sys")
    with pytest.raises(
        ImportError, match=r"feasible\.x needs no_such: pip install 'feasible\[e\]'"
    ):
        require("feasible.x", "e", "numpy", "no_such")


def test_everything_public_is_there() -> None:
    lazy = {"Model", "Sequential", "jax", "keras", "layers", "load_model", "models", "torch"}
    lazy |= {"activations", "backend", "initializers", "losses", "optimizers", "random"}
    lazy |= {"metrics", "regularizers", "saving", "utils"}
    assert {*feasible.__all__, *lazy} <= set(dir(feasible))
    for name in dir(feasible):
        assert getattr(feasible, name) is not None
    with pytest.raises(AttributeError, match="has no attribute 'nothing'"):
        feasible.nothing  # noqa: B018


def test_a_star_import_needs_no_framework_and_hides_none() -> None:
    code = (
        f"import sys; from feasible import *; print([m for m in {FRAMEWORKS} if m in sys.modules])"
    )
    assert run(code) == "[]"
    assert run("import torch; from feasible import *; print(torch.__name__)") == "torch"
