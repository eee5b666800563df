"""A constraint's arrays are in Keras layout, wherever and however the weight is stored."""

from __future__ import annotations

from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import ml_dtypes
import numpy as np
import pytest
import torch
from flax import nnx
from torch import nn

import feasible.jax
from feasible import Constraint, ops
from feasible.jax import nnx as feasible_nnx
from feasible.layers import Conv2D, Dense
from feasible.torch import check, constrain, project


class Called(Constraint):
    """Entries between arrays, as a function of the whole weight."""

    def __init__(self, low: Any, high: Any) -> None:
        self.low, self.high = low, high

    def vector_axes(self, shape: Any) -> tuple[int, ...]:
        return ()

    def __call__(self, w: Any) -> Any:
        return ops.minimum(ops.maximum(w, self.low), self.high)


class Projecting(Called):
    """The same, in parts."""

    __call__ = Constraint.__call__

    def project(self, part: Any) -> Any:
        low, high = part.array(self.low), part.array(self.high)
        return part.xp.minimum(part.xp.maximum(part.wide, low), high)


class Weighted(Constraint):
    """Blocks, shifted so that the weighted sum of each is 7."""

    def __init__(self, weights: Any, axis: Any = (0,)) -> None:
        self.weights, self.axis = weights, axis

    def project(self, part: Any) -> Any:
        weights = part.array(self.weights) + part.xp.zeros_like(part.wide)
        total, squared = yield part.total(part.wide * weights), part.total(weights * weights)
        return part.wide - weights * (total - 7) / squared


def bounds(*shape: int) -> tuple[np.ndarray, np.ndarray]:
    """Other bounds for each entry of a kernel in Keras layout."""
    low = np.linspace(-0.2, 0.0, int(np.prod(shape)), dtype=np.float32).reshape(shape)
    return low, low + np.float32(0.1)


def constraints(*shape: int) -> list[Constraint]:
    """Each kind of class, with arrays of the kernel's shape and of one that broadcasts to it."""
    low, high = bounds(*shape)
    return [
        Called(low, high),
        Projecting(low, high),
        Projecting(bounds(*shape[-2:-1], 1)[0], np.float32(0.05) * np.ones(shape[-1])),
        Weighted(1 + high),
        Weighted(1 + high, axis=None),
    ]


KINDS = range(5)


def expected_of(constraint: Constraint, kernel: Any) -> np.ndarray:
    """What the constraint makes of the kernel in Keras layout."""
    result = constraint(np.asarray(kernel))
    assert not np.allclose(result, kernel, atol=1e-3)
    return result


def step(module: nn.Module) -> None:
    for parameter in module.parameters():
        parameter.grad = torch.zeros_like(parameter)
    torch.optim.SGD(module.parameters(), lr=0.1).step()


LAST = torch.channels_last
TORCH = [
    (lambda: nn.Linear(5, 5), lambda w: w.t()),
    (lambda: nn.Linear(5, 3), lambda w: w.t()),
    (lambda: nn.Conv2d(3, 3, 3), lambda w: w.permute(2, 3, 1, 0)),
    (lambda: nn.ConvTranspose1d(4, 4, 4), lambda w: w.permute(2, 1, 0)),
    (lambda: nn.Conv2d(3, 4, 2).to(memory_format=LAST), lambda w: w.permute(2, 3, 1, 0)),
    (lambda: nn.Embedding(4, 4), lambda w: w),
]  # fmt: skip


@pytest.mark.parametrize("kind", KINDS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16])
@pytest.mark.parametrize("place", range(len(TORCH)))
def test_of_pytorch(kind: int, dtype: torch.dtype, place: int) -> None:
    torch.manual_seed(0)
    make, view = TORCH[place]
    # Several are projected at once.
    modules = nn.ModuleList(make() for _ in range(3)).to(dtype)
    kernels = [view(module.weight.detach()).clone() for module in modules]
    constraint = constraints(*kernels[0].shape)[kind]
    if type(constraint) is Called:  # which promotes as the weight's library does
        dtype = torch.float32
        modules = modules.to(dtype)
    wide = [expected_of(constraint, kernel.double().numpy()) for kernel in kernels]
    constrain(modules, {"*.weight": constraint})
    step(modules)
    rounding = 1e-2 if dtype is torch.bfloat16 else 1e-6
    for module, expected in zip(modules, wide, strict=True):
        found = view(module.weight.detach()).double().numpy()
        np.testing.assert_allclose(found, expected, rtol=rounding, atol=rounding)
    assert check(modules).ok


