"""Layers over images, beside Keras's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from feasible import layers
from feasible.models import load_model

RNG = np.random.default_rng(0)
RESIZED = [
    {},
    {"interpolation": "nearest"},
    {"interpolation": "bicubic"},
    {"antialias": True},
    {"interpolation": "nearest", "antialias": True},
    {"crop_to_aspect_ratio": True},
    {"pad_to_aspect_ratio": True, "fill_value": 2.5},
]
# Height and width of what is resized, and of what it becomes.
SIZES = [((6, 9), (4, 4)), ((5, 3), (7, 8)), ((8, 4), (3, 9)), ((4, 4), (4, 4))]


@pytest.mark.parametrize("arguments", RESIZED, ids=str)
@pytest.mark.parametrize(("before", "after"), SIZES, ids=str)
def test_resizing_is_keras_own(same_as_keras, in_format, arguments, before, after) -> None:
    for data_format in ("channels_last", "channels_first"):
        given = {"height": after[0], "width": after[1], "data_format": data_format, **arguments}
        same_as_keras("Resizing", given, in_format((2, *before, 3), data_format))


@pytest.mark.parametrize("dtype", ["uint8", "int32"])
def test_resized_whole_numbers_stay_so(dtype) -> None:
    x = RNG.integers(0, 256, (2, 6, 7, 3)).astype(dtype)
    for mode in ("bilinear", "nearest", "bicubic"):
        ours, theirs = (of.Resizing(9, 4, interpolation=mode) for of in (layers, keras.layers))
        found, wanted = ours(torch.as_tensor(x)), theirs(torch.as_tensor(x))
        assert found.dtype == wanted.dtype
        torch.testing.assert_close(found, wanted)


@pytest.mark.parametrize(("before", "after"), SIZES, ids=str)
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
def test_center_crop_is_keras_own(same_as_keras, in_format, before, after, data_format) -> None:
    given = {"height": after[0], "width": after[1], "data_format": data_format}
    same_as_keras("CenterCrop", given, in_format((2, *before, 3), data_format))


@pytest.mark.parametrize("kind", ["Resizing", "CenterCrop"])
def test_an_image_needs_no_batch(kind) -> None:
    x = RNG.normal(size=(6, 7, 3)).astype("float32")
    ours, theirs = (getattr(of, kind)(4, 5) for of in (layers, keras.layers))
    torch.testing.assert_close(ours(torch.as_tensor(x)), theirs(torch.as_tensor(x)))
    assert ours.compute_output_shape((6, 7, 3)) == theirs.compute_output_shape((6, 7, 3))


@pytest.mark.parametrize(
    ("mode", "axes"),
    [("horizontal", [2]), ("vertical", [1]), ("horizontal_and_vertical", [1, 2])],
)
def test_about_half_of_the_images_are_flipped(same_config, mode, axes) -> None:
    ours, theirs = (of.RandomFlip(mode, seed=1) for of in (layers, keras.layers))
    same_config(ours, theirs)
    x = torch.rand(400, 3, 4, 2)
    flipped = (ours(x, training=True) == x.flip(axes)).all((1, 2, 3))
    kept = (ours(x, training=False) == x).all((1, 2, 3))
    assert kept.all()
    assert 150 < flipped.sum() < 250
    again = layers.RandomFlip(mode, seed=1)
    assert torch.equal(again(x, training=True)[~flipped], x[~flipped])
    first = layers.RandomFlip(mode, seed=1, data_format="channels_first")
    moved = first(x.movedim(-1, 1), training=True).movedim(1, -1)
    assert torch.equal(moved, layers.RandomFlip(mode, seed=1)(x, training=True))
    assert ours(torch.ones(3, 4, 2, dtype=torch.uint8), training=True).dtype == torch.float32


def test_images_are_not_flipped_by_models_of_files_in_predict(tmp_path) -> None:
    x = RNG.random((20, 4, 5, 3)).astype("float32")
    inputs = keras.Input((4, 5, 3))
    flipped = keras.layers.RandomFlip()(inputs)
    theirs = keras.Model(inputs, keras.layers.Resizing(3, 3)(flipped))
    theirs.save(tmp_path / "theirs.keras")
    ours = load_model(tmp_path / "theirs.keras")
    wanted = theirs.predict(x, verbose=0)
    np.testing.assert_allclose(ours.predict(x, verbose=0), wanted, atol=1e-6)
    assert not np.allclose(ours.train()(x).detach(), wanted)
    ours.save(tmp_path / "ours.keras")
    again = keras.saving.load_model(tmp_path / "ours.keras")
    np.testing.assert_allclose(again.predict(x, verbose=0), wanted, atol=1e-6)


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: layers.Resizing(0, 2), "`height` must be an integer of at least 1"),
        (lambda: layers.Resizing(2, 2, "lanczos3"), "`interpolation` must be"),
        (lambda: layers.Resizing(2, 2, fill_mode="reflect"), "`fill_mode` must be"),
        (
            lambda: layers.Resizing(2, 2, crop_to_aspect_ratio=True, pad_to_aspect_ratio=True),
            "`pad_to_aspect_ratio` must be False where crop_to_aspect_ratio=True",
        ),
        (lambda: layers.RandomFlip("both"), "`mode` must be"),
        (lambda: layers.RandomFlip()(torch.ones(2, 3)), "the input must be images"),
        (lambda: layers.CenterCrop(2, 2)(torch.ones(2, 3)), "the input must be images"),
    ],
)
def test_errors_say_what_is_allowed(call, problem) -> None:
    with pytest.raises(ValueError, match=problem):
        call()
