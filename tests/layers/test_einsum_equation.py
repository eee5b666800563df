"""Einsum equations: their parts and sizes."""

from __future__ import annotations

import re

import pytest
from keras.src.layers.core.einsum_dense import _analyze_einsum_string

from feasible.arguments import InvalidArgumentError
from feasible.layers.einsum_equation import EinsumEquation

# An equation, the sizes of an input and of the output, the bias's axes.
CASES = [
    ("ab,bc->ac", (None, 3), (4,), "c"),
    ("abc,cd->abd", (None, 5, 3), (5, 4), "d"),
    ("abc,cd->abd", (None, 5, 3), (5, 4), "bd"),
    ("abc,cde->abde", (None, 5, 3), (5, 2, 4), "d"),
    ("abcd,cde->abe", (None, 5, 3, 6), (5, 4), "e"),
    ("abc,bcd->abd", (None, 5, 3), (5, 4), "b"),
    ("abc,cd->ad", (None, 5, 3), (4,), "d"),
    ("abc,c->abc", (None, 5, 3), (5, 3), "c"),
    ("...x,xy->...y", (None, 3), (4,), "y"),
    ("...x,xy->...y", (None, 5, 3), (4,), "y"),
    ("...xz,xyz->...zy", (None, 5, 3, 6), (6, 4), "z"),
    ("ab...,bc->ac...", (None, 3, 5, 6), (4,), "c"),
    ("ab...,bc->ac...", (None, 3), (4,), "c"),
]


@pytest.mark.parametrize(("equation", "shape", "output", "bias"), CASES)
def test_sizes_are_those_of_keras(equation, shape, output, bias):
    parts = EinsumEquation.parse("test", equation)
    kernel, of_bias, outputs, summed, kept = _analyze_einsum_string(equation, bias, shape, output)
    sizes = parts.sizes("test", shape, output)
    assert [sizes[letter] for letter in parts.kernel] == kernel
    assert parts.bias_shape(bias, sizes, len(shape)) == tuple(of_bias)
    assert parts.output_shape(sizes, shape) == tuple(outputs)
    assert (parts.summed, parts.kept) == (tuple(summed), tuple(kept))


def test_axes_without_a_letter_keep_their_order():
    parts = EinsumEquation.parse("test", "...x,xy->...y")
    shape = (None, 5, 6, 3)
    sizes = parts.sizes("test", shape, (4,))
    assert parts.output_shape(sizes, shape) == (None, 5, 6, 4)
    # Keras turns them round.
    assert _analyze_einsum_string("...x,xy->...y", None, shape, (4,))[2] == [None, 6, 5, 4]


def test_sizes_come_from_the_input_where_they_are_not_given():
    parts = EinsumEquation.parse("test", "abc,cd->abd")
    sizes = parts.sizes("test", (None, 5, 3), (None, 4))
    assert parts.output_shape(sizes, (None, 5, 3)) == (None, 5, 4)


@pytest.mark.parametrize(
    ("equation", "product"),
    [
        ("ab,bc->ac", True),
        ("...bc,bcde->...de", True),
        ("abc,cd->adb", False),
        ("abc,cbd->ad", False),
        ("abc,bcd->abd", False),
        ("abc,c->abc", False),
        ("abc,c->ab", False),
        ("abc,cd->ad", False),
        ("ab...,bc->ac...", False),
    ],
)
def test_products_with_a_matrix_are_known(equation, product):
    assert EinsumEquation.parse("test", equation).is_matrix_product == product


@pytest.mark.parametrize(
    "equation",
    [
        "ab,bc",
        "ab->ac",
        "ab,bc->ad",
        "ab,bd->ac",
        "aab,bc->ac",
        "...ab,bc->ac",
        "...ab...,bc->...ac...",
        3,
    ],
    ids=str,
)
def test_other_equations_are_refused(equation):
    message = f"must be of the form .* Received: equation={re.escape(repr(equation))}"
    with pytest.raises(InvalidArgumentError, match=message):
        EinsumEquation.parse("EinsumDense", equation)


@pytest.mark.parametrize(
    ("equation", "shape", "output", "message"),
    [
        ("ab,bc->ac", (None, 5, 3), (4,), r"axes of `equation`\. .*\(None, 5, 3\) for 'ab'"),
        ("...b,bc->...c", (3,), (4,), r"the batch before them\. .*\(3,\) for '\.\.\.b'"),
        ("abc,cd->abd", (None, 5, 3), (4,), r"a size for each of 'bd', the axes of 'abd'"),
        ("abc,cd->abd", (None, 5, 3), (6, 4), r"'b' has size 5 in the input, and 6 in"),
    ],
)
def test_sizes_that_do_not_fit_are_refused(equation, shape, output, message):
    with pytest.raises(ValueError, match=f"^test: .*{message}"):
        EinsumEquation.parse("test", equation).sizes("test", shape, output)
