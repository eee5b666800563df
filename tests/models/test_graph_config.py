"""Functional models in Keras's archives, both ways, and configs that describe none."""

from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import keras
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feasible import load_model
from feasible.keras import ArchiveError, from_keras
from feasible.models.model_config import model_from_config

layers = keras.layers
IDS = np.array([[1, 2, 0, 3], [4, 0, 5, 0]])


def inputs_of(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    return [rng.normal(size=(2, *shape)).astype("float32") for shape in shapes]


def chained() -> Any:
    nested = keras.Input((4,), name="nested_start")
    inner = keras.Model(nested, layers.Dense(3, name="in_inner")(nested), name="inner")
    stack = keras.Sequential([layers.Dense(4, kernel_constraint="non_neg")], name="stack")
    start = keras.Input((5,), name="start")
    x = layers.BatchNormalization(name="states")(stack(start))
    return keras.Model(start, layers.Dense(2, name="end")(inner(x)), name="all"), inputs_of((5,))


def siamese() -> Any:
    one, other = keras.Input((4,), name="one"), keras.Input((4,), name="other")
    shared = layers.Dense(3, kernel_regularizer="l2", kernel_constraint="unit_norm")
    x = (shared(one) - shared(other)) ** 2
    return keras.Model([one, other], layers.Dense(1)(x)), inputs_of((4,), (4,))


def named() -> Any:
    start = {"b": keras.Input((3,), name="b"), "a": keras.Input((3,), name="a")}
    x = keras.ops.concatenate([start["a"], start["b"] * 2.0], axis=1)
    return keras.Model(start, {"sum": keras.ops.sum(x, axis=1), "x": layers.Dense(2)(x)}), dict(
        zip("ba", inputs_of((3,), (3,)), strict=True)
    )


def attending() -> Any:
    start, first = keras.Input((5, 3)), keras.Input((4,))
    x = layers.MultiHeadAttention(2, 3)(start, start, use_causal_mask=True)
    x = layers.GRU(4, return_sequences=True)(x, initial_state=first)
    return keras.Model([start, first], [x[:, 1:3], layers.Flatten()(x)]), inputs_of((5, 3), (4,))


def masked() -> Any:
    start = keras.Input((4,), dtype="int32")
    x = layers.Embedding(9, 4, mask_zero=True)(start)
    x = layers.Bidirectional(layers.LSTM(3, return_sequences=True))(x)
    return keras.Model(start, layers.LSTM(2)(layers.Dropout(0.5)(x))), [IDS]


def nested_twice() -> Any:
    start = keras.Input((3,))
    inner = keras.Model(start, layers.Dense(3)(start), name="twice")
    outer = keras.Input((3,))
    return keras.Model(outer, inner(inner(outer))), inputs_of((3,))


MODELS: list[Callable[[], Any]] = [chained, siamese, named, attending, masked, nested_twice]


def flat(outputs: Any) -> list[np.ndarray]:
    if isinstance(outputs, dict):
        return [outputs[name] for name in sorted(outputs)]
    return list(outputs) if isinstance(outputs, list | tuple) else [outputs]


# Keras says so of a model in a model that it saved itself, too.
@pytest.mark.filterwarnings("ignore:Skipping nested container:UserWarning")
@pytest.mark.parametrize("make", MODELS)
def test_a_functional_model_comes_from_keras_and_goes_back(
    make: Callable[[], Any], tmp_path: Path
) -> None:
    model, x = make()
    x = x if isinstance(x, dict) or len(x) > 1 else x[0]
    wanted = flat(model.predict(x, verbose=0))
    model.save(tmp_path / "m.keras")
    loaded = load_model(tmp_path / "m.keras")
    for found, own in zip(flat(loaded.predict(x, verbose=0)), wanted, strict=True):
        np.testing.assert_allclose(found, own, atol=1e-6)
    assert [w.shape for w in loaded.get_weights()] == [w.shape for w in model.get_weights()]
    assert [layer.name for layer in loaded.layers] == [one.name for one in model._operations]
    loaded.save(tmp_path / "back.keras")
    again = keras.saving.load_model(tmp_path / "back.keras")
    for found, own in zip(flat(again.predict(x, verbose=0)), wanted, strict=True):
        np.testing.assert_allclose(found, own, atol=1e-6)
    for found, own in zip(flat(from_keras(model).predict(x, verbose=0)), wanted, strict=True):
        np.testing.assert_allclose(found, own, atol=1e-6)


def keras_2(*entries: tuple[str, Any], outputs: Any = None) -> dict[str, Any]:
    """A functional model as Keras 2 writes it: names and calls of Dense layers from a start."""
    start = {"name": "start", "batch_input_shape": [None, 3]}
    found = [
        {"class_name": "InputLayer", "config": start, "name": "start", "inbound_nodes": []},
        *(
            {
                "class_name": "Dense",
                "config": {"name": name, "units": 3},
                "name": name,
                "inbound_nodes": nodes,
            }
            for name, nodes in entries
        ),
    ]
    config = {
        "name": "model",
        "layers": found,
        "input_layers": [["start", 0, 0]],
        "output_layers": outputs if outputs is not None else [[found[-1]["name"], 0, 0]],
    }
    return json.loads(json.dumps({"class_name": "Functional", "config": config}))


@pytest.mark.parametrize("node", [[["start", 0, 0, {}]], ["start", 0, 0, {"mask": None}]])
def test_calls_as_keras_2_writes_them(node: Any) -> None:
    model = model_from_config(keras_2(("end", [node])), {})
    assert model.layer_names == ["start", "end"]


def test_layers_come_in_the_order_in_which_they_are_called() -> None:
    config = keras_2(("end", [[["middle", 0, 0, {}]]]), ("middle", [[["start", 0, 0, {}]]]))
    config["config"]["output_layers"] = [["end", 0, 0]]
    assert model_from_config(config, {}).layer_names == ["start", "middle", "end"]


REFUSED = {
    "a circle": (
        keras_2(("a", [[["b", 0, 0, {}]]]), ("b", [[["a", 0, 0, {}]]])),
        "the layer 'a' is called on 'b', which is never computed",
    ),
    "a layer on itself": (
        keras_2(("a", [[["a", 0, 0, {}]]])),
        "the layer 'a' is called on 'a', which is never computed",
    ),
    "two of one name": (keras_2(("start", [])), "must have names of their own"),
    "no calls": (keras_2(("a", None)), "there is no output 0 of call 0 of 'a'"),
    "an output that is none": (
        keras_2(("a", [[["start", 0, 0, {}]]]), outputs=[["a", 0, 7]]),
        "there is no output 7",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_no_graph_is_refused(name: str) -> None:
    config, problem = REFUSED[name]
    with pytest.raises(ValueError, match=problem):
        model_from_config(config, {})


def test_the_file_is_named(tmp_path: Path) -> None:
    start = keras.Input((3,))
    model = keras.Model(start, layers.Lambda(lambda x: x + 1)(start))
    model.save(tmp_path / "m.keras")
    with pytest.raises(ArchiveError, match=r"m\.keras: config\.json: .*Lambda.*never run"):
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


@settings(max_examples=200, deadline=None)
@given(st.sampled_from(["b", "a"]), st.lists(junk, max_size=3), junk, junk)
def test_any_config_is_a_model_or_refused(name: str, nodes: Any, outputs: Any, more: Any) -> None:
    config = keras_2((name, nodes), outputs=outputs)
    for odd in (config, {**config, "config": {**config["config"], "layers": more}}):
        with suppress(ValueError):
            assert len(model_from_config(odd, {}).layers) <= 3
