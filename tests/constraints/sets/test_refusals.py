"""What cannot be a constraint, or not on a weight of some shape, is refused with the reason."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from feasible import (
    Blocks,
    Box,
    CappedSimplex,
    FixedSum,
    Hyperplane,
    InvalidArgumentError,
    L1Ball,
    Mask,
    MaxNorm,
    Monotone,
    NofM,
    NonNeg,
    NuclearNorm,
    PositiveSemidefinite,
    Rank,
    Simplex,
    SpectralNorm,
    Sphere,
    Symmetric,
    TopK,
)
from feasible.constraints import deserialize, serialize
from feasible.torch import constrain, constraints_of

MADE: list[tuple[Callable[[], Any], str]] = [
    (lambda: Box(), r"Box: `lower` must be a number or an array, or else `upper`"),
    (lambda: Box(2, 1), r"`lower` must be nowhere above upper, 1"),
    (lambda: Box([0, 3], [1, 2]), r"`lower` must be nowhere above upper"),
    (lambda: Box(float("nan")), r"`lower` must be a finite number"),
    (lambda: Box([0.0, float("nan")]), r"`lower` must be without NaN"),
    (lambda: Box("a"), r"`lower` must be"),
    (lambda: Box(np.ones(2) * 1j), r"`lower` must be a number or an array of real numbers"),
    (lambda: Box(np.zeros(2), np.ones(3)), r"broadcasts with that of `upper`"),
    (lambda: Mask([0, 2]), r"`mask` must be an array of booleans, or of 0 and 1"),
    (lambda: L1Ball(-1), r"`radius` must be a finite number at least 0. Received: radius=-1"),
    (lambda: Sphere("first"), r"`radius` must be"),
    (lambda: Simplex(-1), r"`total` must be a finite number at least 0"),
    (lambda: Monotone("up"), r"`increasing` must be True or False. Received: increasing='up'"),
    (lambda: TopK(-1), r"`k` must be an integer of at least 0. Received: k=-1"),
    (lambda: TopK(1.5), r"`k` must be an integer"),
    (lambda: NofM(5, 4), r"`n` must be at most m, which is 4. Received: n=5"),
    (lambda: NofM(0, 0), r"`m` must be an integer of at least 1"),
    (lambda: Rank(-1), r"`max_rank` must be an integer of at least 0"),
    (lambda: SpectralNorm(-1), r"`max_value` must be a finite number at least 0"),
    (lambda: NuclearNorm(1, axis=0, batch=0), r"`batch` must be none of the axes of rows"),
    (lambda: SpectralNorm(1, batch="unit"), r"`batch` must be an int or a sequence of ints"),
    (lambda: SpectralNorm(1, batch=1.5), r"`batch` must be an int or a sequence of distinct ints"),
    (lambda: Symmetric("a"), r"`axes` must be an int or a sequence of distinct ints"),
    (lambda: Symmetric((0,)), r"`axes` must be two distinct ints"),
    (lambda: PositiveSemidefinite(axes=(0, 1, 2)), r"`axes` must be two distinct ints"),
    (lambda: Hyperplane([0, 0]), r"`normal` must be finite and not all zeros"),
    (lambda: Blocks(abs, 0, (1,)), r"`constraint` must be a constraint"),
    (lambda: Blocks(NonNeg(), (0, 1), (1,)), r"`axis` must be an int"),
    (lambda: Blocks(NonNeg(), 0, 3), r"`sizes` must be the size of each block"),
    (lambda: Rank(2) & TopK(2), r"`second` must be such that .* first is known"),
    (lambda: TopK(2) & NofM(), r"`second` must be such that"),
    (lambda: Box(1) & Box(None, 0), r"a weight satisfies Box"),
    (lambda: Mask([0, 1]) & Box(1), r"a weight satisfies Mask"),
    (lambda: NonNeg() & Box(None, -1), r"a weight satisfies NonNeg"),
    (lambda: NonNeg() & (Box(None, 2) & Box(None, -1)), r"a weight satisfies NonNeg"),
    (lambda: (NonNeg() & Mask([1, 0])) & Box([0, 1]), r"a weight satisfies NonNeg"),
    (lambda: Simplex(1) & Box(lower=2), r"a weight satisfies Simplex"),
    (lambda: CappedSimplex(1, 0.5) & Box(0.6), r"a weight satisfies CappedSimplex"),
    (lambda: (NonNeg() & Monotone()) & Sphere(1), r"a nearest direction that is known"),
    (lambda: TopK(0) & Sphere(1), r"a nearest direction that is known"),
    (lambda: Box(2) & L1Ball(1), r"a weight satisfies Box"),
    (lambda: MaxNorm(1) & Box([0, -2], [0, -1.5]), r"a weight satisfies MaxNorm"),
    (lambda: FixedSum(1) & Simplex(2), r"a weight satisfies FixedSum"),
]


@pytest.mark.parametrize(("make", "message"), MADE)
def test_arguments(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(InvalidArgumentError, match=message):
        make()


SHAPED: list[tuple[Any, str]] = [
    (
        Mask(np.ones((5, 3))),
        r"\(5, 3\) does not broadcast to a weight of shape \(4, 3\).*`mask`",
    ),
    (Box(np.zeros(4), None), r"does not broadcast.*`lower`"),
    (Sphere(np.ones((4, 1)), axis=0), r"`radius` must be of size 1 along the axes of a vector"),
    (L1Ball(np.ones((4, 3)), axis=0), r"`radius` must be of size 1 along the axes of a vector"),
    (CappedSimplex(1, 0.2), r"4 entries of at most upper=0.2 cannot add up to total=1"),
    (TopK(5), r"`k` must be at most 4.*Received: k=5"),
    (NofM(2, 3), r"must be a multiple of m=3. Received: vectors of 4"),
    (Symmetric(), r"must be square. Received: 4 x 3"),
    (PositiveSemidefinite(), r"must be square"),
    (SpectralNorm(1, axis=2), r"`axis` must name distinct axes"),
    (SpectralNorm(1, axis=0, batch=2), r"`batch` must name distinct axes.*batch=\(2,\)"),
    (SpectralNorm(1, axis=0, batch=-2), r"`batch` must leave rows, axis=0"),
    (Symmetric((0, 2)), r"`axes` must name distinct axes.*axes=\(0, 2\)"),
    (Hyperplane([[1.0, 0.0, 1.0]]), r"`normal` must not be all zeros for any vector"),
    (Blocks(NonNeg(), 0, (1, 2)), r"must add up to 4.*sizes=\(1, 2\), which add up to 3"),
    (Blocks(TopK(2), 0, (1, 3)), r"`k` must be at most 1"),
    (FixedSum(1, axis=0) & Box(0.3), r"no weight of shape \(4, 3\) satisfies both"),
    (Simplex(1, axis=1) & Box(0, [0.25, 0.5, 0.125]), r"what the sum of a vector can be"),
    (L1Ball(1) & Box(None, -0.3), r"what the sum of absolute values of a vector can be"),
    (MaxNorm(1) & Box(0.6), r"what the norm of a vector can be"),
    (NonNeg() & (Simplex(1) & Box(0.3)), r"satisfies both Simplex"),
    (Mask([1, 1, 0]) & Sphere(1, axis=0), r"what the norm of a vector can be"),
    (FixedSum(0, axis=()) & Sphere(1, axis=()), r"no direction to scale"),
    (TopK(1, axis=0) & MaxNorm(1, axis=1), r"Give both the same axis"),
]


@pytest.mark.parametrize(("constraint", "message"), SHAPED)
def test_weights_of_other_shapes(constraint: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        constraint(np.ones((4, 3)))
    layer = nn.Linear(4, 3)
    before = layer.weight.detach().clone()
    with pytest.raises(ValueError, match=f"weight, the kernel: .*{message}"):
        constrain(layer, {"weight": constraint}, project=True)
    assert torch.equal(layer.weight, before)
    assert constraints_of(layer) == {}


def test_what_contains_others_is_written_and_read() -> None:
    for constraint in (
        Blocks(NonNeg() & MaxNorm(2, axis="unit"), axis=-1, sizes=(2, 3)),
        (Simplex() & Box(0, [0.5, 0.6, 0.7])) & Box(0.1),
        Mask(np.arange(6).reshape(2, 3) % 2),
        Box(-np.inf, [1, np.inf]),
        SpectralNorm(1, axis="unit", batch=(0,)).resolve((0, 1)).replace(max_value=2),
    ):
        text = json.dumps(serialize(constraint), allow_nan=False)
        assert deserialize(json.loads(text)) == constraint
        assert hash(deserialize(json.loads(text))) == hash(constraint)
