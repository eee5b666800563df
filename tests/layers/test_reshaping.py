"""Flatten and Reshape, beside Keras's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch

from feasible.arguments import InvalidArgumentError
from feasible.layers import Flatten, Reshape


@pytest.mark.parametrize("shape", [(3,), (2, 5), (2, 3, 4), (2, 3, 4, 5), (2, 1, 3, 4, 2)], ids=str)
@pytest.mark.parametrize("data_format", [None, "channels_last", "channels_first"])
def test_flatten_is_keras_own(same_as_keras, shape, data_format):
    same_as_keras("Flatten", {"data_format": data_format}, shape)


def test_flatten_takes_an_empty_batch_and_unknown_sizes():
    assert Flatten()(torch.ones(0, 3, 4)).shape == (0, 12)
    for shape in ((None, None, 4), (None, 3, 4), (None,), (5, 0, 2)):
        assert Flatten().compute_output_shape(shape) == keras.layers.Flatten().compute_output_shape(
            shape
        )


@pytest.mark.parametrize(
    ("shape", "target"),
    [
        ((2, 12), (3, 4)),
        ((2, 12), (3, -1)),
        ((2, 12), [-1, 3, 2]),
        ((2, 3, 4), (12,)),
        ((2, 3, 4), (-1,)),
        ((2, 3, 4), (4, 3)),
        ((2, 1), ()),
        ((2,), (1, 1)),
    ],
    ids=str,
)
def test_reshape_is_keras_own(same_as_keras, shape, target):
    same_as_keras("Reshape", {"target_shape": target}, shape)


@pytest.mark.parametrize(
    ("shape", "target", "expected"),
    [((0, 12), (3, -1), (0, 3, 4)), ((2, 0), (0, 3), (2, 0, 3)), ((2, 0), (3, -1), (2, 3, 0))],
)
def test_reshape_takes_empty_inputs(shape, target, expected):
    assert Reshape(target)(torch.ones(shape)).shape == expected


@pytest.mark.parametrize(
    "shape", [(None, None), (None, 3, None), (None, 12), (None, 3, 4)], ids=str
)
@pytest.mark.parametrize("target", [(3, 4), (3, -1)])
def test_sizes_that_are_not_known_are_left_open(shape, target):
    theirs = keras.layers.Reshape(target).compute_output_shape(shape)
    assert Reshape(target).compute_output_shape(shape) == theirs


@pytest.mark.parametrize("shape", [(2, 3, 4), (2, 12)], ids=str)
def test_they_return_views(shape):
    x = torch.ones(shape)
    assert Flatten()(x).data_ptr() == x.data_ptr()
    assert Reshape((4, 3))(x).data_ptr() == x.data_ptr()


@pytest.mark.parametrize("target", [(5,), (5, -1), (0, 3), (0, -1), (2, 2, 2)], ids=str)
def test_another_number_of_entries_is_refused(target):
    with pytest.raises(ValueError, match=r"reshape: .*shape \(2, 12\) for target_shape="):
        Reshape(target)(np.ones((2, 12)))


@pytest.mark.parametrize(
    ("target", "message"),
    [((-1, -1), "one at most is -1"), ((-2,), "at least -1"), ((1.5,), "an integer")],
)
def test_the_target_shape_is_checked(target, message):
    with pytest.raises(InvalidArgumentError, match=f"Reshape: `target_shape` must be .*{message}"):
        Reshape(target)


def test_the_data_format_is_checked():
    with pytest.raises(InvalidArgumentError, match="Flatten: `data_format` must be one of"):
        Flatten("channels")