@pytest.mark.parametrize("kind", KINDS)
def test_of_layers(kind: int) -> None:
    torch.manual_seed(0)
    for layer, x, shape in (
        (Dense, torch.ones(1, 4), (4, 4)),
        (lambda units, **rest: Conv2D(units, 3, **rest), torch.ones(1, 5, 5, 4), (3, 3, 4, 4)),
    ):
        constraint = constraints(*shape)[kind]
        made = layer(4, kernel_constraint=constraint)
        made(x)
        kernel = made.get_weights()[0]
        project(made)
        np.testing.assert_allclose(
            made.get_weights()[0], expected_of(constraint, kernel), atol=1e-6
        )


@pytest.mark.parametrize("kind", KINDS)
def test_of_equinox(kind: int) -> None:
    linear = eqx.nn.Linear(4, 4, key=jax.random.key(0))
    constraint = constraints(4, 4)[kind]
    expected = expected_of(constraint, linear.weight.T)
    rules = {(eqx.nn.Linear, "kernel"): constraint}
    found = feasible.jax.project(rules, linear)
    np.testing.assert_allclose(found.weight.T, expected, atol=1e-6)
    assert feasible.jax.check(rules, found).ok
    jitted = eqx.filter_jit(lambda module: feasible.jax.project(rules, module))(linear)
    np.testing.assert_allclose(jitted.weight.T, expected, atol=1e-6)
    convolution = eqx.nn.Conv2d(3, 3, 3, key=jax.random.key(0))
    constraint = constraints(3, 3, 3, 3)[kind]
    kernel = convolution.weight.transpose(2, 3, 1, 0)
    found = feasible.jax.project({(eqx.nn.Conv2d, "kernel"): constraint}, convolution)
    np.testing.assert_allclose(
        found.weight.transpose(2, 3, 1, 0), expected_of(constraint, kernel), atol=1e-6
    )


@pytest.mark.parametrize("kind", KINDS)
def test_of_stacked_equinox(kind: int) -> None:
    keys = jax.random.split(jax.random.key(0), 3)
    stacked = eqx.filter_vmap(lambda key: eqx.nn.Linear(4, 4, key=key))(keys)
    constraint = constraints(4, 4)[kind]
    found = feasible.jax.project({(eqx.nn.Linear, "kernel"): constraint}, stacked)
    for one, before in zip(found.weight, stacked.weight, strict=True):
        np.testing.assert_allclose(one.T, expected_of(constraint, before.T), atol=1e-6)


@pytest.mark.parametrize("kind", KINDS)
def test_of_nnx(kind: int) -> None:
    constraint = constraints(4, 4)[kind]
    linear = nnx.Linear(4, 4, rngs=nnx.Rngs(0))
    expected = expected_of(constraint, linear.kernel[...])
    feasible_nnx.constrain(linear, kernel=constraint)
    feasible_nnx.project(linear)
    np.testing.assert_allclose(linear.kernel[...], expected, atol=1e-6)
    assert feasible_nnx.check(linear).ok


@pytest.mark.parametrize("spec", [("x", None), (None, "x"), (None, None)])
@pytest.mark.parametrize("kind", KINDS)
def test_of_a_sharded_array(kind: int, spec: Any) -> None:
    mesh = jax.make_mesh((4,), ("x",))
    sharding = jax.NamedSharding(mesh, jax.P(*spec))
    constraint = constraints(8, 8)[kind]
    kernel = jnp.asarray(np.random.default_rng(0).normal(size=(8, 8)), jnp.float32)
    placed = jax.device_put(kernel, sharding)
    found = jax.jit(lambda w: feasible.jax.project({"*": constraint}, {"k": w}))(placed)["k"]
    np.testing.assert_allclose(found, expected_of(constraint, kernel), atol=1e-6)


def test_an_array_of_too_many_axes_is_an_error() -> None:
    with pytest.raises(ValueError, match=r"Projecting: an array of shape .* does not broadcast"):
        Projecting(*bounds(2, 3, 4))(np.ones((3, 4)))


@pytest.mark.parametrize("kind", [Called, Projecting])
def test_in_one_graph_of_a_compiler(kind: Any) -> None:
    constraint = kind(*bounds(4, 3))
    w = torch.randn(4, 3)
    found = torch.compile(constraint, fullgraph=True, backend="aot_eager")(w)
    assert torch.equal(found, constraint(w))
    np.testing.assert_array_equal(jax.jit(constraint)(jnp.asarray(w)), found)


def test_arrays_of_a_dtype_that_numpy_lacks() -> None:
    low, high = (one.astype(ml_dtypes.bfloat16) for one in bounds(4, 3))
    narrow = Projecting(low, high)
    wide = Projecting(low.astype("float32"), high.astype("float32"))
    assert narrow == wide
    for w in (np.ones((4, 3), "float32"), torch.ones(4, 3), jnp.ones((4, 3))):
        np.testing.assert_array_equal(np.asarray(narrow(w)), np.asarray(wide(w)))
