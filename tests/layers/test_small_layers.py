"""Merging, padding, rearranging and masking layers compute what Keras's do."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest
import torch

from feasible import layers
from feasible.layers.masks import mask_of
from feasible.layers.nested import LAYERS, get, serialize

RNG = np.random.default_rng(0)


def arrays(*shapes: tuple[int, ...]) -> list[np.ndarray]:
    return [RNG.normal(size=shape).astype("float32") for shape in shapes]


PAIR = [(2, 3, 4), (2, 3, 4)]
CASES: list[tuple[str, dict[str, Any], list[tuple[int, ...]]]] = [
    ("Add", {}, [*PAIR, (2, 3, 4)]),
    ("Add", {}, [(2, 3, 4), (2, 1, 4)]),
    ("Subtract", {}, PAIR),
    ("Multiply", {}, PAIR),
    ("Average", {}, [*PAIR, (2, 3, 4)]),
    ("Maximum", {}, PAIR),
    ("Minimum", {}, PAIR),
    ("Concatenate", {}, [(2, 3, 4), (2, 3, 1)]),
    ("Concatenate", {"axis": 1}, [(2, 3, 4), (2, 5, 4)]),
    ("Dot", {"axes": 2}, [(2, 3, 4), (2, 5, 4)]),
    ("Dot", {"axes": [1, 2], "normalize": True}, [(2, 4, 3), (2, 5, 4)]),
    ("Dot", {"axes": 1}, [(2, 4), (2, 4)]),
    ("Permute", {"dims": [2, 1]}, [(2, 3, 4)]),
    ("RepeatVector", {"n": 3}, [(2, 4)]),
    ("Masking", {"mask_value": 0.5}, [(2, 3, 4)]),
    ("Rescaling", {"scale": 2.0, "offset": -1.0}, [(2, 3)]),
    ("Rescaling", {"scale": [1.0, 2.0, 3.0]}, [(2, 3)]),
    ("Identity", {}, [(2, 3)]),
    ("ActivityRegularization", {"l1": 0.1, "l2": 0.2}, [(2, 3)]),
    ("ZeroPadding1D", {"padding": [1, 2]}, [(2, 4, 3)]),
    ("ZeroPadding2D", {"padding": [1, 2]}, [(2, 4, 5, 3)]),
    (
        "ZeroPadding2D",
        {"padding": [[1, 0], [0, 2]], "data_format": "channels_first"},
        [(2, 3, 4, 5)],
    ),
    ("ZeroPadding3D", {"padding": 1}, [(2, 4, 5, 3, 2)]),
    ("Cropping1D", {"cropping": [1, 2]}, [(2, 5, 3)]),
    ("Cropping2D", {"cropping": [[1, 0], [0, 2]]}, [(2, 4, 5, 3)]),
    ("Cropping3D", {"cropping": 1}, [(2, 4, 5, 3, 2)]),
    ("UpSampling1D", {"size": 3}, [(2, 4, 3)]),
    ("UpSampling2D", {"size": [2, 3]}, [(2, 4, 5, 3)]),
    ("UpSampling2D", {"size": 2, "interpolation": "bilinear"}, [(2, 4, 5, 3)]),
    ("UpSampling3D", {"size": [1, 2, 3]}, [(2, 2, 3, 4, 2)]),
    ("SpatialDropout2D", {"rate": 0.5}, [(2, 4, 5, 3)]),
    ("GaussianNoise", {"stddev": 0.5}, [(2, 3)]),
    ("GaussianDropout", {"rate": 0.5}, [(2, 3)]),
    ("AlphaDropout", {"rate": 0.5}, [(2, 3)]),
]
IDS = [f"{name}-{number}" for number, (name, _, _) in enumerate(CASES)]


@pytest.mark.parametrize(("name", "arguments", "shapes"), CASES, ids=IDS)
def test_a_layer_is_keras_own(
    name: str, arguments: dict[str, Any], shapes: list[tuple[int, ...]]
) -> None:
    ours, theirs = getattr(layers, name)(**arguments), getattr(keras.layers, name)(**arguments)
    inputs: Any = arrays(*shapes)
    inputs = inputs if len(inputs) > 1 else inputs[0]
    # Keras's shape of a layer that is not built is what it computes by.
    known = [None, *shapes[0][1:]]
    wanted = theirs(inputs)
    found = ours.eval()(inputs)
    np.testing.assert_allclose(found.detach(), wanted.detach(), atol=1e-6)
    tensors = [layers.Input(shape[1:]) for shape in shapes]
    symbolic = ours(tensors if len(tensors) > 1 else tensors[0])
    assert symbolic.shape == (None, *found.shape[1:]), known
    config = {key: value for key, value in theirs.get_config().items() if key != "dtype"}
    own = {key: value for key, value in ours.get_config().items() if key != "dtype"}
    for key in set(config) & set(own) - {"name", "activity_regularizer"}:
        assert own[key] == config[key] or list(own[key]) == list(config[key])
    assert type(get(serialize(ours))) is type(ours)


def test_a_penalty_on_outputs_is_that_of_keras() -> None:
    (x,) = arrays((4, 3))
    ours, theirs = (of.ActivityRegularization(0.1, 0.2) for of in (layers, keras.layers))
    ours(x)
    theirs(x)
    np.testing.assert_allclose(sum(ours.own_losses()), sum(theirs.losses).detach(), rtol=1e-6)


@pytest.mark.parametrize(
    "name", ["SpatialDropout1D", "GaussianNoise", "GaussianDropout", "AlphaDropout"]
)
def test_noise_keeps_the_mean_in_training(name: str) -> None:
    layer = getattr(layers, name)(0.25, seed=1)
    x = torch.ones(64, 50, 64)
    found = layer.train()(x)
    assert not torch.equal(found, x)
    wanted = 1.0 if name != "AlphaDropout" else found.mean().item()
    assert abs(found.mean().item() - wanted) < 0.02
    if name == "SpatialDropout1D":
        assert torch.equal(found, found[:, :1].expand_as(found))
    if name == "AlphaDropout":
        normal = torch.randn(200, 500, generator=torch.Generator().manual_seed(0))
        dropped = layer(normal)
        assert abs(dropped.mean()) < 0.02
        assert abs(dropped.std() - 1) < 0.02


def test_masks_are_merged_as_keras_merges_them() -> None:
    ids = np.array([[1, 0, 2], [0, 3, 0]])
    other = np.array([[1, 2, 0], [0, 3, 4]])

    def masks(of: Any, embed: Any, kind: str, options: dict[str, Any]) -> Any:
        return getattr(of, kind)(**options)([embed(ids), embed(other)])

    ours, theirs = (of.Embedding(9, 2, mask_zero=True) for of in (layers, keras.layers))
    for kind, options in (
        ("Add", {}),
        ("Multiply", {}),
        ("Concatenate", {}),
        ("Concatenate", {"axis": 1}),
    ):
        found = mask_of(masks(layers, ours, kind, options))
        wanted = keras.src.backend.get_keras_mask(masks(keras.layers, theirs, kind, options))
        assert found.tolist() == wanted.tolist(), kind


@pytest.mark.parametrize("kind", ["SimpleRNN", "LSTM", "GRU"])
@pytest.mark.parametrize("backwards", [False, True])
def test_recurrent_layers_pass_over_what_does_not_count(kind: str, backwards: bool) -> None:
    ids = np.array([[1, 2, 0, 3, 0], [0, 4, 5, 0, 0]])
    for steps in (False, True):
        models = []
        for of in (layers, keras.layers):
            embed = of.Embedding(9, 3, mask_zero=True)
            layer = getattr(of, kind)(4, return_sequences=steps, go_backwards=backwards)
            layer(embed(ids))
            models.append((embed, layer))
        for own, other in zip(*models, strict=True):
            own.set_weights(other.get_weights())
        found, wanted = (layer(embed(ids)).detach().numpy() for embed, layer in models)
        np.testing.assert_allclose(found, wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: layers.Add()(torch.ones(2)), "must be a list of tensors"),
        (lambda: layers.Subtract()([torch.ones(2, 1)] * 3), "must be 2 inputs"),
        (lambda: layers.Add()([torch.ones(2, 3), torch.ones(2, 4)]), "sizes must be equal"),
        (lambda: layers.Concatenate()([torch.ones(2, 3), torch.ones(2, 3, 1)]), "must be equal"),
        (lambda: layers.Dot(1)([torch.ones(2, 3), torch.ones(2, 4)]), "must have one size"),
        (lambda: layers.Dot("a"), "`axes` must be an integer or two"),
        (lambda: layers.Permute((0, 1)), "`dims` must be the numbers from 1"),
        (lambda: layers.ZeroPadding2D((1, 2, 3)), "`padding` must be a number, or 2"),
        (lambda: layers.Cropping1D(2)(torch.ones(1, 4, 1)).shape, None),
        (lambda: layers.Cropping1D(2)(layers.Input((4, 1))), "nothing would be left"),
        (lambda: layers.Lambda(3), "`function` must be a function"),
        (lambda: layers.Lambda(abs).get_config(), "a Lambda cannot be saved"),
        (lambda: layers.SpatialDropout2D(0.5)(torch.ones(2, 3)), "must have 4 axes"),
    ],
)
def test_errors_say_what_is_allowed(call: Any, problem: str | None) -> None:
    if problem is None:
        assert call() == (1, 0, 1)
        return
    with pytest.raises(ValueError, match=problem):
        call()


def test_all_small_layers_are_found_by_name() -> None:
    assert {name for name, _, _ in CASES} <= {thing.__name__ for thing in LAYERS.things}
