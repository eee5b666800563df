"""Adaptive pooling, beside Keras's."""

from __future__ import annotations

import pytest
import torch

from feasible import layers
from feasible.arguments import InvalidArgumentError

SHAPES = {1: (2, 7, 3), 2: (2, 7, 5, 3), 3: (2, 4, 5, 6, 3)}


@pytest.mark.parametrize("rank", SHAPES)
@pytest.mark.parametrize("kind", ["Max", "Average"])
@pytest.mark.parametrize("data_format", [None, "channels_first"])
def test_adaptive_pooling_is_keras_own(same_as_keras, in_format, kind, rank, data_format) -> None:
    shape = in_format(SHAPES[rank], data_format or "channels_last")
    for size in (3, (2, 3, 6)[:rank]):
        arguments = {"output_size": size, "data_format": data_format}
        same_as_keras(f"Adaptive{kind}Pooling{rank}D", arguments, shape)


def test_errors_say_what_is_allowed() -> None:
    with pytest.raises(InvalidArgumentError, match="`output_size` must be an integer of at least"):
        layers.AdaptiveMaxPooling2D((1, 2, 3))
    with pytest.raises(ValueError, match="the input must have 4 axes"):
        layers.AdaptiveMaxPooling2D(2)(torch.ones(2, 3))
