"""The table of torch.nn's modules: every parameter has a role, and a unit's weights are its own."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from torch import nn

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
