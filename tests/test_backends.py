from __future__ import annotations

import subprocess
import sys
from typing import Any

import array_api_strict
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import torch
from tests.conftest import Backend

from feasible import backends
from feasible.backends import accumulation_dtype, astype, dtype_name, namespace

NAMESPACES = [
    (np.ones(2), "numpy"),
    (np.ones(2, ml_dtypes.bfloat16), "numpy"),
    (torch.ones(2), "array_api_compat.torch"),
    (torch.nn.Parameter(torch.ones(2)), "array_api_compat.torch"),
    (jnp.ones(2), "jax.numpy"),
    (array_api_strict.ones(2), "array_api_strict"),
]


@pytest.mark.parametrize(("array", "name"), NAMESPACES, ids=lambda one: str(type(one).__name__))
def test_namespace(array: Any, name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_namespaces", {})
    assert namespace(array).__name__ == name
    assert namespace(array) is namespace(array)


def test_namespace_of_a_tracer() -> None:
    names = []
    jax.jit(lambda w: names.append(namespace(w).__name__))(jnp.ones(2))
    assert names == ["jax.numpy"]


def test_namespace_is_first_found_under_torch_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(backends, "_namespaces", {})
    torch.compiler.reset()
    doubled = torch.compile(
        lambda w: namespace(w).multiply(w, 2.0), backend="aot_eager", fullgraph=True
    )
    assert doubled(torch.ones(2)).tolist() == [2, 2]


@pytest.mark.parametrize("value", [[1.0, 2.0], (1.0,), 1.0, "w", None])
def test_no_array(value: Any) -> None:
    with pytest.raises(TypeError, match="expected an array of NumPy, PyTorch, JAX") as caught:
        namespace(value)
    assert repr(value) in str(caught.value)
    assert "convert_to_tensor" in str(caught.value)


def test_dtype_name(xp: Backend) -> None:
    for dtype in xp.dtypes:
        assert dtype_name(xp.asarray([1.0], dtype)) == dtype


def test_astype_copies_only_where_the_dtype_differs(xp: Backend) -> None:
    array = xp.asarray([1.5, 2.5])
    assert astype(array, array.dtype) is array
    wide = astype(array, accumulation_dtype(array))
    assert xp.to_numpy(wide).tolist() == [1.5, 2.5]


def test_accumulation_dtype(xp: Backend) -> None:
    widest = "float32" if xp.name.startswith("jax") else "float64"
    for dtype in xp.dtypes:
        array = xp.asarray([1.0], dtype)
        assert dtype_name(astype(array, accumulation_dtype(array))) == widest


def test_accumulation_dtype_of_jax_with_x64() -> None:
    with jax.enable_x64(True):
        assert accumulation_dtype(jnp.ones(2, jnp.float32)) == np.float64


def test_accumulation_dtype_on_apple_gpus() -> None:
    class OnAppleGPU(torch.Tensor):
        @property
        def device(self) -> torch.device:
            return torch.device("mps")

    assert accumulation_dtype(torch.ones(2).as_subclass(OnAppleGPU)) == torch.float32


def test_no_framework_is_imported() -> None:
    command = (
        "import sys, numpy, feasible.backends, feasible.constraints as c;"
        "c.MaxNorm(2)(numpy.ones(3));"
        "print(sorted({'torch', 'jax', 'keras', 'tensorflow', 'flax'} & set(sys.modules)))"
    )
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", command], capture_output=True, text=True, check=True
    )
    assert done.stdout.strip() == "[]"
