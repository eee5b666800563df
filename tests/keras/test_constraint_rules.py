"""The constraints of any Keras model become rules for a network of another framework."""

from __future__ import annotations

import json
import zipfile
from contextlib import suppress
from pathlib import Path
from typing import Any

import jax.numpy as jnp
import keras
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import nn

import feasible.jax
from feasible import (
    InvalidArgumentError,
    MaxNorm,
    MinMaxNorm,
    NonNeg,
    RadialConstraint,
    UnitNorm,
)
from feasible.keras import ArchiveError, rules_from

GOLDEN = Path(__file__).with_name("golden")
layers = keras.layers


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.keras"


class Unheard(layers.Layer):
    """A layer that nothing here knows."""

    def __init__(self, mixer_constraint: Any = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mixer_constraint = keras.constraints.get(mixer_constraint)

    def call(self, inputs: Any) -> Any:
        return inputs

    def get_config(self) -> dict[str, Any]:
        mixer = keras.constraints.serialize(self.mixer_constraint)
        return {**super().get_config(), "mixer_constraint": mixer}


def branched() -> keras.Model:
    """A model with branches, models in models, wrappers and an unknown layer."""
    start = keras.Input((6, 4), name="start")
    left = layers.Bidirectional(
        layers.LSTM(3, kernel_constraint="unit_norm", recurrent_constraint="non_neg"), name="both"
    )(start)
    inner = keras.Sequential([layers.Dense(2, kernel_constraint="max_norm", name="d")], name="in")
    right = layers.Flatten()(inner(start))
    x = layers.Concatenate()([left, right])
    return keras.Model(start, Unheard(mixer_constraint="non_neg", name="mixed")(x))


def test_of_any_graph_and_any_layer(path: Path) -> None:
    branched().save(path)
    assert rules_from(path) == {
        ("both", "kernel"): UnitNorm(),
        ("both", "recurrent_kernel"): NonNeg(),
        ("in.d", "kernel"): MaxNorm(2),
        ("mixed", "mixer"): NonNeg(),
    }


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.both = nn.LSTM(4, 3, bidirectional=True)
        self.inner = nn.Sequential(nn.Linear(4, 2))


def test_they_hold_for_a_network_of_plain_pytorch(path: Path) -> None:
    branched().save(path)
    rules = rules_from(path, names={"in.d": "inner.0"})
    del rules["mixed", "mixer"]
    report = feasible.torch.constrain(Net(), rules)
    assert {row.parameter: (row.vectors, row.length) for row in report.rows} == {
        "both.weight_ih_l0": (12, 4),
        "both.weight_ih_l0_reverse": (12, 4),
        "both.weight_hh_l0": (36, 1),
        "both.weight_hh_l0_reverse": (36, 1),
        "inner.0.weight": (2, 4),
    }


def test_axes_mean_the_same_where_weights_are_stored_otherwise(path: Path) -> None:
    model = keras.Sequential(
        [
            keras.Input((8, 8, 2)),
            layers.Conv2D(3, 2, kernel_constraint=MaxNorm(1, axis=(0, 1, 2)), name="first"),
            layers.Conv2DTranspose(4, 2, kernel_constraint=MaxNorm(1, axis="unit"), name="second"),
            layers.BatchNormalization(gamma_constraint="non_neg", name="third"),
        ]
    )
    model.save(path)
    net = nn.ModuleDict(
        {
            "first": nn.Conv2d(2, 3, 2),
            "second": nn.ConvTranspose2d(3, 4, 2),
            "third": nn.BatchNorm2d(4),
        }
    )
    report = feasible.torch.constrain(net, rules_from(path))
    assert [(row.parameter, row.vectors, row.length) for row in report.rows] == [
        ("first.weight", 3, 8),
        ("second.weight", 4, 12),
        ("third.weight", 4, 1),
    ]


def test_for_the_weights_of_jax() -> None:
    weights = {"dense": {"kernel": jnp.ones((16, 3)), "bias": jnp.ones(3)}}
    rules = {key: rule for key, rule in rules_from(GOLDEN / "eegnet.h5").items() if "dense" in key}
    projected = feasible.jax.project(rules, weights)
    norms = jnp.linalg.norm(projected["dense"]["kernel"], axis=0)
    assert norms.tolist() == [pytest.approx(0.25)] * 3
    assert projected["dense"]["bias"].tolist() == [1, 1, 1]


# A constraint of a depthwise kernel, and whether a convolution in groups can take its place.
DEPTHWISE = [
    (MaxNorm(1, axis=(0,)), True),
    (MaxNorm(1, axis=(0, 1)), True),
    (MaxNorm(1, axis=-4), True),
    (MaxNorm(1, axis="unit"), True),
    (MaxNorm(1, axis=None), True),
    (NonNeg(), True),
    (RadialConstraint("mean"), True),
    (MaxNorm(1, axis=2), False),
    (MinMaxNorm(0, 1, axis=(0, 1, -1)), False),
]


@pytest.mark.parametrize(("constraint", "fits"), DEPTHWISE, ids=repr)
def test_a_depthwise_kernel_may_be_one_in_groups(constraint: Any, fits: bool, path: Path) -> None:
    layer = layers.DepthwiseConv2D(3, depthwise_constraint=constraint, name="depthwise")
    keras.Sequential([keras.Input((8, 8, 2)), layer]).save(path)
    rules = rules_from(path)
    assert list(rules.values()) == [constraint]
    net = nn.ModuleDict({"depthwise": nn.Conv2d(2, 2, 3, groups=2)})
    if fits:
        assert feasible.torch.constrain(net, rules).rows[0].parameter == "depthwise.weight"
    else:
        with pytest.raises(ValueError, match=r"selects no parameter\. Roles there: bias, kernel"):
            feasible.torch.constrain(net, rules)


def test_names_with_the_characters_of_globs_are_names(path: Path) -> None:
    net = nn.ModuleDict({"a[1]": nn.Linear(2, 2), "a1": nn.Linear(2, 2)})
    packed(path, stack(dense("non_neg", name="a[1]")))
    report = feasible.torch.constrain(net, rules_from(path))
    assert [row.parameter for row in report.rows] == ["a[1].weight"]


def test_a_module_that_is_not_there_is_named() -> None:
    rules = rules_from(GOLDEN / "eegnet.h5")
    with pytest.raises(ValueError, match=r"'\*kernel'\) selects no parameter. There is no such mo"):
        feasible.torch.constrain(nn.ModuleDict({"dense": nn.Linear(2, 2)}), rules)


def test_a_name_of_no_layer_is_refused() -> None:
    with pytest.raises(InvalidArgumentError, match="`names` must be of layers that have constr"):
        rules_from(GOLDEN / "eegnet.h5", names={"dence": "fc"})


def packed(path: Path, config: Any) -> Path:
    with zipfile.ZipFile(path, "w") as members:
        members.writestr("config.json", json.dumps(config))
    return path


def stack(*entries: Any) -> dict[str, Any]:
    return {"class_name": "Sequential", "config": {"layers": list(entries)}}


def dense(constraint: Any, **more: Any) -> dict[str, Any]:
    return {"class_name": "Dense", "config": {"name": "d", "kernel_constraint": constraint} | more}


LAMBDA = {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}
REFUSED = {
    "a class of models": ({"class_name": "Mine", "config": {}}, "whose config does not list its"),
    "no config": (stack({"class_name": "Dense"}), "each layer must have a config"),
    "no layer": (stack(3), "each layer must have a config"),
    "a lambda": (stack(dense(LAMBDA)), "the Dense 'd', kernel: .*a lambda is stored as code"),
    "an unknown constraint": (
        stack(dense({"module": "os", "class_name": "system", "config": {"command": "false"}})),
        "the Dense 'd', kernel: Unknown constraint 'system'",
    ),
    "a number": (stack(dense(3)), "the Dense 'd', kernel: "),
    "a bad argument": (
        stack(dense({"class_name": "MaxNorm", "config": {"max_value": -1}})),
        "the Dense 'd', kernel: MaxNorm: `max_value` must be",
    ),
    "two of one name": (
        stack(dense("non_neg"), dense("max_norm")),
        "the layers in 'd' have several constraints on their kernel: NonNeg.* and MaxNorm",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_cannot_be_read_is_refused(name: str, path: Path) -> None:
    config, problem = REFUSED[name]
    with pytest.raises(ArchiveError, match=rf"m\.keras: config\.json: .*{problem}"):
        rules_from(packed(path, config))


def test_custom_objects(path: Path) -> None:
    packed(path, stack(dense({"class_name": "Mine", "config": {}, "module": None})))
    assert rules_from(path, custom_objects={"Mine": NonNeg}) == {("d", "kernel"): NonNeg()}


junk = st.recursive(
    st.sampled_from([None, 3, "non_neg", "MaxNorm", LAMBDA]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["class_name", "config", "layers", "name", "a_constraint", "cell"]),
            inner,
            max_size=4,
        ),
    ),
    max_leaves=12,
)


@settings(max_examples=200)
@given(junk)
def test_any_config_is_read_or_refused(
    tmp_path_factory: pytest.TempPathFactory, config: Any
) -> None:
    path = packed(tmp_path_factory.getbasetemp() / "junk.keras", config)
    with suppress(ArchiveError):
        rules_from(path)
