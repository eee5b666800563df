"""The loss and the metrics of masked outputs, beside Keras's."""

from __future__ import annotations

from typing import Any

import keras
import numpy as np
import pytest

import feasible


def model_of(library: Any, first: str) -> Any:
    """Return a model whose output carries a mask, with the same weights in each library."""
    layers = library.layers
    if first == "embedding":
        inputs = layers.Input((6,), dtype="int32")
        hidden = layers.Embedding(5, 3, mask_zero=True)(inputs)
    else:
        inputs = layers.Input((6, 2))
        hidden = layers.Masking()(inputs)
    hidden = layers.LSTM(4, return_sequences=True)(hidden)
    model = library.models.Model(inputs, layers.Dense(1)(hidden))
    rng = np.random.default_rng(0)
    model.set_weights([rng.normal(size=w.shape).astype("float32") for w in model.get_weights()])
    model.compile("sgd", "mse", metrics=["mae"], weighted_metrics=["mse"])
    return model


@pytest.mark.parametrize("first", ["embedding", "masking"])
@pytest.mark.parametrize("weighted", [False, True])
def test_steps_that_a_mask_leaves_out_do_not_count(first: str, weighted: bool) -> None:
    rng = np.random.default_rng(1)
    x = rng.integers(1, 5, (4, 6)) if first == "embedding" else rng.normal(size=(4, 6, 2))
    x = x.astype("int32" if first == "embedding" else "float32")
    x[0, 3:] = 0
    x[2, 1:] = 0
    y = rng.normal(size=(4, 6, 1)).astype("float32")
    weights = rng.random((4, 6)).astype("float32") if weighted else None
    found, wanted = (
        model_of(library, first).evaluate(x, y, sample_weight=weights, verbose=0)
        for library in (feasible, keras)
    )
    assert found == pytest.approx(wanted, rel=1e-5)


def test_a_weight_for_each_sample_weights_its_steps_that_count() -> None:
    # Keras 3 fails here, as it multiplies weights of shape (4,) by a mask of shape (4, 6).
    rng = np.random.default_rng(2)
    x = rng.integers(1, 5, (4, 6)).astype("int32")
    x[0, 3:] = 0
    y = rng.normal(size=(4, 6, 1)).astype("float32")
    each = np.array([1.0, 2.0, 0.5, 3.0], np.float32)
    model = model_of(feasible, "embedding")
    found = model.evaluate(x, y, sample_weight=each, verbose=0)
    by_step = np.repeat(each[:, None], 6, axis=1)
    assert found == pytest.approx(model.evaluate(x, y, sample_weight=by_step, verbose=0), rel=1e-5)
    model = model_of(keras, "embedding")
    wanted = model.evaluate(x, y, sample_weight=by_step, verbose=0)
    assert found == pytest.approx(wanted, rel=1e-5)
