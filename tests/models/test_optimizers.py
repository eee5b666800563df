"""Each optimizer beside Keras's, step by step."""

from __future__ import annotations

import functools

import keras
import numpy as np
import pytest
import torch

from feasible.models import optimizers
from feasible.models.optimizers import get

CASES = [
    ("sgd", {}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("sgd", {"momentum": 0.9, "nesterov": True}),
    ("rmsprop", {}),
    ("RMSprop", {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.5}),
    ("rmsprop", {"centered": True, "epsilon": 1e-5}),
    ("adam", {}),
    ("Adam", {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.99, "amsgrad": True}),
    ("adamw", {}),
    ("AdamW", {"weight_decay": 0.1, "learning_rate": 0.05}),
    ("adagrad", {}),
    ("Adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.5}),
    ("adadelta", {}),
    ("Adadelta", {"learning_rate": 1.0, "rho": 0.9}),
    ("adamax", {}),
    ("nadam", {}),
    ("Nadam", {"learning_rate": 0.1, "beta_1": 0.8}),
]


def gradients(scale: float) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [scale * rng.normal(size=5).astype(np.float32) for _ in range(20)]


def trajectory_here(name, arguments, steps):
    weight = torch.nn.Parameter(torch.linspace(-1, 1, 5))
    optimizer = get(name, **arguments)([weight])
    for gradient in steps:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    return weight.detach().numpy()


def trajectory_of_keras(name, arguments, steps):
    config = {"class_name": name, "config": arguments}
    optimizer = keras.optimizers.get(config)
    weight = keras.Variable(np.linspace(-1, 1, 5, dtype=np.float32))
    for gradient in steps:
        optimizer.apply([torch.tensor(gradient)], [weight])
    return weight.numpy()


@pytest.mark.parametrize("scale", [1.0, 1e-3, 1e-4])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_steps_are_those_of_keras(name, arguments, scale):
    steps = gradients(scale)
    start = np.linspace(-1, 1, 5, dtype=np.float32)
    moved = trajectory_here(name, arguments, steps) - start
    wanted = trajectory_of_keras(name, dict(arguments), steps) - start
    # Weights of about 1 are rounded at each of the twenty steps.
    atol = 1e-4 * np.abs(wanted).max() + 20 * np.finfo(np.float32).eps
    np.testing.assert_allclose(moved, wanted, rtol=0, atol=atol)


def test_rmsprop_has_its_epsilon_where_keras_has_it():
    steps = gradients(1e-4)
    moved = trajectory_here("rmsprop", {}, steps)
    np.testing.assert_allclose(moved, trajectory_of_keras("rmsprop", {}, steps), atol=1e-6)
    weight = torch.nn.Parameter(torch.linspace(-1, 1, 5))
    optimizer = torch.optim.RMSprop([weight], lr=1e-3, alpha=0.9, eps=1e-7)
    for gradient in steps:
        weight.grad = torch.tensor(gradient)
        optimizer.step()
    assert np.abs(weight.detach().numpy() - moved).max() > 1e-3


def test_every_optimizer_is_compared_and_has_the_defaults_of_keras():
    assert {name.lower() for name, _ in CASES} == {
        one.__name__ for one in optimizers.OPTIMIZERS.things
    }


def test_configs_of_keras_are_read():
    config = keras.optimizers.serialize(keras.optimizers.Adam(0.25, clipnorm=None))
    optimizer = get(config)([torch.zeros(1)])
    assert optimizer.param_groups[0]["lr"] == 0.25
    assert optimizer.param_groups[0]["eps"] == 1e-7


def test_what_is_not_a_name_is_kept():
    optimizer = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    assert get(optimizer) is optimizer
    assert get(torch.optim.Adam) is torch.optim.Adam
    factory = functools.partial(torch.optim.SGD, lr=0.5)
    assert get(factory) is factory


def test_a_closure_is_run_with_gradients():
    weight = torch.ones(1, requires_grad=True)
    optimizer = get("rmsprop")([weight])

    def closure():
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) == 1
    assert weight < 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: get("adamm"), "Did you mean"),
        (lambda: get("adam", lr=1), "unknown argument 'lr'. Allowed: learning_rate, beta_1"),
        (lambda: get("adam", learning_rate="fast"), "`learning_rate` must be a finite number"),
        (lambda: get("adam", learning_rate=-1), "`learning_rate` must be a finite number at least"),
        (lambda: get("adam", clipnorm=1.0), r"use fit\(gradient_clip_val=...\)"),
        (lambda: get("adam", weight_decay=0.1), "use the optimizer 'adamw'"),
        (lambda: get(3), "`optimizer` must be a name"),
    ],
)
def test_errors_say_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
