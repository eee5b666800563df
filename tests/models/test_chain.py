"""Configs of models that are one chain of layers, and those that are not."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feasible import load_model
from feasible.keras import ArchiveError
from feasible.models.chain import chain

layers = keras.layers


def chained() -> keras.Model:
    """A functional model that is one chain, with one of each kind within it."""
    nested = keras.Input((4,), name="nested_start")
    inner = keras.Model(nested, layers.Dense(3, name="in_inner")(nested), name="inner")
    stack = keras.Sequential([layers.Dense(4, kernel_constraint="non_neg")], name="stack")
    start = keras.Input((5,), name="start")
    x = layers.BatchNormalization(name="states")(stack(start))
    return keras.Model(start, layers.Dense(2, name="end")(inner(x)), name="all")


def test_a_functional_chain_becomes_a_sequential(tmp_path: Path) -> None:
    model = chained()
    model.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    assert loaded.layer_names == ["stack", "states", "inner", "end"]
    assert loaded.get_layer("inner").layer_names == ["in_inner"]
    x = np.linspace(-1, 1, 10, dtype=np.float32).reshape(2, 5)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model(x).detach(), atol=1e-5)
    loaded.save(tmp_path / "back.keras")
    again = keras.saving.load_model(tmp_path / "back.keras")
    np.testing.assert_allclose(again(x).detach(), model(x).detach(), atol=1e-5)


def test_what_keras_3_writes_of_a_call_without_arguments_is_none(tmp_path: Path) -> None:
    start = keras.Input((4, 3))
    x = layers.LSTM(2, return_sequences=True)(layers.Dropout(0.5)(start))
    model = keras.Model(start, layers.ReLU()(layers.BatchNormalization()(x)))
    model.save(tmp_path / "m.keras")
    x = np.linspace(-1, 1, 24, dtype=np.float32).reshape(2, 4, 3)
    outputs = load_model(tmp_path / "m.keras").predict(x, verbose=0)
    np.testing.assert_allclose(outputs, model.predict(x, verbose=0), atol=1e-5)


def config_of(model: keras.Model) -> dict[str, Any]:
    return json.loads(json.dumps(keras.saving.serialize_keras_object(model)))


def test_layers_come_in_the_order_in_which_they_are_called() -> None:
    config = config_of(chained())
    config["config"]["layers"].reverse()
    names = [layer["config"]["name"] for layer in chain(config)]
    assert names == ["start", "stack", "states", "inner", "end"]


def keras_2(*calls: tuple[str, Any], outputs: Any = None) -> dict[str, Any]:
    """A functional model as Keras 2 writes it."""
    entries = [
        {
            "class_name": "InputLayer" if nodes == [] else "Dense",
            "config": {},
            "name": name,
            "inbound_nodes": nodes,
        }
        for name, nodes in calls
    ]
    return {
        "class_name": "Functional",
        "config": {"layers": entries, "output_layers": outputs or [[calls[-1][0], 0, 0]]},
    }


START = ("start", [])


@pytest.mark.parametrize("node", [[["start", 0, 0, {}]], ["start", 0, 0, {"mask": None}]])
def test_calls_as_keras_2_writes_them(node: Any) -> None:
    entries = chain(keras_2(START, ("end", [node])))
    assert [entry["name"] for entry in entries] == ["start", "end"]


def test_a_layer_may_be_named_by_no_letters() -> None:
    entries = chain(keras_2(START, ("", [[["start", 0, 0, {}]]])))
    assert [entry["name"] for entry in entries] == ["start", ""]


def test_a_list_of_layers_as_keras_wrote_it_at_first() -> None:
    entries = [{"class_name": "Dense", "config": {}}]
    assert chain({"class_name": "Sequential", "config": entries}) == entries


def two_inputs() -> keras.Model:
    inputs = [keras.Input((3,), name=name) for name in ("one", "other")]
    return keras.Model(inputs, layers.Add(name="sum")(inputs))


def two_outputs() -> keras.Model:
    start = keras.Input((3,), name="start")
    first = layers.Dense(3, name="first")(start)
    return keras.Model(start, [first, layers.Dense(3, name="second")(first)])


def forked() -> keras.Model:
    start = keras.Input((3,), name="start")
    both = [layers.Dense(3, name=name)(start) for name in ("left", "right")]
    return keras.Model(start, layers.Add(name="sum")(both))


def twice() -> keras.Model:
    start, layer = keras.Input((3,), name="start"), layers.Dense(3, name="shared")
    return keras.Model(start, layer(layer(start)))


def with_an_argument() -> keras.Model:
    start = keras.Input((3,), name="start")
    return keras.Model(start, layers.Dropout(0.5, name="always")(start, training=True))


def early() -> dict[str, Any]:
    middle = ("middle", [[["start", 0, 0, {}]]])
    return keras_2(START, middle, ("end", [[["middle", 0, 0, {}]]]), outputs=[["middle", 0, 0]])


NOT_ONE = {
    "two inputs": (lambda: config_of(two_inputs()), r"has 2 inputs \(one, other\)"),
    "two outputs": (lambda: config_of(two_outputs()), "output is that of 'first', 'second'"),
    "a fork": (lambda: config_of(forked()), "output of 'start' goes to 'left' and to 'right'"),
    "a layer twice": (lambda: config_of(twice()), "'shared' is called 2 times"),
    "an argument": (
        lambda: config_of(with_an_argument()),
        "'always' is called on 'start', with {'training': True}",
    ),
    "an output in between": (early, "output is that of 'middle', .* 'start' ends at 'end'"),
    "a circle": (
        lambda: keras_2(START, ("a", [[["b", 0, 0, {}]]]), ("b", [[["a", 0, 0, {}]]])),
        "chain from 'start' ends at 'start'",
    ),
    "a layer on itself": (
        lambda: keras_2(START, ("a", [[["a", 0, 0, {}]]])),
        "chain from 'start' ends at 'start'",
    ),
    "two of one name": (lambda: keras_2(START, START), "has 1 inputs"),
    "no calls": (lambda: keras_2(START, ("a", None)), "'a' is called 0 times"),
    "a call on nothing": (lambda: keras_2(START, ("a", [3])), "'a' is called on nothing"),
}


@pytest.mark.parametrize("name", NOT_ONE)
def test_what_is_not_one_chain_is_refused(name: str) -> None:
    make, problem = NOT_ONE[name]
    with pytest.raises(ValueError, match=f"{problem}.*feasible.keras.rules_from"):
        chain(make())


def test_the_file_is_named(tmp_path: Path) -> None:
    forked().save(tmp_path / "m.keras")
    with pytest.raises(ArchiveError, match=r"m\.keras: config\.json: the output of 'start'"):
        load_model(tmp_path / "m.keras")


junk = st.recursive(
    st.sampled_from([None, 0, "", "start", "a", "InputLayer", {}]),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(
            st.sampled_from(["args", "kwargs", "config", "keras_history", "class_name", "name"]),
            inner,
            max_size=3,
        ),
    ),
    max_leaves=10,
)


@settings(max_examples=200)
@given(st.sampled_from(["", "a"]), st.lists(junk, max_size=3), junk, junk)
def test_any_config_is_a_chain_or_refused(name: str, nodes: Any, outputs: Any, more: Any) -> None:
    config = keras_2(START, (name, nodes), outputs=outputs)
    for odd in (config, {**config, "config": {**config["config"], "layers": more}}):
        with suppress(ValueError):
            assert len(chain(odd)) <= 3
