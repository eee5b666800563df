"""Each optimizer beside Keras's, step by step, and what is common to all."""

from __future__ import annotations

import copy
import functools
import pickle

import keras
import numpy as np
import pytest
import torch

import feasible
from feasible import MinMaxNorm, NonNeg, optimizers
from feasible.models.optimizers import get as compiled_with

CASES = [
    ("SGD", {}),
    ("SGD", {"learning_rate": 0.1, "momentum": 0.9}),
    ("SGD", {"momentum": 0.9, "nesterov": True}),
    ("RMSprop", {}),
    ("RMSprop", {"learning_rate": 0.01, "rho": 0.8, "momentum": 0.5}),
    ("RMSprop", {"centered": True, "epsilon": 1e-5}),
    ("Adam", {}),
    ("Adam", {"learning_rate": 0.1, "beta_1": 0.8, "beta_2": 0.99, "amsgrad": True}),
    ("AdamW", {}),
    ("AdamW", {"weight_decay": 0.1, "learning_rate": 0.05}),
    ("Adagrad", {}),
    ("Adagrad", {"learning_rate": 0.1, "initial_accumulator_value": 0.5}),
    ("Adadelta", {}),
    ("Adadelta", {"learning_rate": 1.0, "rho": 0.9}),
    ("Adamax", {}),
    ("Nadam", {}),
    ("Nadam", {"learning_rate": 0.1, "beta_1": 0.8}),
    ("Lion", {}),
    ("Lion", {"beta_1": 0.5, "beta_2": 0.7}),
    ("Ftrl", {}),
    (
        "Ftrl",
        {
            "learning_rate": 0.1,
            "l1_regularization_strength": 0.1,
            "l2_regularization_strength": 0.2,
            "l2_shrinkage_regularization_strength": 0.01,
            "beta": 0.1,
        },
    ),
    ("Adafactor", {}),
    ("Adafactor", {"learning_rate": 0.5, "clip_threshold": 0.5}),
    ("Lamb", {}),
    ("Lamb", {"learning_rate": 0.1}),
]
OPTIONS = [
    {"weight_decay": 0.1},
    {"clipnorm": 0.5},
    {"clipvalue": 0.3},
    {"global_clipnorm": 0.7},
    {"use_ema": True, "ema_momentum": 0.6, "ema_overwrite_frequency": 2},
    {"loss_scale_factor": 4.0},
    {"gradient_accumulation_steps": 2},
]
STARTS = [np.linspace(-1, 1, 5, dtype=np.float32), np.linspace(-2, 1, 6, dtype=np.float32)]
STARTS[1] = STARTS[1].reshape(2, 3)


def gradients(scale, steps=5):
    rng = np.random.default_rng(0)
    return [
        [scale * rng.normal(size=one.shape).astype(np.float32) for one in STARTS]
        for _ in range(steps)
    ]


def moved(optimizer, steps, variables):
    for step in steps:
        optimizer.apply([torch.tensor(one) for one in step], variables)
    return [
        (one.detach() if torch.is_tensor(one) else one.value.detach()).numpy() for one in variables
    ]


def moved_here(optimizer, steps):
    return moved(optimizer, steps, [torch.nn.Parameter(torch.tensor(one)) for one in STARTS])


def moved_by_keras(optimizer, steps):
    return moved(optimizer, steps, [keras.Variable(one) for one in STARTS])


def check_same(ours, theirs, scale, steps=5):
    steps = gradients(scale, steps)
    here, wanted = moved_here(ours, steps), moved_by_keras(theirs, steps)
    for start, one, other in zip(STARTS, here, wanted, strict=True):
        # Keras computes 1 - beta ** step in float32, which is 1e-5 off for a beta of 0.999.
        atol = 1e-6 + 1e-5 * np.abs(other - start).max()
        np.testing.assert_allclose(one, other, rtol=1e-6, atol=atol)


@pytest.mark.parametrize("scale", [1.0, 1e-4])
@pytest.mark.parametrize(("name", "arguments"), CASES)
def test_steps_are_those_of_keras(name, arguments, scale):
    theirs = getattr(keras.optimizers, name)(**arguments)
    check_same(getattr(optimizers, name)(**arguments), theirs, scale)
    ours = optimizers.deserialize(keras.optimizers.serialize(theirs))
    here, wanted = ours.get_config(), theirs.get_config()
    assert {one: here[one] for one in wanted if one in here} == pytest.approx(wanted)


@pytest.mark.parametrize("options", OPTIONS)
@pytest.mark.parametrize("name", ["SGD", "Adam", "Lion"])
def test_what_all_share_is_that_of_keras(name, options):
    theirs = getattr(keras.optimizers, name)(0.1, **options)
    check_same(getattr(optimizers, name)(0.1, **options), theirs, 1.0, steps=6)


