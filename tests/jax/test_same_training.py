"""One rule means the same in PyTorch, NNX and Equinox, though each stores kernels its own way."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import equinox as eqx
import jax
import jax.numpy as jnp
import numpy as np
import optax
import pytest
import torch
from flax import nnx

import feasible.jax
import feasible.jax.nnx
import feasible.torch
from feasible import MaxNorm, MinMaxNorm, NonNeg, UnitNorm

SIZES = (5, 7, 3)
STEPS = 20
RANDOM = np.random.default_rng(0)
X = RANDOM.normal(size=(16, 5)).astype(np.float32)
Y = RANDOM.normal(size=(16, 3)).astype(np.float32)
# In Keras's layout, which is that of Flax.
KERNELS = [RANDOM.normal(size=size).astype(np.float32) for size in pairwise(SIZES)]
OPTIMIZERS = {
    "sgd": (lambda p: torch.optim.SGD(p, 0.1), optax.sgd(0.1)),
    "adam": (lambda p: torch.optim.Adam(p, 0.02), optax.adam(0.02)),
}


def in_torch(constraint: Any, optimizer: str) -> list[np.ndarray]:
    model = torch.nn.Sequential(torch.nn.Linear(5, 7), torch.nn.Tanh(), torch.nn.Linear(7, 3))
    for layer, kernel in zip(model[::2], KERNELS, strict=True):
        layer.weight.data = torch.tensor(kernel.T.copy())
        torch.nn.init.zeros_(layer.bias)
    feasible.torch.constrain(model, kernel=constraint)
    stepper = OPTIMIZERS[optimizer][0](model.parameters())
    for _ in range(STEPS):
        stepper.zero_grad()
        torch.nn.functional.mse_loss(model(torch.tensor(X)), torch.tensor(Y)).backward()
        stepper.step()
    return [layer.weight.detach().numpy().T for layer in model[::2]]


def in_nnx(constraint: Any, optimizer: str) -> list[np.ndarray]:
    layers = [nnx.Linear(*size, rngs=nnx.Rngs(0)) for size in pairwise(SIZES)]
    for layer, kernel in zip(layers, KERNELS, strict=True):
        layer.kernel[...] = jnp.array(kernel)
    model = nnx.Sequential(layers[0], jnp.tanh, layers[1])
    feasible.jax.nnx.constrain(model, kernel=constraint)
    stepper = feasible.jax.nnx.Optimizer(model, OPTIMIZERS[optimizer][1], wrt=nnx.Param)

    @nnx.jit
    def step(model: Any, stepper: Any) -> None:
        stepper.update(model, nnx.grad(lambda model: jnp.square(model(X) - Y).mean())(model))

    for _ in range(STEPS):
        step(model, stepper)
    return [np.asarray(layer.kernel[...]) for layer in layers]


def in_equinox(constraint: Any, optimizer: str) -> list[np.ndarray]:
    model = eqx.nn.MLP(5, 3, 7, 1, jnp.tanh, key=jax.random.key(0))
    weights = [jnp.array(kernel.T) for kernel in KERNELS]
    biases = [jnp.zeros(size) for size in SIZES[1:]]
    model = eqx.tree_at(lambda m: [layer.weight for layer in m.layers], model, weights)
    model = eqx.tree_at(lambda m: [layer.bias for layer in m.layers], model, biases)
    rules = {("*", "kernel"): constraint}
    transformation = OPTIMIZERS[optimizer][1]
    state = transformation.init(eqx.filter(model, eqx.is_array))

    @eqx.filter_jit
    def step(model: Any, state: Any) -> Any:
        gradients = eqx.filter_grad(lambda m: jnp.square(jax.vmap(m)(X) - Y).mean())(model)
        updates, state = transformation.update(gradients, state)
        return feasible.jax.apply_updates(model, updates, rules), state

    for _ in range(STEPS):
        model, state = step(model, state)
    return [np.asarray(layer.weight).T for layer in model.layers]


@pytest.mark.parametrize("optimizer", OPTIMIZERS)
@pytest.mark.parametrize(
    "constraint",
    [
        MaxNorm(0.7, axis="unit"),
        MaxNorm(0.7, axis=1),
        UnitNorm(axis=0),
        MinMaxNorm(0.5, 0.9, rate=0.5, axis=(0,)),
        NonNeg(),
    ],
    ids=repr,
)
def test_the_same_weights_after_the_same_steps(constraint: Any, optimizer: str) -> None:
    wanted = in_torch(constraint, optimizer)
    for weights in (in_nnx(constraint, optimizer), in_equinox(constraint, optimizer)):
        for one, other in zip(weights, wanted, strict=True):
            assert np.abs(one - other).max() < 1e-5
    # They were trained, and the constraint had something to do.
    free = in_torch(lambda w: w, optimizer)
    for one, start, other in zip(wanted, KERNELS, free, strict=True):
        assert np.abs(one - start).max() > 0.1
        assert np.abs(one - other).max() > 0.1
