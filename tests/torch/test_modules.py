"""The table of torch.nn's modules: every parameter has a role, and a unit's weights are its own."""

from __future__ import annotations

from typing import Any

import keras
import pytest
import torch
from torch import nn
from transformers.pytorch_utils import Conv1D

from feasible import MaxNorm
from feasible.torch import check, constrain, constraints_of, layouts_of, project

# Module, and for each of its constrained views: role, Keras layout, axes of one unit.
MODULES: dict[str, tuple[Any, dict[str, tuple[str, tuple[int, ...], tuple[int, ...]]]]] = {
    "Linear": (nn.Linear(4, 6), {"weight": ("kernel", (4, 6), (0,)), "bias": ("bias", (6,), ())}),
    "Bilinear": (nn.Bilinear(2, 3, 4), {"weight": ("kernel", (2, 3, 4), (0, 1))}),
    "Conv1d": (nn.Conv1d(4, 6, 3), {"weight": ("kernel", (3, 4, 6), (0, 1))}),
    "Conv2d": (nn.Conv2d(4, 6, 3, groups=2), {"weight": ("kernel", (3, 3, 2, 6), (0, 1, 2))}),
    "Conv3d": (nn.Conv3d(2, 3, 2), {"weight": ("kernel", (2, 2, 2, 2, 3), (0, 1, 2, 3))}),
    "ConvTranspose1d": (nn.ConvTranspose1d(4, 6, 3), {"weight": ("kernel", (3, 6, 4), (0, 2))}),
    "ConvTranspose2d": (
        nn.ConvTranspose2d(4, 6, 3, groups=2),
        {"weight": ("kernel", (3, 3, 2, 3, 2), (0, 1, 4))},
    ),
    "ConvTranspose3d": (
        nn.ConvTranspose3d(2, 3, 2),
        {"weight": ("kernel", (2, 2, 2, 3, 2), (0, 1, 2, 4))},
    ),
    "ConvTranspose2d in one group": (
        nn.ConvTranspose2d(4, 6, 3),
        {"weight": ("kernel", (3, 3, 6, 4), (0, 1, 3)), "bias": ("bias", (6,), ())},
    ),
    "Hugging Face's Conv1D": (
        Conv1D(6, 4),
        {"weight": ("kernel", (4, 6), (0,)), "bias": ("bias", (6,), ())},
    ),
    "Embedding": (nn.Embedding(7, 5), {"weight": ("embeddings", (7, 5), (1,))}),
    "EmbeddingBag": (nn.EmbeddingBag(7, 5), {"weight": ("embeddings", (7, 5), (1,))}),
    "RNN": (
        nn.RNN(3, 5, num_layers=2),
        {
            "weight_ih_l0": ("kernel", (3, 5), (0,)),
            "weight_hh_l0": ("recurrent_kernel", (5, 5), (0,)),
            "weight_ih_l1": ("kernel", (5, 5), (0,)),
            "bias_hh_l1": ("bias", (5,), ()),
        },
    ),
    "LSTM": (
        nn.LSTM(3, 5, bidirectional=True, proj_size=2),
        {
            "weight_ih_l0_reverse": ("kernel", (3, 20), (0,)),
            "weight_hh_l0": ("recurrent_kernel", (2, 20), (0,)),
            "weight_hr_l0": ("projection_kernel", (5, 2), (0,)),
        },
    ),
    "GRUCell": (
        nn.GRUCell(3, 5),
        {"weight_ih": ("kernel", (3, 15), (0,)), "bias_ih": ("bias", (15,), ())},
    ),
    "MultiheadAttention": (
        nn.MultiheadAttention(4, 2),
        {
            "in_proj_weight[query]": ("kernel", (4, 4), (0,)),
            "in_proj_weight[key]": ("kernel", (4, 4), (0,)),
            "in_proj_weight[value]": ("kernel", (4, 4), (0,)),
            "in_proj_bias[value]": ("bias", (4,), ()),
            "out_proj.weight": ("kernel", (4, 4), (0,)),
        },
    ),
    "MultiheadAttention apart": (
        nn.MultiheadAttention(4, 2, kdim=3, vdim=5),
        {"k_proj_weight": ("kernel", (3, 4), (0,)), "v_proj_weight": ("kernel", (5, 4), (0,))},
    ),
    "BatchNorm2d": (nn.BatchNorm2d(6), {"weight": ("gamma", (6,), ()), "bias": ("beta", (6,), ())}),
    "InstanceNorm1d": (nn.InstanceNorm1d(6, affine=True), {"weight": ("gamma", (6,), ())}),
    "LayerNorm": (nn.LayerNorm((2, 3)), {"weight": ("gamma", (2, 3), ())}),
    "GroupNorm": (nn.GroupNorm(2, 6), {"bias": ("beta", (6,), ())}),
    "RMSNorm": (nn.RMSNorm(6), {"weight": ("gamma", (6,), ())}),
    "PReLU": (nn.PReLU(6), {"weight": ("alpha", (6,), ())}),
}
VIEWS = [
    pytest.param(module, name, *row, id=f"{title}-{name}")
    for title, (module, rows) in MODULES.items()
    for name, row in rows.items()
]


