"""Each layer beside Keras's own, with the same arguments and the same weights."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from contextlib import contextmanager, nullcontext
from typing import Any

import keras
import numpy as np
import pytest
import torch

from feasible import layers

# What is a layer's own, also where it is an argument of another.
OWN = ("name", "dtype", "build_config", "shared_object_id")


def as_json(config: Any) -> Any:
    """A config without what is a layer's own, as it comes out of a file."""

    def kept(value: Any) -> Any:
        if isinstance(value, list):
            return [*map(kept, value)]
        if isinstance(value, dict):
            # Keras forgets the seed of a SimpleRNN, and finds None again.
            own = {key for key, one in value.items() if (key, one) == ("seed", None)}
            return {key: kept(one) for key, one in value.items() if key not in own.union(OWN)}
        return value

    return kept(json.loads(json.dumps(config)))


def shared(config: Any, other: Any) -> Any:
    """What of a config another one says, too."""
    if isinstance(config, dict) and isinstance(other, dict):
        return {key: shared(config[key], other[key]) for key in config if key in other}
    if isinstance(config, list) and isinstance(other, list) and len(config) == len(other):
        return [*map(shared, config, other)]
    return config


def assert_same_config(ours: Any, theirs: Any) -> None:
    """Both configs agree on the arguments that both have, and each loads where the other does."""
    our_config, their_config = as_json(ours.get_config()), as_json(theirs.get_config())
    assert our_config == shared(their_config, our_config)
    assert as_json(type(ours).from_config(their_config).get_config()) == our_config
    assert as_json(type(theirs).from_config(our_config).get_config()) == their_config


def flat(value: Any) -> list[Any]:
    """The tensors, or the shapes, in what may be nested."""
    if isinstance(value, list | tuple) and any(isinstance(one, list | tuple) for one in value):
        return [one for part in value for one in flat(part)]
    if isinstance(value, list | tuple) and any(isinstance(one, torch.Tensor) for one in value):
        return [one for part in value for one in flat(part)]
    return [value]


@pytest.fixture
def in_format() -> Callable[[tuple[int, ...], str], tuple[int, ...]]:
    """A function from a shape with channels last to that in a data format."""

    def move(shape: tuple[int, ...], data_format: str) -> tuple[int, ...]:
        return shape if data_format == "channels_last" else (shape[0], shape[-1], *shape[1:-1])

    return move


@pytest.fixture
def same_config() -> Callable[[Any, Any], None]:
    """A function that compares the configs of a layer and of Keras's, for other comparisons."""
    return assert_same_config


@contextmanager
def without_onednn() -> Iterator[None]:
    """Compute without oneDNN, which writes past its memory in Keras's layers (oneDNN#6035)."""
    torch.backends.mkldnn.set_flags(False)
    try:
        yield
    finally:
        torch.backends.mkldnn.set_flags(True)


def compare(
    ours: Any,
    theirs: Any,
    shape: tuple[int, ...],
    *,
    inputs: np.ndarray | None = None,
    training: bool = False,
    tolerance: float = 1e-5,
) -> tuple[Any, Any]:
    """Compare a layer with Keras's: outputs, gradients, weights, shapes, config; return both."""
    rng = np.random.default_rng(0)
    x = rng.normal(size=shape).astype(np.float32) if inputs is None else inputs
    ours.train(training)
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
    our_ys = flat(ours(our_x))
    with without_onednn():
        their_ys = flat(theirs(their_x, training=training))
    assert [one.shape for one in our_ys] == [one.shape for one in their_ys]
    for our_y, their_y in zip(our_ys, their_ys, strict=True):
        scale = max(1.0, float(their_y.detach().abs().max()))
        torch.testing.assert_close(our_y / scale, their_y / scale, rtol=0, atol=tolerance)
    if floating and our_ys[0].requires_grad:
        seeds = [torch.tensor(rng.normal(size=one.shape).astype(np.float32)) for one in our_ys]
        for ys, using in ((our_ys, nullcontext()), (their_ys, without_onednn())):
            with using:
                sum((y * seed).sum() for y, seed in zip(ys, seeds, strict=True)).backward()
        scale = max(1.0, float(their_x.grad.abs().max()))
        torch.testing.assert_close(
            our_x.grad / scale, their_x.grad / scale, rtol=0, atol=10 * tolerance
        )
        weights = [
            (part, layout)
            for part in ours.modules()
            if isinstance(part, layers.Layer)
            for layout, _ in part.weight_views()
        ]
        for (part, layout), variable in zip(weights, theirs.weights, strict=True):
            parameter = getattr(part, layout.parameter)
            if parameter.requires_grad:
                our_grad, their_grad = layout.view(parameter.grad), variable.value.grad
                scale = max(1.0, float(their_grad.abs().max()))
                torch.testing.assert_close(
                    our_grad / scale, their_grad / scale, rtol=0, atol=10 * tolerance
                )
    unknown = (None, *shape[1:])
    their_shapes = flat(theirs.compute_output_shape(unknown))
    assert [*map(tuple, flat(ours.compute_output_shape(unknown)))] == [*map(tuple, their_shapes)]
    assert ours.count_params() == theirs.count_params()
    return ours, theirs


@pytest.fixture
def same_layer() -> Callable[..., tuple[Any, Any]]:
    """A function that compares a layer with Keras's, given both and the shape of an input."""
    return compare


@pytest.fixture
def same_as_keras() -> Callable[..., tuple[Any, Any]]:
    """A function that compares a layer with Keras's: outputs, gradients, weights, shapes, config.

    It takes the class's name, the arguments and the shape of an input with its batch, and returns
    both layers for further looks.
    """

    def make_both(
        name: str, arguments: dict[str, Any], shape: tuple[int, ...], **options: Any
    ) -> tuple[Any, Any]:
        theirs = getattr(keras.layers, name)(**arguments)
        return compare(getattr(layers, name)(**arguments), theirs, shape, **options)

    return make_both


@pytest.fixture
def same_cell_as_keras() -> Callable[..., None]:
    """A function that compares one step of a cell with Keras's, given its name and arguments."""

    def compare_step(name: str, arguments: dict[str, Any], *, states: int) -> None:
        ours = getattr(layers, name)(**arguments)
        theirs = getattr(keras.layers, name)(**arguments)
        assert_same_config(ours, theirs)
        sizes = [(3, 5), *[(3, arguments["units"])] * states]
        x, *before = (torch.randn(size) for size in sizes)
        theirs.build(sizes[0])
        ours(x, before)
        rng = np.random.default_rng(0)
        weights = [rng.normal(size=w.shape).astype(np.float32) for w in theirs.get_weights()]
        theirs.set_weights(weights)
        ours.set_weights(weights)
        for found, wanted in zip(ours(x, before), theirs(x, before), strict=True):
            torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
        assert ours.state_size == theirs.state_size
        assert ours.output_size == theirs.output_size

    return compare_step
