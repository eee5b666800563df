"""Layers that adapt to data, and encodings of categories, beside Keras's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from feasible import layers
from feasible.layers.nested import get, serialize
from feasible.models import Sequential, load_model

RNG = np.random.default_rng(0)
SHAPE = (6, 4, 3)


def data(*shape: int) -> np.ndarray:
    return (RNG.normal(size=shape) * 3 + 5).astype("float32")


@pytest.mark.parametrize("axis", [-1, 1, (1, 2), None, [2]], ids=str)
@pytest.mark.parametrize("invert", [False, True])
def test_what_adapt_finds_is_keras_own(axis, invert, same_config) -> None:
    ours, theirs = (of.Normalization(axis=axis, invert=invert) for of in (layers, keras.layers))
    x = data(*SHAPE)
    for layer in (ours, theirs):
        layer.adapt(x)
    same_config(ours, theirs)
    for own, other in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_allclose(own, other, atol=1e-5)
    np.testing.assert_allclose(ours(x), theirs(x).numpy(), atol=1e-4)
    assert ours.mean.shape == tuple(theirs.mean.shape)
    torch.testing.assert_close(ours.variance, theirs.variance.detach(), atol=1e-4, rtol=0)
    assert ours(layers.Input(SHAPE[1:])).shape == (None, *SHAPE[1:])
    assert ours.count_params() == theirs.count_params()


@pytest.mark.parametrize(
    "arguments",
    [
        {"mean": 3.0, "variance": 2.0},
        {"mean": [1.0, 2.0, 3.0], "variance": np.array([1.0, 4.0, 0.0])},
        {"axis": (1, 2), "mean": data(4, 3), "variance": data(4, 3) ** 2},
        {"axis": None, "mean": 1.0, "variance": 4.0, "invert": True},
    ],
    ids=str,
)
def test_what_is_given_is_used_as_keras_does(arguments) -> None:
    ours, theirs = (of.Normalization(**arguments) for of in (layers, keras.layers))
    x = data(*SHAPE)
    np.testing.assert_allclose(ours(x) / 1e7, theirs(x).numpy() / 1e7, rtol=1e-5)
    assert ours.get_weights() == []
    again = get(serialize(ours))
    np.testing.assert_array_equal(again(x), ours(x))
    assert "mean=" in repr(ours)
    with pytest.raises(ValueError, match="`adapt` would replace"):
        ours.adapt(x)


def test_batches_are_taken_together_and_adapting_anew_forgets() -> None:
    x = data(64, 3) + 1000
    whole = layers.Normalization()
    whole.adapt(x)
    pairs = torch.utils.data.TensorDataset(torch.as_tensor(x), torch.zeros(64))
    for batches in (
        [x[:10], x[10:11], x[11:]],
        ((x[at : at + 7], None) for at in range(0, 64, 7)),
        torch.utils.data.DataLoader(pairs, batch_size=5),
    ):
        layer = layers.Normalization()
        layer.adapt(x * 2)
        layer.adapt(batches)
        for own, other in zip(layer.get_weights(), whole.get_weights(), strict=True):
            np.testing.assert_allclose(own, other, rtol=1e-6)
    np.testing.assert_allclose(whole.get_weights()[1], x.astype("float64").var(0), rtol=1e-5)
    constant = layers.Normalization()
    constant.adapt(np.full((5, 1), 7))
    assert constant([[7.0]]).item() == 0


@pytest.mark.parametrize("bins", [2, 3, 4, 7, 20])
@pytest.mark.parametrize("sizes", [(5,), (50,), (1000,), (1000, 37)], ids=str)
def test_boundaries_that_are_found_are_keras_own(bins, sizes, same_config) -> None:
    ours, theirs = (of.Discretization(num_bins=bins) for of in (layers, keras.layers))
    batches = [data(size) for size in sizes]
    ours.adapt(batches)
    for batch in batches:
        # Keras's `adapt` needs TensorFlow on all backends; this is what it does.
        theirs.update_state(batch)
    theirs.finalize_state()
    np.testing.assert_allclose(ours.bin_boundaries, theirs.bin_boundaries, rtol=1e-5)
    assert ours.get_config().keys() <= theirs.get_config().keys()
    again = keras.layers.Discretization.from_config(ours.get_config())
    assert again.bin_boundaries == ours.bin_boundaries
    assert get(serialize(ours)).bin_boundaries == ours.bin_boundaries
    shares = np.bincount(ours(batches[0]), minlength=bins) / sizes[0]
    assert sizes[0] < 1000 or abs(shares - 1 / bins).max() < 0.05


@pytest.mark.parametrize("mode", ["int", "one_hot", "multi_hot", "count"])
@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3)], ids=str)
def test_bins_are_keras_own(mode, shape) -> None:
    edges = [2.0, 4.5, 4.5, 8.0]
    ours, theirs = (of.Discretization(edges, output_mode=mode) for of in (layers, keras.layers))
    x = data(*shape)
    x.flat[:3] = 2.0, 8.0, 4.5
    found, wanted = ours(x), theirs(x)
    assert found.dtype == wanted.dtype
    torch.testing.assert_close(found, wanted)
    assert ours.compute_output_shape(shape) == tuple(found.shape)
    assert ours(layers.Input((3,))).dtype == ("int32" if mode == "int" else "float32")


@pytest.mark.parametrize("mode", ["one_hot", "multi_hot", "count", "binary"])
@pytest.mark.parametrize("shape", [(5,), (5, 1), (5, 3)], ids=str)
def test_categories_are_encoded_as_keras_does(mode, shape, same_config) -> None:
    ours, theirs = (of.CategoryEncoding(4, output_mode=mode) for of in (layers, keras.layers))
    same_config(ours, theirs)
    x = RNG.integers(0, 4, shape)
    found = ours(x)
    torch.testing.assert_close(found, theirs(x))
    assert ours.compute_output_shape(shape) == tuple(found.shape)
    if mode == "count" and len(shape) == 2:
        weights = data(*shape)
        found = ours(x, count_weights=weights)
        torch.testing.assert_close(found, theirs(x, count_weights=weights))


def test_archives_hold_what_was_found(tmp_path) -> None:
    x = data(40, 3)
    model = Sequential([layers.Normalization(), layers.Discretization(num_bins=4)])
    model.layers[0].adapt(x)
    model.layers[1].adapt(model.layers[0](x))
    wanted = model(x)
    model.save(tmp_path / "ours.keras")
    assert torch.equal(load_model(tmp_path / "ours.keras")(x), wanted)
    assert torch.equal(keras.saving.load_model(tmp_path / "ours.keras")(x), wanted)


def test_archives_of_keras_open_where_no_whole_numbers_are_weights(tmp_path) -> None:
    x = data(40, 3)
    theirs = keras.Sequential(
        [
            keras.Input((3,)),
            keras.layers.Normalization(mean=[4.0, 5.0, 6.0], variance=[9.0, 8.0, 7.0]),
            keras.layers.Discretization([-1.0, 0.0, 0.5], output_mode="one_hot"),
        ]
    )
    theirs.save(tmp_path / "theirs.keras")
    assert torch.equal(load_model(tmp_path / "theirs.keras")(x), theirs(x))


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: layers.Normalization("a"), "`axis` must be an int or a list"),
        (lambda: layers.Normalization(mean=1.0), "`variance` must be given together with `mean`"),
        (lambda: layers.Normalization(mean="a", variance="b"), "`mean` must be finite numbers"),
        (lambda: layers.Normalization(mean=[[1.0]], variance=[[1.0]]), "of at most 1 axes"),
        (
            lambda: layers.Normalization(mean=[1.0, 2.0], variance=[1.0, 2.0])(data(2, 3)),
            "`mean` must broadcast to the sizes",
        ),
        (lambda: layers.Normalization(axis=3)(data(2, 3)), "`axis` must name distinct axes"),
        (lambda: layers.Normalization().adapt([]), "must hold at least one entry"),
        (lambda: layers.Normalization().adapt([1.0, 2.0]), "each batch of `data` must be an array"),
        (lambda: layers.Normalization().adapt(3), "`data` must be an array, or an iterable"),
        (lambda: layers.Normalization().adapt([data(2, 3), data(2, 4)]), r"have \[3\] sizes"),
        (lambda: layers.Discretization(), "`num_bins` must be given, or else `bin_boundaries`"),
        (lambda: layers.Discretization([2.0, 1.0]), "`bin_boundaries` must be a list of numbers"),
        (lambda: layers.Discretization([1.0]).adapt(data(2)), "Pass `num_bins` in their place"),
        (lambda: layers.Discretization(num_bins=2)(data(2)), "it has no boundaries yet"),
        (lambda: layers.Discretization(num_bins=2, epsilon=0), "`epsilon` must be above 0"),
        (lambda: layers.CategoryEncoding(), "`num_tokens` must be an integer of at least 1"),
        (lambda: layers.CategoryEncoding(2, "int"), "`output_mode` must be"),
        (lambda: layers.CategoryEncoding(2)(np.array([0, 2])), "below num_tokens=2.*from 0 to 2"),
        (lambda: layers.CategoryEncoding(2)(np.zeros((2, 2, 2))), "must have 1 or 2 axes"),
        (
            lambda: layers.CategoryEncoding(2)(np.array([0]), count_weights=[1.0]),
            "`count_weights` must be None unless output_mode='count'",
        ),
    ],
)
def test_errors_say_what_is_allowed(call, problem) -> None:
    with pytest.raises((ValueError, TypeError), match=problem):
        call()
