"""The arithmetic of windows, beside counting them one by one."""

from __future__ import annotations

import re
from itertools import product

import numpy as np
import pytest
import torch

from feasible.arguments import InvalidArgumentError
from feasible.layers.windows import (
    check_name,
    check_sizes,
    check_strides_or_dilation,
    output_size,
    padding_ends,
    transposed_ends,
    window_span,
)

SIZES, SPANS, STRIDES = range(1, 12), range(1, 8), range(1, 6)


@pytest.mark.parametrize("value", [3, (3, 3), [3, 3], np.int64(3), np.array([3, 3])])
def test_sizes_are_one_for_each_axis(value):
    assert check_sizes("Conv2D", "kernel_size", value, rank=2) == (3, 3)


@pytest.mark.parametrize("value", [0, (3,), (3, 3, 3), (3, 0), 1.5, (3, 1.5), True, "33", None])
def test_sizes_that_are_not_are_refused(value):
    message = f"Conv2D: `kernel_size` must be .* Received: kernel_size={re.escape(repr(value))}"
    with pytest.raises(InvalidArgumentError, match=message):
        check_sizes("Conv2D", "kernel_size", value, rank=2)


def test_a_minimum_of_zero_allows_zero():
    assert check_sizes("Conv2DTranspose", "output_padding", (0, 1), rank=2, minimum=0) == (0, 1)


@pytest.mark.parametrize("value", ["full", None, 1, ("valid",)])
def test_a_name_that_is_not_allowed_is_refused(value):
    with pytest.raises(InvalidArgumentError, match=r"`padding` must be one of 'valid', 'same'\."):
        check_name("Conv2D", "padding", value, ("valid", "same"))


@pytest.mark.parametrize(
    ("strides", "dilation", "fits"), [(2, 1, True), (1, 2, True), (2, 2, False)]
)
def test_strides_and_dilation_exclude_each_other(strides, dilation, fits):
    if fits:
        check_strides_or_dilation("Conv2D", (1, strides), (dilation, 1))
    else:
        with pytest.raises(InvalidArgumentError, match=r"`dilation_rate` must be 1 where strides"):
            check_strides_or_dilation("Conv2D", (1, strides), (dilation, 1))


@pytest.mark.parametrize("padding", ["valid", "same", "causal"])
def test_the_output_has_as_many_entries_as_windows_fit_in_the_padded_axis(padding):
    for size, span, stride in product(SIZES, SPANS, STRIDES):
        start, end = padding_ends(padding, size, span, stride)
        fitting = len(range(0, start + size + end - span + 1, stride))
        assert max(output_size(padding, size, span, stride), 0) == fitting


def test_padding_is_split_evenly_and_what_is_odd_goes_to_the_end():
    for size, span, stride in product(SIZES, SPANS, STRIDES):
        start, end = padding_ends("same", size, span, stride)
        assert 0 <= start <= end <= start + 1
        # The last window, put at every stride-th entry, ends with the padding; or there is none.
        last = (output_size("same", size, span, stride) - 1) * stride
        assert start + size + end == max(last + span, size)


def test_causal_outputs_see_no_later_entry():
    for size, span, stride in product(SIZES, SPANS, STRIDES):
        start, end = padding_ends("causal", size, span, stride)
        # The window of output i ends at entry i * stride.
        assert (start, end) == (span - 1, 0)
        assert output_size("causal", size, span, stride) == len(range(0, size, stride))


def test_an_unknown_size_stays_unknown():
    assert output_size("same", None, 3, 2) is None


def test_a_transposed_convolution_undoes_the_sizes_of_a_convolution():
    for size, span, stride in product(SIZES, SPANS, STRIDES):
        for padding in ("valid", "same"):
            start, end = transposed_ends(padding, None, span, stride)
            upsampled = (size - 1) * stride + span - start - end
            assert output_size(padding, upsampled, span, stride) == size


def test_a_transposed_convolution_is_cut_where_the_convolution_is_padded():
    for size, span, stride in product(SIZES, SPANS, STRIDES):
        if span >= stride:
            cut = transposed_ends("same", None, span, stride)
            assert cut == padding_ends("same", size * stride, span, stride)


@pytest.mark.parametrize("padding", ["valid", "same"])
def test_output_padding_goes_to_the_end(padding):
    for span, stride in product(SPANS, STRIDES):
        for added in range(stride):
            start, end = transposed_ends(padding, added, span, stride)
            kept = span if padding == "valid" else span % 2
            assert span - start - end == kept + added


def test_a_span_is_that_of_a_dilated_kernel():
    for size, dilation in product(range(1, 5), range(1, 4)):
        span = window_span(size, dilation)
        kernel, line = torch.ones(1, 1, size), torch.ones(1, 1, span)
        assert torch.conv1d(line, kernel, dilation=dilation).shape[-1] == 1
