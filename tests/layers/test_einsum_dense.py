"""EinsumDense, beside Keras's and PyTorch's."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import torch
from torch import nn

from feasible import constraints
from feasible.arguments import InvalidArgumentError
from feasible.layers import EinsumDense, initializers
from feasible.torch import constraints_of

# An equation, the output's sizes, the bias's axes, the shape of an input.
CASES = [
    ("ab,bc->ac", 4, "c", (2, 3)),
    ("ab,bc->ac", (4,), None, (2, 3)),
    ("abc,cd->abd", (5, 4), "d", (2, 5, 3)),
    ("abc,cd->abd", (5, 4), "bd", (2, 5, 3)),
    ("abc,cde->abde", (5, 2, 4), "de", (2, 5, 3)),
    ("abcd,cde->abe", (5, 4), "e", (2, 5, 3, 6)),
    ("abc,bcd->abd", (5, 4), "bd", (2, 5, 3)),
    ("abc,cd->adb", (4, 5), "d", (2, 5, 3)),
    ("abc,cd->ad", 4, "d", (2, 5, 3)),
    ("abc,c->abc", (5, 3), "c", (2, 5, 3)),
    ("...x,xy->...y", 4, "y", (2, 5, 5, 3)),
    ("...xz,xyz->...zy", (6, 4), "zy", (2, 5, 3, 6)),
    ("ab...,bc->ac...", 4, "c", (2, 3, 5)),
]


@pytest.mark.parametrize(("equation", "output_shape", "bias_axes", "shape"), CASES)
def test_it_is_keras_own(same_as_keras, equation, output_shape, bias_axes, shape):
    arguments = {
        "equation": equation,
        "output_shape": output_shape,
        "bias_axes": bias_axes,
        "activation": "tanh",
        "kernel_constraint": "non_neg",
        "bias_constraint": "non_neg" if bias_axes else None,
    }
    same_as_keras("EinsumDense", arguments, shape)


def test_sizes_that_the_input_tells_may_be_left_out():
    ours = EinsumDense("abc,cd->abd", (None, 4), bias_axes="d")
    theirs = keras.layers.EinsumDense("abc,cd->abd", (None, 4), bias_axes="d")
    x = torch.randn(2, 5, 3)
    ours(x), theirs(x)
    ours.set_weights(theirs.get_weights())
    torch.testing.assert_close(ours(x), theirs(x))
    # Keras forgets the size that the input has.
    assert ours.compute_output_shape((None, 5, 3)) == (None, 5, 4)


def test_the_state_is_that_of_pytorch():
    ours, theirs = EinsumDense("...a,ab->...b", 4, bias_axes="b"), nn.Linear(3, 4)
    x = torch.randn(2, 5, 3)
    ours(x)
    theirs.load_state_dict(ours.state_dict())
    assert torch.equal(ours(x), theirs(x))


@pytest.mark.parametrize(("equation", "output_shape", "bias_axes", "shape"), CASES)
def test_the_kernel_is_a_view_in_the_order_of_the_equation(
    equation, output_shape, bias_axes, shape
):
    layer = EinsumDense(equation, output_shape, bias_axes=bias_axes)
    layer(torch.ones(shape))
    assert layer.kernel._base is layer.weight
    letters = equation.split(",")[1].split("->")[0]
    layer.kernel_constraint = constraints.UnitNorm(axis="unit")
    [bound] = constraints_of(layer).values()
    output = equation.split("->")[1]
    summed = tuple(axis for axis, letter in enumerate(letters) if letter not in output)
    assert bound.constraint.axis == summed


def test_initial_values_count_the_axes_that_are_summed_over():
    layer = EinsumDense(
        "abc,cde->abde", (None, 30, 40), kernel_initializer=initializers.HeNormal(seed=1)
    )
    layer(torch.ones(1, 1, 50))
    assert layer.weight.std().item() == pytest.approx((2 / 50) ** 0.5, rel=0.02)
    layer = EinsumDense("abc,cde->abde", (None, 30, 40), kernel_initializer="glorot_uniform")
    layer(torch.ones(1, 1, 50))
    assert layer.weight.abs().max().item() == pytest.approx((6 / 1250) ** 0.5, rel=0.01)


@pytest.mark.parametrize("equation", ["...a,ab->...b", "abc,cd->adb"])
def test_it_computes_in_half_precision_under_autocast(equation):
    sizes = 4 if "." in equation else (4, 5)
    layer = EinsumDense(equation, sizes, bias_axes="b" if "." in equation else "d")
    x = torch.randn(2, 5, 3)
    expected = layer(x)
    with torch.autocast("cpu", torch.bfloat16):
        y = layer(x)
    assert y.dtype == torch.bfloat16
    torch.testing.assert_close(y.float(), expected, rtol=0.02, atol=0.02)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ({"equation": "ab"}, "`equation` must be of the form"),
        ({"output_shape": 0}, "`output_shape` must be an integer of at least 1"),
        ({"output_shape": "4"}, "`output_shape` must be an integer"),
        ({"bias_axes": "b"}, "`bias_axes` must be None, or letters of the output's axes, 'ac'"),
        ({"bias_axes": ""}, "`bias_axes` must be None, or letters"),
    ],
)
def test_wrong_arguments_are_refused_by_name(arguments, message):
    with pytest.raises(InvalidArgumentError, match=f"EinsumDense: {message}"):
        EinsumDense(**{"equation": "ab,bc->ac", "output_shape": 4, **arguments})


def test_other_sizes_than_the_kernel_are_refused():
    layer = EinsumDense("abc,cd->abd", (None, 4), name="mix")
    with pytest.raises(ValueError, match=r"mix: the kernel's axes 'cd' must have known sizes"):
        layer.build_once((None, 5, None))
    layer(np.ones((2, 5, 3)))
    layer(np.ones((2, 6, 3)))
    with pytest.raises(ValueError, match=r"'cd' must have sizes \(3, 4\).*which give \(2, 4\)"):
        layer(np.ones((2, 5, 2)))
