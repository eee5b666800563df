"""GlobalMaxPooling1D-3D and GlobalAveragePooling1D-3D, beside Keras's."""

from __future__ import annotations

import pytest
import torch

from feasible import layers


@pytest.mark.parametrize("keepdims", [False, True])
@pytest.mark.parametrize("data_format", ["channels_last", "channels_first"])
@pytest.mark.parametrize("rank", [1, 2, 3])
@pytest.mark.parametrize("kind", ["GlobalMaxPooling", "GlobalAveragePooling"])
def test_it_is_keras_own(same_as_keras, kind, rank, data_format, keepdims):
    arguments = {"data_format": data_format, "keepdims": keepdims}
    same_as_keras(f"{kind}{rank}D", arguments, (2, 3, 4, 5, 6)[: rank + 2])


@pytest.mark.parametrize("kind", ["GlobalMaxPooling", "GlobalAveragePooling"])
def test_unknown_sizes_do_not_matter(kind):
    layer = getattr(layers, f"{kind}2D")
    assert layer().compute_output_shape((None, None, None, 3)) == (None, 3)
    assert layer(keepdims=True).compute_output_shape((2, None, 5, 3)) == (2, 1, 1, 3)


def test_ties_share_the_gradient():
    x = torch.ones(1, 4, 1, requires_grad=True)
    layers.GlobalMaxPooling1D()(x).sum().backward()
    assert x.grad.flatten().tolist() == [0.25] * 4


def test_the_mean_of_integers_is_not_one():
    x = torch.arange(4, dtype=torch.uint8).reshape(1, 2, 2, 1)
    assert layers.GlobalAveragePooling2D()(x).tolist() == [[1.5]]
