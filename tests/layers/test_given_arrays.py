"""Arrays are taken however they lie in memory: weights, and what a layer is called on."""

from __future__ import annotations

import numpy as np
import pytest

from feasible.layers import Dense
from feasible.layers.tensors import as_tensor
from feasible.models import Sequential

VALUES = np.arange(6, dtype=np.float32).reshape(2, 3)


def read_only() -> np.ndarray:
    array = VALUES.copy()
    array.flags.writeable = False
    return array


GIVEN = {
    "big-endian": VALUES.astype(">f4"),
    "read-only": read_only(),
    "Fortran's order": np.asfortranarray(VALUES),
    "reversed": VALUES[::-1, ::-1].copy()[::-1, ::-1],
    "every other": np.repeat(VALUES, 2, axis=1)[:, ::2],
    "views of bytes": np.frombuffer(VALUES.tobytes(), np.float32).reshape(2, 3),
}


@pytest.mark.parametrize("name", GIVEN)
def test_weights_and_inputs_are_taken_as_they_lie(name: str) -> None:
    given = GIVEN[name]
    before = given.tobytes()
    model = Sequential([Dense(3, use_bias=False)])
    model(np.ones((1, 2), np.float32))
    for holder in (model, model.layers[0]):
        holder.set_weights([given])
        np.testing.assert_array_equal(holder.get_weights()[0], VALUES)
        holder.set_weights([np.zeros((2, 3))])
    np.testing.assert_array_equal(as_tensor(given).numpy(), VALUES)
    assert given.tobytes() == before


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8", ">i8"])
@pytest.mark.parametrize("shape", [(), (0,), (0, 3), (3, 0)])
def test_arrays_without_axes_or_elements_keep_shape_and_dtype(
    shape: tuple[int, ...], dtype: str
) -> None:
    array = np.ones(shape, dtype)
    array.flags.writeable = False
    tensor = as_tensor(array).numpy()
    assert (tensor.shape, tensor.dtype) == (shape, array.dtype.newbyteorder("="))
    np.testing.assert_array_equal(tensor, array)
