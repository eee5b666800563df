"""A process's piece of a parameter is what slicing the whole view gives."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from tests.test_layouts import DEPTHWISE, GROUPED, QUERY, counted, layouts

from feasible.axis_placement import AxisPart
from feasible.layouts import ParameterLayout
from feasible.local_pieces import local_piece


def cut(array: Any, intervals: Any) -> Any:
    return array[tuple(slice(start, stop) for start, stop in intervals)]


def piece_of(layout: ParameterLayout, whole: Any, intervals: Any) -> Any:
    local = cut(whole, intervals)
    return local_piece(layout, whole.shape, local, [start for start, _ in intervals])


@given(layouts(), st.data())
def test_a_piece_is_what_slicing_the_whole_gives(drawn: Any, data: st.DataObject) -> None:
    layout, stored, _ = drawn
    whole = counted(stored)
    intervals = [
        sorted(data.draw(st.tuples(st.integers(0, size), st.integers(0, size)))) for size in stored
    ]
    piece = piece_of(layout, whole, intervals)
    view = layout.view(whole)
    assert piece.shape == view.shape
    np.testing.assert_array_equal(piece.view, piece.of(view))
    if not piece.joined:
        np.testing.assert_array_equal(piece.view, view[piece.slices])
    # Nothing of the piece is left out, nothing else is in it.
    here = set(cut(whole, intervals).flat) & set(view.flat)
    assert set(piece.view.flat) == here
    assert piece.view.size == len(here)
    if here:
        assert np.shares_memory(piece.view, whole)
    for axes in piece.joined:
        assert len({layout.placement(stored).stored_axes[axis] for axis in axes}) == 1
    # What broadcasts to the whole, broadcasts to the piece.
    kept = [data.draw(st.booleans()) for _ in view.shape]
    narrow = view[tuple(slice(None) if keep else slice(0, 1) for keep in kept)]
    wide = np.broadcast_to(narrow, view.shape)
    np.testing.assert_array_equal(
        np.broadcast_to(piece.of(narrow), piece.view.shape), piece.of(wide)
    )


@pytest.mark.parametrize(
    ("layout", "stored", "axis", "interval", "shape", "joined"),
    [
        # Whole groups, a piece of one group, and pieces of two.
        (GROUPED, (4, 3, 5), 0, (2, 4), (5, 1, 3, 2), ()),
        (GROUPED, (4, 3, 5), 0, (1, 2), (5, 1, 3, 1), ()),
        (GROUPED, (4, 3, 5), 0, (1, 4), (5, 3, 3, 1), ((1, 3),)),
        (DEPTHWISE, (6, 1, 3), 0, (1, 4), (3, 3, 1), ((1, 2),)),
        (DEPTHWISE, (6, 1, 3), 2, (1, 2), (1, 3, 2), ()),
        # An axis that Keras lacks is in another process.
        (DEPTHWISE, (6, 1, 3), 1, (0, 0), (0, 0, 2), ()),
        # A part that is in another process, partly, wholly.
        (QUERY, (12, 5), 0, (0, 4), (5, 0), ()),
        (QUERY, (12, 5), 0, (0, 6), (5, 2), ()),
        (QUERY, (12, 5), 0, (3, 11), (5, 4), ()),
        (QUERY, (12, 5), 0, (9, 12), (5, 0), ()),
        (QUERY, (12, 5), 0, (0, 0), (5, 0), ()),
    ],
)
def test_a_piece_of_each_kind(
    layout: ParameterLayout, stored: Any, axis: int, interval: Any, shape: Any, joined: Any
) -> None:
    whole = torch.arange(float(np.prod(stored))).reshape(stored)
    intervals = [interval if one == axis else (0, size) for one, size in enumerate(stored)]
    piece = piece_of(layout, whole, intervals)
    assert piece.view.shape == shape
    assert piece.joined == joined
    if piece.view.numel():
        assert piece.view.untyped_storage().data_ptr() == whole.untyped_storage().data_ptr()
        assert torch.equal(piece.of(layout.view(whole)), piece.view)


def test_what_is_written_to_a_piece_is_in_the_whole() -> None:
    layout = ParameterLayout("w", "kernel", "out in", "in out", part=AxisPart("b", "out", 2, 2))
    whole = torch.zeros(4, 3)
    for start, stop in ((0, 3), (3, 4)):
        piece = local_piece(layout, whole.shape, whole[start:stop], (start, 0))
        piece.view.fill_(start + 1)
    assert whole[:, 0].tolist() == [0, 0, 1, 4]