SCHEDULES = [
    ("ExponentialDecay", {"decay_steps": 3, "decay_rate": 0.5}),
    ("ExponentialDecay", {"decay_steps": 3, "decay_rate": 0.5, "staircase": True}),
    ("InverseTimeDecay", {"decay_steps": 3, "decay_rate": 0.5}),
    ("PolynomialDecay", {"decay_steps": 5, "power": 2.0}),
    ("PolynomialDecay", {"decay_steps": 3, "cycle": True}),
    ("CosineDecay", {"decay_steps": 5, "alpha": 0.1}),
    ("CosineDecay", {"decay_steps": 5, "warmup_target": 0.5, "warmup_steps": 3}),
    ("CosineDecayRestarts", {"first_decay_steps": 2, "m_mul": 0.5}),
    ("CosineDecayRestarts", {"first_decay_steps": 2, "t_mul": 1.0, "alpha": 0.1}),
    ("PiecewiseConstantDecay", {"boundaries": [2, 4], "values": [0.3, 0.2, 0.1]}),
]


@pytest.mark.parametrize(("name", "arguments"), SCHEDULES)
def test_schedules_are_those_of_keras(name, arguments):
    if name != "PiecewiseConstantDecay":
        arguments = {"initial_learning_rate": 0.2, **arguments}
    theirs = getattr(keras.optimizers.schedules, name)(**arguments)
    ours = getattr(optimizers.schedules, name)(**arguments)
    for step in range(9):
        assert ours(step) == pytest.approx(float(theirs(step)), abs=1e-6)
    check_same(optimizers.SGD(ours, 0.5), keras.optimizers.SGD(theirs, 0.5), 1.0, steps=6)
    written = keras.optimizers.serialize(keras.optimizers.Adam(theirs))
    again = optimizers.deserialize(written)
    here = optimizers.serialize(again)["config"]["learning_rate"]
    assert here == written["config"]["learning_rate"]


def test_every_optimizer_is_compared():
    assert {name for name, _ in CASES} == {one.__name__ for one in optimizers.OPTIMIZERS.things}


def test_names_in_any_case_and_what_pytorch_has_are_taken():
    for name in ("adamw", "AdamW", "ADAMW"):
        assert type(optimizers.get(name)) is optimizers.AdamW
    assert compiled_with({"class_name": "adam", "config": {"learning_rate": 0.5}})([]).lr == 0.5
    theirs = torch.optim.SGD([torch.zeros(1)], lr=1.0)
    assert compiled_with(theirs) is theirs
    assert compiled_with(torch.optim.Adam) is torch.optim.Adam
    factory = functools.partial(torch.optim.SGD, lr=0.5)
    assert compiled_with(factory) is factory


def test_the_learning_rate_is_read_and_assigned():
    optimizer = optimizers.Adam(0.5).bind([torch.zeros(1)])
    assert float(optimizer.learning_rate) == 0.5
    optimizer.learning_rate = 0.25
    assert optimizer.param_groups[0]["lr"] == 0.25
    optimizer.learning_rate.assign(np.float32(0.125))
    assert optimizer.lr == 0.125
    optimizer.learning_rate = optimizers.schedules.ExponentialDecay(1.0, 1, 0.5)
    weight = torch.nn.Parameter(torch.ones(1))
    optimizer.apply([torch.ones(1)], [weight]) if not optimizer.built else None
    assert float(optimizer.learning_rate) == 1.0
    with pytest.raises(TypeError, match="follows"):
        optimizer.learning_rate.assign(1.0)


def test_it_is_bound_again_copied_pickled_and_loaded_with_its_state():
    steps = gradients(1.0)
    weights = [torch.nn.Parameter(torch.tensor(one)) for one in STARTS]
    optimizer = optimizers.Nadam(0.1, clipnorm=1.0, use_ema=True).bind(weights)
    assert isinstance(optimizer, torch.optim.Optimizer)
    moved(optimizer, steps, weights)
    assert optimizer.iterations == 5
    optimizer.bind(weights)
    copied_weights, copied = copy.deepcopy((weights, optimizer))
    pickled_weights, pickled = pickle.loads(pickle.dumps((weights, optimizer)))
    loaded_weights = [torch.nn.Parameter(one.detach().clone()) for one in weights]
    loaded = optimizers.Nadam(0.1, clipnorm=1.0, use_ema=True).bind(loaded_weights)
    loaded.load_state_dict(copy.deepcopy(optimizer.state_dict()))
    wanted = moved(optimizer, steps, weights)
    for other, its in (
        (copied, copied_weights),
        (pickled, pickled_weights),
        (loaded, loaded_weights),
    ):
        for here, there in zip(moved(other, steps, its), wanted, strict=True):
            np.testing.assert_array_equal(here, there)


