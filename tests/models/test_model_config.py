"""A Sequential's config says of input, dtypes and layers what Keras's does."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

from feasible import Sequential
from feasible.layers import BatchNormalization, Dense, Embedding, Flatten, Input, ReLU
from feasible.models.model_config import model_config, model_from_config


def configs_of(model: nn.Module) -> list[dict[str, Any]]:
    return [entry["config"] for entry in model_config(model)["config"]["layers"]]


def test_the_input_comes_first() -> None:
    model = Sequential([Input((None, 3), batch_size=4), Dense(2)])
    assert configs_of(model)[0] == {
        "batch_shape": [4, None, 3],
        "dtype": "float32",
        "sparse": False,
        "ragged": False,
        "name": "input_layer",
    }
    entry = model_config(model)
    assert entry["config"]["build_input_shape"] == [4, None, 3]
    # A batch of another size may come.
    assert model_from_config(entry, {}).input_shape == (None, None, 3)


def test_the_name_of_the_input_is_not_that_of_a_layer() -> None:
    layers = [Dense(2, name="input_layer", input_shape=(3,)), Dense(2, name="input_layer_1")]
    assert [config["name"] for config in configs_of(Sequential(layers))] == [
        "input_layer_2",
        "input_layer",
        "input_layer_1",
    ]


def test_the_input_of_an_embedding_is_of_integers() -> None:
    inner = Sequential([Embedding(5, 2)])
    assert configs_of(Sequential([Input((3,)), inner, Flatten()]))[0]["dtype"] == "int32"


def test_layers_without_weights_compute_in_the_dtype_of_their_input() -> None:
    inner = Sequential([Dense(2, dtype="float64"), ReLU()])
    model = Sequential(
        [
            Flatten(input_shape=(3,)),
            Dense(2, dtype="float16"),
            ReLU(),
            ReLU(dtype="float32"),
            inner,
            ReLU(),
            BatchNormalization(),
        ]
    )
    policies = [config["dtype"]["config"]["name"] for config in configs_of(model)[1:5]]
    assert policies == ["float32", "float16", "float16", "float32"]
    rest = [config["dtype"]["config"]["name"] for config in configs_of(model)[6:]]
    assert rest == ["float64", "float32"]


def test_the_dtype_is_that_of_the_weights() -> None:
    model = Sequential([Dense(2, input_shape=(3,)), ReLU()]).to(torch.bfloat16)
    policies = [config["dtype"]["config"]["name"] for config in configs_of(model)[1:]]
    assert policies == ["bfloat16", "bfloat16"]


def test_layers_that_are_not_trained_come_back_so() -> None:
    model = Sequential([Dense(2, input_shape=(3,)), Dense(2, trainable=False)])
    loaded = model_from_config(model_config(model), {})
    assert [layer.trainable for layer in loaded] == [True, False]
    model.trainable = False
    loaded = model_from_config(model_config(model), {})
    assert not loaded.trainable
    assert not any(parameter.requires_grad for parameter in loaded.parameters())


@pytest.mark.parametrize(
    ("change", "problem"),
    [
        ({"class_name": "Model"}, "its inputs and outputs must be listed"),
        ({"class_name": None}, "must be a dict with a class_name"),
        ({"config": {"layers": {}}}, "must be a Sequential, .* with its layers"),
        ({"config": {"layers": [], "build_input_shape": "ab"}}, "cannot be built"),
        ({"config": {"layers": [], "name": 3}}, "the model 3 cannot be built"),
    ],
)
def test_what_is_no_sequential_is_refused(change: dict[str, Any], problem: str) -> None:
    entry = {**model_config(Sequential([Dense(2, input_shape=(3,))])), **change}
    with pytest.raises(ValueError, match=problem):
        model_from_config(entry, {})
