"""Layouts as data: orders, splits and parts agree with NumPy's own indexing."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from feasible import InvalidArgumentError
from feasible.axis_placement import AxisPart
from feasible.known_layouts import layouts_of, register_layouts
from feasible.known_layouts.torch_layouts import KERNEL, TRANSPOSE_KERNEL, depthwise_layout
from feasible.layers import DepthwiseConv1D, EinsumDense
from feasible.layouts import ParameterLayout

GROUPED = ParameterLayout(
    "weight",
    "kernel",
    "(group in) out *spatial",
    "*spatial group out in",
    "group out",
    (("group", 2),),
)
DEPTHWISE = depthwise_layout(2)
QUERY = ParameterLayout(
    "in_proj_weight", "kernel", "out in", "in out", "out", part=AxisPart("key", "out", 4, 4)
)
# A layout, a stored shape, its shape in Keras layout, the axes of a unit, and the view of an array.
LAYOUTS: dict[str, tuple[ParameterLayout, Any, Any, Any, Any]] = {
    "kernel": (KERNEL, (6, 4), (4, 6), (0,), lambda w: w.T),
    "of a convolution": (
        KERNEL,
        (6, 4, 3, 2),
        (3, 2, 4, 6),
        (0, 1, 2),
        lambda w: w.transpose(2, 3, 1, 0),
    ),
    "transposed": (
        TRANSPOSE_KERNEL,
        (4, 6, 3),
        (3, 6, 4),
        (0, 2),
        lambda w: w.transpose(2, 1, 0),
    ),
    "in groups": (
        GROUPED,
        (4, 3, 5),
        (5, 2, 3, 2),
        (0, 3),
        lambda w: w.reshape(2, 2, 3, 5).transpose(3, 0, 2, 1),
    ),
    "depthwise": (
        DEPTHWISE,
        (6, 1, 3, 5),
        (3, 5, 3, 2),
        (0, 1),
        lambda w: w.reshape(3, 2, 3, 5).transpose(2, 3, 0, 1),
    ),
    "part": (QUERY, (12, 5), (5, 4), (0,), lambda w: w[4:8].T),
    "as stored": (ParameterLayout("w", "w"), (2, 3), (2, 3), None, lambda w: w),
    "a number": (ParameterLayout("w", "w", "", unit=""), (), (), (), lambda w: w),
    "elements": (ParameterLayout("w", "w", unit="*axes"), (2, 3), (2, 3), (), lambda w: w),
}
each = pytest.mark.parametrize(
    ("layout", "stored", "shape", "axes", "seen"), LAYOUTS.values(), ids=list(LAYOUTS)
)


def counted(shape: Any) -> Any:
    return np.arange(np.prod(shape, dtype=int)).reshape(shape)


@each
def test_a_view_is_what_indexing_gives(
    layout: ParameterLayout, stored: Any, shape: Any, axes: Any, seen: Any
) -> None:
    array = counted(stored)
    view = layout.view(array)
    np.testing.assert_array_equal(view, seen(array))
    assert np.shares_memory(view, array)
    assert layout.shape(stored) == view.shape == shape
    assert layout.unit_axes(len(shape)) == axes


@each
def test_a_view_of_a_tensor_shares_its_memory_and_its_gradient(
    layout: ParameterLayout, stored: Any, shape: Any, axes: Any, seen: Any
) -> None:
    del axes
    tensor = torch.from_numpy(counted(stored)).double().requires_grad_()
    view = layout.view(tensor)
    assert view.untyped_storage().data_ptr() == tensor.untyped_storage().data_ptr()
    np.testing.assert_array_equal(view.detach().numpy(), seen(tensor.detach().numpy()))
    view.sum().backward()
    assert tensor.grad is not None
    assert tensor.grad.sum() == view.numel()
    assert layout.view(torch.empty(stored, device="meta")).shape == torch.Size(shape)
    # Whatever its strides are.
    if len(stored) > 1:
        turned = tensor.detach().transpose(0, -1).contiguous().transpose(0, -1)
        assert layout.view(turned).untyped_storage().data_ptr() == (
            turned.untyped_storage().data_ptr()
        )


@each
def test_what_is_native_is_counted_as_stored(
    layout: ParameterLayout, stored: Any, shape: Any, axes: Any, seen: Any
) -> None:
    del shape, axes, seen
    array = counted(stored)
    native = layout.native()
    assert native.key == layout.key
    assert native.unit_axes(len(stored)) is None
    wanted = array[4:8] if layout.part else array
    np.testing.assert_array_equal(native.view(array), wanted)


@each
def test_a_layout_is_a_value(
    layout: ParameterLayout, stored: Any, shape: Any, axes: Any, seen: Any
) -> None:
    del axes, seen
    for again in (copy.deepcopy(layout), pickle.loads(pickle.dumps(layout))):
        assert again == layout
        assert hash(again) == hash(layout)
        assert again.shape(stored) == shape
    assert layout != ParameterLayout("other", "kernel")


def test_where_axes_come_from() -> None:
    place = GROUPED.placement((4, 3, 5))
    assert place.stored_axes == (2, 0, 1, 0)
    assert not place.is_permutation
    assert KERNEL.placement((6, 4, 3)).stored_axes == (2, 1, 0)
    assert QUERY.placement((12, 5)).bounds == ((4, 8), (0, 5))


def test_axes_that_count_modules() -> None:
    linear = ParameterLayout("kernel", "kernel", "in out")
    assert [linear.stacked(rank) for rank in (1, 2, 4)] == [-1, 0, 2]
    assert [KERNEL.stacked(rank) for rank in (1, 2, 4)] == [-1, 0, 0]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ({"stored": "in in"}, "`stored` must be names of axes, each once"),
        ({"stored": "*a *b"}, "one of them starred"),
        ({"stored": "(a b"}, "`stored` must be"),
        ({"stored": "in out", "keras": "out"}, r"`keras` must be the names \['in', 'out'\]"),
        ({"stored": "in out", "unit": "units"}, "`unit` must be some of the names"),
        ({"stored": "in out", "sizes": (("group", 2),)}, "`sizes` must be pairs of one of"),
        ({"stored": "(a b c)", "sizes": (("b", 2),)}, "for all names of a split but one"),
        ({"stored": "(a b)", "sizes": (("b", 0),)}, "`sizes` must be pairs of one of"),
        ({"stored": "in out", "part": AxisPart("a", "b", 0, 1)}, "`part` must be a Part of one of"),
    ],
)
def test_names_that_do_not_fit_are_refused(arguments: Any, said: str) -> None:
    with pytest.raises(InvalidArgumentError, match=said):
        ParameterLayout("weight", "kernel", **arguments)


@pytest.mark.parametrize(
    ("layout", "shape"),
    [
        (KERNEL, (3,)),
        (GROUPED, (3, 3)),
        (GROUPED, (4,)),
        (DEPTHWISE, (4, 2, 3)),
        (QUERY, (6, 5)),
        (depthwise_layout(3), (4, 1, 3)),
    ],
)
def test_a_shape_that_does_not_fit_is_named(layout: ParameterLayout, shape: Any) -> None:
    with pytest.raises(ValueError, match=r"must have the axes '.*Received: shape \("):
        layout.shape(shape)


def test_subclasses_are_laid_out_as_what_they_derive_from() -> None:
    class Own(torch.nn.Linear):
        pass

    class Other(Own):
        pass

    assert layouts_of(Own(2, 3)) == layouts_of(torch.nn.Linear(2, 3))
    register_layouts(Own, GROUPED)
    assert layouts_of(Other(2, 3)) == (GROUPED,)
    register_layouts(Other, lambda module: (KERNEL,) if module.bias is None else ())
    assert layouts_of(Other(2, 3)) == ()
    assert layouts_of(Other(2, 3, bias=False)) == (KERNEL,)


@st.composite
def layouts(draw: st.DrawFn) -> tuple[ParameterLayout, Any, dict[str, list[int]]]:
    """A layout of up to three stored axes, its stored shape, and the sizes each is split into."""
    names = iter("abcdefghij")
    split: dict[str, list[int]] = {}
    stored, sizes, every = [], [], []
    for _ in range(draw(st.integers(1, 3))):
        lengths = draw(st.lists(st.integers(1, 3), min_size=1, max_size=3))
        own = [next(names) for _ in lengths]
        every += own
        unknown = draw(st.integers(0, len(own) - 1))
        if len(own) > 1:
            sizes += [
                (name, length)
                for place, (name, length) in enumerate(zip(own, lengths, strict=True))
                if place != unknown
            ]
        split[f"({' '.join(own)})" if len(own) > 1 else own[0]] = lengths
        stored.append(int(np.prod(lengths)))
    part, written = None, list(split)
    if draw(st.booleans()):
        axis = draw(st.integers(0, len(written) - 1))
        before, size = draw(st.integers(0, 3)), stored[axis]
        stored[axis] += before + draw(st.integers(0, 3))
        part = AxisPart("part", written[axis], before, size)
    layout = ParameterLayout(
        "weight",
        "kernel",
        " ".join(written),
        " ".join(draw(st.permutations(every))),
        sizes=tuple(sizes),
        part=part,
    )
    return layout, tuple(stored), split


@given(layouts())
def test_random_splits_and_orders_are_numpys(drawn: tuple[ParameterLayout, Any, Any]) -> None:
    layout, stored, split = drawn
    array = counted(stored)
    view = layout.view(array)
    assert np.shares_memory(view, array)
    taken = array
    if layout.part:
        axis = [written.strip("()") for written in split].index(layout.part.axis.strip("()"))
        taken = array.take(range(layout.part.start, layout.part.start + layout.part.size), axis)
    names = [name for written in split for name in written.strip("()").split()]
    order = [names.index(name) for name in layout.keras.split()]
    sizes = [size for lengths in split.values() for size in lengths]
    np.testing.assert_array_equal(view, taken.reshape(sizes).transpose(order))


@pytest.mark.parametrize("name", ["kernel", "depthwise", "part"])
def test_a_view_inside_a_compiled_function(name: str) -> None:
    layout, stored, _, _, seen = LAYOUTS[name]
    array = counted(stored)

    def twice(tensor: torch.Tensor) -> torch.Tensor:
        result: torch.Tensor = 2 * layout.view(tensor)
        return result

    moved = torch.compile(twice, fullgraph=True, backend="eager")(torch.from_numpy(array))
    np.testing.assert_array_equal(moved.numpy(), 2 * seen(array))


@pytest.mark.parametrize(
    ("layer", "role"),
    [
        (EinsumDense("abc,c->abc", (5, 4)), "kernel"),
        (DepthwiseConv1D(2, depth_multiplier=2), "depthwise_kernel"),
    ],
)
def test_a_kernel_inside_a_compiled_function(layer: Any, role: str) -> None:
    inputs = torch.ones(2, 5, 4)

    def scaled(one: torch.Tensor) -> torch.Tensor:
        return layer(one) * getattr(layer, role).sum()  # type: ignore[no-any-return]

    wanted = scaled(inputs)
    found = torch.compile(scaled, fullgraph=True, backend="eager")(inputs)
    torch.testing.assert_close(found, wanted)
