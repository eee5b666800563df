"""Wrappers, and normalization of kernels and vectors, beside Keras's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from feasible import layers
from feasible.arguments import InvalidArgumentError

WRAPPED = [
    ("Dense", {"units": 4}, (3, 5)),
    ("Conv1D", {"filters": 4, "kernel_size": 2, "use_bias": False}, (2, 6, 3)),
    ("Conv2D", {"filters": 3, "kernel_size": 2}, (2, 5, 5, 3)),
]


def spectral_pair(kind, arguments, shape, iterations):
    """A layer of ours and Keras's, with the same weights."""
    ours, theirs = (
        of.SpectralNormalization(getattr(of, kind)(**arguments), power_iterations=iterations)
        for of in (layers, keras.layers)
    )
    theirs.build(shape)
    ours(torch.zeros(shape))
    for variable, view in zip(theirs.layer.weights, ours.layer.weights, strict=True):
        view.assign(variable.numpy())
    ours.vector_u.copy_(torch.as_tensor(theirs.vector_u.numpy()))
    return ours, theirs


@pytest.mark.parametrize(("kind", "arguments", "shape"), WRAPPED)
@pytest.mark.parametrize("iterations", [1, 3])
def test_spectral_normalization_is_keras_own(
    kind, arguments, shape, iterations, same_config
) -> None:
    ours, theirs = spectral_pair(kind, arguments, shape, iterations)
    same_config(ours, theirs)
    assert ours.compute_output_shape((None, *shape[1:])) == theirs.compute_output_shape(
        (None, *shape[1:])
    )
    rng = np.random.default_rng(0)
    for training in (True, True, False):
        x = rng.normal(size=shape).astype("float32")
        our_x, their_x = (torch.tensor(x, requires_grad=True) for _ in range(2))
        found = ours(our_x, training=training)
        wanted = theirs(their_x, training=training)
        torch.testing.assert_close(found, wanted, rtol=0, atol=1e-5)
        found.square().sum().backward()
        wanted.square().sum().backward()
        torch.testing.assert_close(our_x.grad, their_x.grad, rtol=0, atol=1e-4)
        np.testing.assert_allclose(ours.layer.kernel.detach(), theirs.kernel.numpy(), atol=1e-5)
        np.testing.assert_allclose(ours.vector_u, theirs.vector_u.numpy(), atol=1e-5)


def test_spectral_normalization_takes_embeddings_and_leaves_zeros() -> None:
    torch.manual_seed(0)  # how fast the iterations converge depends on the singular values
    layer = layers.SpectralNormalization(layers.Embedding(9, 4), power_iterations=50)
    assert layer(np.array([[1, 2]]), training=True).shape == (1, 2, 4)
    assert abs(float(torch.linalg.matrix_norm(layer.layer.embeddings.detach(), 2)) - 1) < 1e-4
    zero = layers.SpectralNormalization(layers.Dense(2, kernel_initializer="zeros"))
    before = zero(np.ones((1, 3)), training=False) + 0
    vector = zero.vector_u.clone()
    assert torch.equal(zero(np.ones((1, 3)), training=True), before)
    assert torch.equal(zero.vector_u, vector)


@pytest.mark.parametrize("axis", [-1, 1, [1, 2], [-1], (1, 3)], ids=str)
def test_unit_normalization_is_keras_own(same_as_keras, axis) -> None:
    same_as_keras("UnitNormalization", {"axis": axis}, (2, 3, 4, 5))


def test_a_vector_of_zeros_stays_and_has_a_finite_gradient() -> None:
    x = torch.zeros(1, 3, requires_grad=True)
    layers.UnitNormalization()(x).sum().backward()
    assert torch.isfinite(x.grad).all()


def test_a_wrapper_of_ones_own_follows_its_call() -> None:
    class Pooled(layers.Wrapper):
        def call(self, inputs):
            return self.layer(inputs).mean(1)

    assert layers.Wrapper(layers.Dense(2))(layers.Input((7, 3))).shape == (None, 7, 2)
    pooled = Pooled(layers.Dense(2))
    assert pooled(layers.Input((7, 3))).shape == (None, 2)
    assert Pooled.from_config(pooled.get_config()).layer.units == 2
    assert [*pooled.state_dict()] == ["layer.weight", "layer.bias"]


@pytest.mark.parametrize(
    ("call", "problem"),
    [
        (lambda: layers.Wrapper(3), r"Wrapper: `layer` must be a layer\. Received: layer=3"),
        (
            lambda: layers.SpectralNormalization(layers.Dense(2), power_iterations=0),
            "`power_iterations` must be an integer of at least 1",
        ),
        (
            lambda: layers.SpectralNormalization(layers.Flatten())(torch.ones(2, 3)),
            "`layer` must be a layer with a kernel",
        ),
        (lambda: layers.UnitNormalization("a"), "`axis` must be an int or a list"),
    ],
)
def test_errors_say_what_is_allowed(call, problem) -> None:
    with pytest.raises(InvalidArgumentError, match=problem):
        call()


def test_an_axis_that_is_not_there_is_refused() -> None:
    with pytest.raises(ValueError, match="`axis` must name distinct axes"):
        layers.UnitNormalization(2)(torch.ones(2, 3))
