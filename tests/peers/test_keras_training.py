"""Where Keras's training falls short: what it does, and beside it what is done here.

Each test shows that Keras does so, so that it fails when Keras mends it.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch

import feasible
from feasible import MaxNorm, UnitNorm, constraints, layers, optimizers
from feasible.torch import check

X = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
Y = np.random.default_rng(1).normal(size=(32, 3)).astype(np.float32)
KERNEL = np.random.default_rng(2).normal(size=(4, 3)).astype(np.float32)


def theirs(constraint: Any, optimizer: Any) -> keras.Sequential:
    """A model of Keras's with one dense layer, of a known kernel."""
    layer = keras.layers.Dense(3, kernel_constraint=constraint)
    model = keras.Sequential([keras.Input((4,)), layer])
    model.set_weights([KERNEL, np.zeros(3)])
    model.compile(optimizer, "mse")
    return model


def ours(constraint: Any, rate: float = 0.1) -> feasible.Sequential:
    """The same of ours."""
    model = feasible.Sequential([layers.Dense(3, kernel_constraint=constraint, input_shape=(4,))])
    model.set_weights([KERNEL, np.zeros(3)])
    model.compile(torch.optim.SGD(model.parameters(), lr=rate), "mse")
    return model


def norms(model: Any) -> np.ndarray:
    return np.linalg.norm(model.get_weights()[0], axis=0)


def counting() -> tuple[Callable[[Any], Any], list[int]]:
    """A constraint, and a list that grows by one whenever it acts."""
    calls: list[int] = []

    def count(w: Any) -> Any:
        calls.append(1)
        return w

    return count, calls


def test_keras_applies_constraints_on_micro_batches() -> None:
    count, calls = counting()
    accumulating = keras.optimizers.SGD(0.1, gradient_accumulation_steps=4)
    theirs(count, accumulating).fit(X, Y, batch_size=4, verbose=0)
    assert len(calls) == 8
    count, calls = counting()
    model = ours(count)
    calls.clear()  # a callable is tried once where it is declared
    model.compile(optimizers.SGD(0.1, gradient_accumulation_steps=4), "mse")
    model.fit(X, Y, batch_size=4, verbose=0)
    assert len(calls) == 2


def test_a_rate_of_keras_moves_weights_that_no_step_changed() -> None:
    """With a rate of 0.5, a norm of 8 goes half of the way to the bound of 4 at each step."""

    def towards(kinds: Any) -> Any:
        return kinds.MinMaxNorm(max_value=4.0, rate=0.5, axis=0)

    large = [KERNEL * 8 / np.linalg.norm(KERNEL, axis=0), np.zeros(3)]
    accumulating = keras.optimizers.SGD(0.0, gradient_accumulation_steps=4)
    model = theirs(towards(keras.constraints), accumulating)
    model.set_weights(large)
    model.fit(X, Y, batch_size=8, verbose=0)
    np.testing.assert_allclose(norms(model), 4.25, rtol=1e-5)
    own = ours(towards(constraints), 0.0)
    own.set_weights(large)
    own.compile(optimizers.SGD(0.0, gradient_accumulation_steps=4), "mse")
    own.fit(X, Y, batch_size=8, verbose=0)
    np.testing.assert_allclose(norms(own), 6, rtol=1e-5)


def test_averages_of_keras_are_infeasible() -> None:
    averaging = keras.optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9)
    model = theirs(keras.constraints.UnitNorm(), averaging)
    model.fit(X, Y, batch_size=8, epochs=4, verbose=0)  # it ends by putting the averages in place
    assert np.abs(norms(model) - 1).max() > 1e-2

    own, averaged = ours(UnitNorm(axis="unit"), 0.5), ours(UnitNorm(axis="unit"), 0.5)
    averaged.compile(optimizers.SGD(0.5, use_ema=True, ema_momentum=0.9), "mse")
    for one in (own, averaged):
        one.fit(X, Y, batch_size=8, epochs=4, verbose=0)
    assert check(averaged).ok
    np.testing.assert_allclose(norms(averaged), 1, rtol=1e-6)
    assert not np.allclose(averaged.get_weights()[0], own.get_weights()[0], atol=1e-2)


@pytest.mark.parametrize("later", [False, True], ids=["compiled before", "compiled again"])
def test_keras_ignores_a_constraint_that_is_changed_after_build(later: bool) -> None:
    model = theirs(None, keras.optimizers.SGD(0.1))
    model.layers[0].kernel_constraint = keras.constraints.MaxNorm(0.1)
    own = ours(None)
    own.layers[0].kernel_constraint = MaxNorm(0.1)
    if later:
        model.compile("sgd", "mse")
        own.compile("sgd", "mse")
    for one in (model, own):
        one.fit(X, Y, batch_size=8, verbose=0)
    assert norms(model).min() > 0.5
    assert norms(own).max() <= 0.1 * (1 + 1e-6)


def test_a_kernel_of_large_numbers_in_float16_becomes_zero_in_keras() -> None:
    found = []
    for library, kind in ((keras.layers, keras.constraints.MaxNorm), (layers, MaxNorm)):
        layer = library.Dense(1, kernel_constraint=kind(2), use_bias=False, dtype="float16")
        layer(torch.zeros(1, 100, dtype=torch.float16))
        layer.set_weights([np.full((100, 1), 31.6, np.float16)])
        if library is layers:
            optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
            layer(torch.ones(1, 100, dtype=torch.float16)).sum().backward()
            optimizer.step()
        else:
            keras.optimizers.SGD(0.0).apply([torch.zeros(100, 1)], layer.trainable_variables)
        found.append(np.linalg.norm(layer.get_weights()[0].astype(np.float64)))
    assert found[0] == 0
    assert found[1] == pytest.approx(2, rel=1e-3)


def test_a_feasible_kernel_drifts_in_keras() -> None:
    model = theirs(keras.constraints.MaxNorm(10), keras.optimizers.SGD(0.0))
    own = ours(MaxNorm(10, axis="unit"), 0.0)
    for one in (model, own):
        one.fit(X, Y, batch_size=1, epochs=5, verbose=0)
    assert np.abs(model.get_weights()[0] - KERNEL).max() > 1e-6
    np.testing.assert_array_equal(own.get_weights()[0], KERNEL)
