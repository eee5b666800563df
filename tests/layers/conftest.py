"""Each layer beside Keras's own, with the same arguments and the same weights."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import keras
import numpy as np
import pytest
import torch

from feasible import layers


def as_json(config: dict[str, Any]) -> dict[str, Any]:
    """A config without what is a layer's own, as it comes out of a file."""
    kept = {key: value for key, value in config.items() if key not in ("name", "dtype")}
    return json.loads(json.dumps(kept))


def assert_same_config(ours: Any, theirs: Any) -> None:
    """Both configs agree on the arguments that both have, and each loads where the other does."""
    our_config, their_config = as_json(ours.get_config()), as_json(theirs.get_config())
    assert our_config == {key: their_config[key] for key in our_config}
    assert as_json(type(ours).from_config(their_config).get_config()) == our_config
    assert as_json(type(theirs).from_config(our_config).get_config()) == their_config


@pytest.fixture
def in_format() -> Callable[[tuple[int, ...], str], tuple[int, ...]]:
    """A function from a shape with channels last to that in a data format."""

    def move(shape: tuple[int, ...], data_format: str) -> tuple[int, ...]:
        return shape if data_format == "channels_last" else (shape[0], shape[-1], *shape[1:-1])

    return move


@pytest.fixture
def same_as_keras() -> Callable[..., tuple[Any, Any]]:
    """A function that compares a layer with Keras's: outputs, gradients, weights, shapes, config.

    It takes the class's name, the arguments and the shape of an input with its batch, and returns
    both layers for further looks.
    """

    def compare(
        name: str,
        arguments: dict[str, Any],
        shape: tuple[int, ...],
        *,
        inputs: np.ndarray | None = None,
        training: bool = False,
        tolerance: float = 1e-5,
    ) -> tuple[Any, Any]:
        rng = np.random.default_rng(0)
        x = rng.normal(size=shape).astype(np.float32) if inputs is None else inputs
        theirs = getattr(keras.layers, name)(**arguments)
        ours = getattr(layers, name)(**arguments).train(training)
        assert_same_config(ours, theirs)
        theirs.build(shape)
        ours(torch.as_tensor(x))
        weights = [rng.normal(size=w.shape).astype(np.float32) for w in theirs.get_weights()]
        named = zip(theirs.weights, weights, strict=True)
        weights = [np.abs(w) if "variance" in v.name else w for v, w in named]
        theirs.set_weights(weights)
        assert [w.shape for w in ours.get_weights()] == [w.shape for w in weights]
        ours.set_weights(weights)
        for own, given in zip(ours.get_weights(), weights, strict=True):
            np.testing.assert_array_equal(own, given)

        floating = x.dtype == np.float32
        our_x = torch.tensor(x, requires_grad=floating)
        their_x = torch.tensor(x, requires_grad=floating)
        our_y = ours(our_x)
        their_y = theirs(their_x, training=training)
        assert tuple(our_y.shape) == tuple(their_y.shape)
        scale = max(1.0, float(their_y.detach().abs().max()))
        torch.testing.assert_close(our_y / scale, their_y / scale, rtol=0, atol=tolerance)
        if floating and our_y.requires_grad:
            seed = torch.tensor(rng.normal(size=our_y.shape).astype(np.float32))
            (our_y * seed).sum().backward()
            (their_y * seed).sum().backward()
            scale = max(1.0, float(their_x.grad.abs().max()))
            torch.testing.assert_close(
                our_x.grad / scale, their_x.grad / scale, rtol=0, atol=10 * tolerance
            )
            for (layout, _), variable in zip(ours.weight_views(), theirs.weights, strict=True):
                parameter = getattr(ours, layout.parameter)
                if parameter.requires_grad:
                    our_grad, their_grad = layout.view(ours, parameter.grad), variable.value.grad
                    scale = max(1.0, float(their_grad.abs().max()))
                    torch.testing.assert_close(
                        our_grad / scale, their_grad / scale, rtol=0, atol=10 * tolerance
                    )
        unknown = (None, *shape[1:])
        assert ours.compute_output_shape(unknown) == tuple(theirs.compute_output_shape(unknown))
        assert ours.count_params() == theirs.count_params()
        return ours, theirs

    return compare