@pytest.mark.parametrize("amsgrad", [False, True])
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.complex64])
def test_adam_without_epsilon_is_that_of_pytorch_however_tensors_lie(dtype, amsgrad):
    ours = torch.nn.Parameter(torch.ones(4, 3, dtype=dtype).t())
    theirs = torch.nn.Parameter(torch.ones(3, 4, dtype=dtype))
    here = optimizers.Adam(0.1, epsilon=0, amsgrad=amsgrad).bind([ours])
    there = torch.optim.Adam([theirs], lr=0.1, eps=0, amsgrad=amsgrad)
    generator = torch.Generator().manual_seed(0)
    for _ in range(3):
        ours.grad = torch.randn(3, 4, generator=generator, dtype=dtype)
        theirs.grad = ours.grad.clone()
        here.step()
        there.step()
    torch.testing.assert_close(ours, theirs, rtol=1e-6, atol=1e-6)


def test_a_constraint_acts_once_an_update():
    layer = torch.nn.Linear(3, 2, bias=False)
    torch.nn.init.constant_(layer.weight, 8.0)
    feasible.torch.constrain(layer, kernel=MinMaxNorm(0, 1, rate=0.5, axis="unit"))
    optimizer = optimizers.SGD(0.0, gradient_accumulation_steps=2).bind(layer.parameters())
    norms = []
    for _ in range(4):
        layer.weight.grad = torch.ones(2, 3)
        optimizer.step()
        norms.append(layer.weight[0].norm().item())
    first = 8 * 3**0.5
    once = 0.5 + 0.5 * first
    assert norms == pytest.approx([first, once, once, 0.5 + 0.5 * once], rel=1e-5)


def test_averages_that_take_the_weights_place_are_projected():
    layer = torch.nn.Linear(3, 2, bias=False)
    feasible.torch.constrain(layer, kernel=NonNeg(), project=True)
    optimizer = optimizers.SGD(1.0, use_ema=True, ema_momentum=0.5).bind(layer.parameters())
    for _ in range(3):
        layer.weight.grad = torch.ones(2, 3)
        optimizer.step()
    optimizer.state[layer.weight]["average"].fill_(-1)
    optimizer.finalize_variable_values()
    assert torch.equal(layer.weight.detach(), torch.zeros(2, 3))


def test_parameters_are_excluded_from_decay_by_name_and_by_themselves():
    named = {one: torch.nn.Parameter(torch.ones(1)) for one in ("kernel", "bias", "gamma")}
    optimizer = optimizers.SGD(1.0, weight_decay=0.5)
    optimizer.exclude_from_weight_decay([named["gamma"]], ["bias"])
    optimizer.bind(named.items())
    for one in named.values():
        one.grad = torch.zeros(1)
    optimizer.step()
    assert [one.item() for one in named.values()] == [0.5, 1.0, 1.0]


def test_a_closure_is_run_with_gradients_and_what_has_none_stays():
    weight, unused = (torch.nn.Parameter(torch.ones(1)) for _ in range(2))
    optimizer = optimizers.RMSprop().bind([weight, unused])

    def closure():
        optimizer.zero_grad()
        loss = weight.square().sum()
        loss.backward()
        return loss

    assert optimizer.step(closure) == 1
    assert weight < 1
    assert unused == 1
    assert unused not in optimizer.state


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: optimizers.get("adamm"), "Did you mean 'Adam'"),
        (lambda: optimizers.Adam(lr=1), "unknown argument 'lr'. Did you mean `learning_rate`"),
        (lambda: optimizers.Adam(clip_norm=1), "Did you mean `clipnorm`"),
        (lambda: optimizers.Adam("fast"), "`learning_rate` must be a finite number"),
        (lambda: optimizers.Adam(-1), "`learning_rate` must be a finite number at least 0"),
        (lambda: optimizers.SGD(momentum=2), "`momentum` must be a finite number at least 0 and"),
        (lambda: optimizers.SGD(clipnorm=1, clipvalue=1), "the only one of the three"),
        (lambda: optimizers.SGD(gradient_accumulation_steps=1), "an integer of at least 2"),
        (lambda: optimizers.get(3), "`optimizer` must be one of Keras's names"),
        (lambda: compiled_with(3), "`optimizer` must be a name"),
        (lambda: optimizers.SGD().apply([None, None], [torch.ones(1)]), "2 gradients for 1"),
        (
            lambda: optimizers.schedules.PiecewiseConstantDecay([1], [1.0]),
            "one more than the 1 boundaries",
        ),
    ],
)
def test_errors_say_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()