@pytest.mark.parametrize(("module", "name", "role", "shape", "axes"), VIEWS)
def test_a_parameter_has_its_role_layout_and_units(
    module: nn.Module, name: str, role: str, shape: Any, axes: Any
) -> None:
    constrain(module, {name: MaxNorm(1e3, axis="unit")})
    bound = constraints_of(module)[name]
    assert bound.layout.role == role
    assert tuple(bound.view.shape) == shape
    assert bound.constraint == MaxNorm(1e3, axis=axes)
    stored = bound.weight.tensor.untyped_storage()
    assert bound.view.untyped_storage().data_ptr() == stored.data_ptr()


@pytest.mark.parametrize(("module", "name", "role", "shape", "axes"), VIEWS)
def test_only_the_vector_of_a_perturbed_unit_moves(
    module: nn.Module, name: str, role: str, shape: Any, axes: Any
) -> None:
    constrain(module, {name: MaxNorm(1e3, axis="unit")})
    bound = constraints_of(module)[name]
    place = tuple(-1 for _ in shape)
    with torch.no_grad():
        bound.view[place] = 1e6
    before = {key: tensor.clone() for key, tensor in module.state_dict().items()}
    seen = bound.view.clone()
    project(module)
    moved = bound.view != seen
    unit = tuple(slice(None) if axis in axes else -1 for axis in range(len(shape)))
    assert moved[place]
    inside = moved[unit].sum()
    assert moved.sum() == inside
    changed = sum(int((before[key] != t).sum()) for key, t in module.state_dict().items())
    assert changed == inside


@pytest.mark.parametrize("title", MODULES)
def test_no_parameter_is_missing_from_the_table(title: str) -> None:
    module = MODULES[title][0]
    known = {layout.parameter for layout in layouts_of(module)}
    assert {name for name, _ in module.named_parameters(recurse=False)} <= known


def test_a_transformer_by_roles() -> None:
    model = nn.TransformerEncoderLayer(8, 2, dim_feedforward=16)
    report = constrain(model, kernel=MaxNorm(0.5, axis="unit"), project=True)
    assert [(row.parameter, row.vectors, row.length) for row in report.rows] == [
        ("self_attn.in_proj_weight[query]", 8, 8),
        ("self_attn.in_proj_weight[key]", 8, 8),
        ("self_attn.in_proj_weight[value]", 8, 8),
        ("self_attn.out_proj.weight", 8, 8),
        ("linear1.weight", 16, 8),
        ("linear2.weight", 8, 16),
    ]
    assert check(model).ok
    assert (model.self_attn.in_proj_weight.norm(dim=1) <= 0.5).all()


def test_a_unit_of_a_transposed_convolution_has_the_inputs_of_its_group() -> None:
    module = nn.ConvTranspose2d(4, 6, 3, groups=2)
    (row,) = constrain(module, kernel=MaxNorm(0.1, axis="unit"), project=True).rows
    assert (row.vectors, row.length) == (6, 18)
    # Input channels 0 and 1 go to units 0 to 2, the others to units 3 to 5.
    for unit in range(6):
        group, place = divmod(unit, 3)
        norm = module.weight[2 * group : 2 * group + 2, place].norm()
        assert norm.item() == pytest.approx(0.1, rel=1e-6)


def test_what_a_unit_of_a_group_is_made_of_reaches_that_unit_alone() -> None:
    module = nn.ConvTranspose2d(4, 6, 3, groups=2)
    constrain(module, kernel=MaxNorm(1, axis="unit"))
    view = constraints_of(module)["weight"].view
    inputs = torch.randn(1, 4, 5, 5)
    for unit in range(6):
        before = module(inputs)
        view[:, :, unit // 3, unit % 3] += 1
        moved = (module(inputs) - before).abs().sum(dim=(0, 2, 3)) > 1e-6
        assert moved.nonzero().flatten().tolist() == [unit]


def test_in_groups_of_transposed_convolutions_of_any_rank() -> None:
    for kind in (nn.ConvTranspose1d, nn.ConvTranspose3d, nn.LazyConvTranspose2d):
        sizes = (6, 2) if kind is nn.LazyConvTranspose2d else (4, 6, 2)
        module = kind(*sizes, groups=2)
        module(torch.ones(1, 4, *[3] * (int(kind.__name__[-2]))))
        (row,) = constrain(module, kernel=MaxNorm(1, axis="unit")).rows
        assert row.vectors == 6


@pytest.mark.parametrize("build", [False, True])
def test_weights_that_keras_keeps_elsewhere_are_no_parameters(build: bool) -> None:
    layer = keras.layers.Dense(3)
    if build:
        layer.build((None, 4))
    with pytest.raises(ValueError, match="selects no parameter"):
        constrain(layer, kernel=MaxNorm(1, axis="unit"))
