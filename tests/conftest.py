"""One `xp` fixture: every promise is tested on every backend."""

from __future__ import annotations

import os

os.environ["KERAS_BACKEND"] = "torch"  # the peer that layers and trajectories are compared with
# Devices to shard over; what is not sharded runs on the first, as fast as on an only one.
os.environ["XLA_FLAGS"] = (
    f"{os.environ.get('XLA_FLAGS', '')} --xla_force_host_platform_device_count=4"
)

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import array_api_strict
import hypothesis
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import torch

from feasible import Intersection, Monotone

# They run where Keras 2 is, or in processes of their own with each backend of Keras 3.
collect_ignore = ["keras/golden", "keras/inside", "tensorflow"]

torch.set_num_threads(1)  # two pytest workers on two cores

hypothesis.settings.register_profile(
    "suite", deadline=None, max_examples=50, derandomize=True, print_blob=True
)
hypothesis.settings.load_profile("suite")

Array = Any


def read_only(array: np.ndarray) -> np.ndarray:
    """A NumPy array that raises when written to."""
    array = np.array(array)
    array.flags.writeable = False
    return array


def to_torch(array: np.ndarray) -> torch.Tensor:
    """A fresh tensor, also of bfloat16, which torch cannot take from NumPy."""
    if array.dtype == ml_dtypes.bfloat16:
        return torch.tensor(array.astype(np.float32)).to(torch.bfloat16)
    return torch.tensor(array)


@dataclass(frozen=True)
class Backend:
    """How a test makes an array, calls a function on it, and looks at the result."""

    name: str
    dtypes: Sequence[str]
    asarray_: Callable[[np.ndarray], Array]
    transform: Callable[[Callable[[Array], Array]], Callable[[Array], Array]] = lambda f: f

    def asarray(self, values: Any, dtype: str = "float32") -> Array:
        """An array of this backend; `dtype` by name."""
        numpy_dtype = ml_dtypes.bfloat16 if dtype == "bfloat16" else np.dtype(dtype)
        with np.errstate(over="ignore"):
            return self.asarray_(np.array(values).astype(numpy_dtype))

    def call(self, function: Callable[[Array], Array], array: Array) -> Array:
        """`function(array)`, as this backend runs it: eagerly, under jit, under torch.compile."""
        return self.transform(function)(array)

    def to_numpy(self, array: Array) -> np.ndarray:
        """The values, in a NumPy array of the same dtype."""
        if isinstance(array, torch.Tensor):
            array = array.detach()
            if array.dtype == torch.bfloat16:
                return array.float().numpy().astype(ml_dtypes.bfloat16)
            return array.numpy()
        return np.asarray(array)


def compiled(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """`function` under torch.compile, where a graph break is an error.

    The backend is aot_eager, because inductor needs a C++ compiler that a test machine may lack.
    Of what takes as many steps as the entries ask for, there is no single graph.
    """
    torch.compiler.reset()
    in_order = not isinstance(function, Intersection) or function._ordered is not None
    parts = [getattr(function, name, function) for name in ("first", "second")]
    in_one = in_order and not any(isinstance(part, Monotone) for part in parts)
    return torch.compile(function, backend="aot_eager", fullgraph=in_one)


def vmapped(function: Callable[[Array], Array]) -> Callable[[Array], Array]:
    """`function` under vmap over two copies, of which one is returned; jitted, or it is slow."""
    mapped = jax.jit(jax.vmap(function))
    return lambda array: mapped(jnp.stack([array, array]))[1]


WIDE = ("float64", "float32", "float16", "bfloat16")
JAX = ("float32", "float16", "bfloat16")  # without x64
BACKENDS = [
    Backend("numpy", WIDE, np.array),
    Backend("numpy-read-only", WIDE, read_only),
    Backend("torch", WIDE, to_torch),
    Backend("torch-compile", WIDE, to_torch, compiled),
    Backend("jax", JAX, jnp.asarray),
    Backend("jax-jit", JAX, jnp.asarray, jax.jit),
    Backend("jax-vmap", JAX, jnp.asarray, vmapped),
    Backend("array-api-strict", ("float64", "float32"), array_api_strict.asarray),
]


@pytest.fixture(params=BACKENDS, ids=lambda backend: backend.name)
def xp(request: pytest.FixtureRequest) -> Backend:
    """Each backend in turn."""
    return request.param
