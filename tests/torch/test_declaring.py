"""What is declared of a model as people use it: nothing silently not applied, nothing half done."""

from __future__ import annotations

import copy
import pickle
from typing import Any

import pytest
import torch
from torch import nn
from torch.nn.utils.parametrizations import weight_norm

from feasible import Constraint, MaxNorm, NonNeg, UnitNorm
from feasible.layers import Dense
from feasible.torch import check, constrain, constraints_of, project, release


def network() -> nn.Sequential:
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(7, 5), nn.ReLU(), nn.Linear(5, 5))


def take_step(model: nn.Module, inputs: torch.Tensor) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    model(inputs).square().mean().backward()
    optimizer.step()


def raising(w: torch.Tensor) -> torch.Tensor:
    raise RuntimeError("no")


def in_place(w: torch.Tensor) -> None:
    w.clamp_(min=0)


@pytest.mark.parametrize(
    ("constraint", "error", "message"),
    [
        (in_place, TypeError, r"^2\.weight: .* in_place must .*None\. It is given a copy"),
        (lambda w: w[1:], ValueError, r"^2\.weight: .* weight's shape, .*\[5, 5\].*\[4, 5\]"),
        (lambda w: w.double(), ValueError, r"^2\.weight: .* weight's dtype, torch\.float32"),
        (raising, RuntimeError, "no"),
    ],
)
@pytest.mark.parametrize("is_class", [False, True])
def test_a_callable_is_tried_and_nothing_declared(
    constraint: Any, error: type[Exception], message: str, is_class: bool
) -> None:
    class Wrong(Constraint):
        def __call__(self, w: torch.Tensor) -> Any:
            return constraint(w)

    model = network()
    before = copy.deepcopy(model.state_dict())
    constrain(model, {"0.weight": MaxNorm(1)})
    wrong = Wrong() if is_class else constraint
    with pytest.raises(error, match=message.replace("in_place", ".*")) as raised:
        constrain(model, {"0.weight": NonNeg(), "2.weight": wrong}, project=True)
    if error is RuntimeError:
        assert "2.weight: raised by the constraint" in raised.value.__notes__[0]
    declared = {name: one.declared for name, one in constraints_of(model).items()}
    assert declared == {"0.weight": MaxNorm(1)}
    assert all(torch.equal(before[name], one) for name, one in model.state_dict().items())


def test_a_complex_weight_leaves_nothing_declared() -> None:
    model = nn.Sequential(nn.Linear(3, 2), nn.Linear(2, 2, dtype=torch.complex64))
    for constraint in (NonNeg(), torch.clone):
        with pytest.raises(TypeError, match=r"^1\.weight: .*the weight must be real"):
            constrain(model, {"*.weight": constraint})
        assert constraints_of(model) == {}


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ((torch.optim.SGD(nn.Linear(2, 2).parameters()),), "`model` must be a torch.nn.Module"),
        ((network(), {network()[0]: NonNeg()}), r"`selector` must be .*a module that is there"),
        ((network(), {"*": MaxNorm}), r"`constraint` must be an instance, such as MaxNorm\(\.\.\."),
        ((network(), 3), "`rules` must be a mapping"),
    ],
)
def test_what_is_no_model_selector_or_constraint_is_refused(arguments: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message) as raised:
        constrain(*arguments)
    assert len(str(raised.value)) < 1500
    with pytest.raises(TypeError, match="`kernel` must be an instance"):
        constrain(network(), kernel=MaxNorm)  # type: ignore[arg-type]


def test_a_module_type_alone_means_its_kernels() -> None:
    model = nn.Sequential(nn.Linear(3, 4), nn.LSTM(4, 2), nn.Embedding(3, 2))
    report = constrain(model, {nn.Linear: NonNeg(), nn.LSTM: NonNeg(), nn.Embedding: NonNeg()})
    assert [row.parameter for row in report.rows] == [
        "0.weight",
        "1.weight_ih_l0",
        "1.weight_hh_l0",
        "2.weight",
    ]


def test_parts_are_selected_by_globs() -> None:
    model = nn.ModuleDict({name: nn.MultiheadAttention(4, 2) for name in "ab"})
    report = constrain(model, {"*.in_proj_weight[query]": MaxNorm(1, axis="unit")})
    names = ["a.in_proj_weight[query]", "b.in_proj_weight[query]"]
    assert [row.parameter for row in report.rows] == names
    with pytest.raises(ValueError, match=r"\[reset\] is read as a part"):
        constrain(nn.GRU(2, 2, bidirectional=True), {"weight_ih_l0*[reset]": NonNeg()})


class Scale(nn.Module):
    """As a layer scale of timm: a parameter that has a role's name, and is none."""

    def __init__(self) -> None:
        super().__init__()
        self.gamma = nn.Parameter(-torch.ones(5))
        self.mixing = nn.Parameter(torch.ones(5, 5))

    def forward(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.gamma * inputs @ self.mixing


def test_roles_come_from_modules_that_are_known() -> None:
    model = nn.Sequential(nn.Linear(5, 5), nn.LayerNorm(5), Scale())
    report = constrain(model, gamma=NonNeg(), kernel=MaxNorm(1, axis="unit"))
    assert [row.parameter for row in report.rows] == ["1.weight", "0.weight"]
    assert [note.split(":")[0] for note in report.notes] == [
        "gamma= passes over 2.gamma of Scale",
        "kernel= passes over 2.mixing of Scale",
    ]
    assert "note: kernel= passes over 2.mixing of Scale" in str(report)
    assert [row.parameter for row in constrain(model, {"*.gamma": NonNeg()}).rows] == ["2.gamma"]
    with pytest.raises(ValueError, match=r"alpha= selects no .*Not known: .* of Scale"):
        constrain(model, alpha=NonNeg())


def test_a_special_rule_comes_before_a_general_one() -> None:
    model = network()
    report = constrain(model, {"2.weight": UnitNorm("unit")}, kernel=MaxNorm(1, axis="unit"))
    declared = {name: one.declared for name, one in constraints_of(model).items()}
    assert declared == {"0.weight": MaxNorm(1, axis="unit"), "2.weight": UnitNorm("unit")}
    assert report.notes == (
        "2.weight: its own rule comes before kernel=: MaxNorm(max_value=1, axis='unit')",
    )


def test_a_tied_weight_cannot_have_two_constraints() -> None:
    model = nn.ModuleDict({"embedding": nn.Embedding(9, 4), "head": nn.Linear(4, 9, bias=False)})
    model["head"].weight = model["embedding"].weight
    constrain(model, {"embedding.weight": UnitNorm("unit")})
    with pytest.raises(ValueError, match=r"^head\.weight and embedding\.weight are one parameter"):
        constrain(model, {"head.weight": MaxNorm(1)})
    assert list(constraints_of(model)) == ["embedding.weight"]
    constrain(model, {"head.weight": UnitNorm("unit")})  # which means the same
    release(model, "embedding.*")
    constrain(model, {"head.weight": MaxNorm(1)})


def test_a_steps_errors_name_the_path_in_the_model() -> None:
    fails: list[bool] = []

    def later(w: torch.Tensor) -> Any:
        return None if fails else w

    model = network()
    constrain(model, {"2.weight": later})
    fails.append(True)
    with pytest.raises(TypeError, match=r"^2\.weight: the constraint later must return a tensor"):
        take_step(model, torch.ones(1, 7))
    tied = nn.Sequential(nn.Linear(4, 4), nn.Linear(4, 4))
    constrain(tied, {"0.weight": NonNeg(), "1.weight": MaxNorm(1)})
    tied[1].weight = tied[0].weight
    with pytest.raises(ValueError, match=r"^0\.weight and 1\.weight are one parameter"):
        take_step(tied, torch.ones(1, 4))
    copied = pickle.loads(pickle.dumps(tied))
    with pytest.raises(ValueError, match=r"^0\.weight and 1\.weight are one parameter"):
        project(copied)


def test_a_layers_own_name_is_its_path() -> None:
    layer = Dense(2, kernel_constraint=NonNeg(), name="head", input_shape=(3,))
    layer(torch.ones(1, 3))
    with pytest.raises(ValueError, match=r"^head\.weight, the kernel: MaxNorm: `axis`"):
        layer.kernel_constraint = MaxNorm(1, axis=4)


@pytest.mark.parametrize("kind", [nn.Embedding, nn.EmbeddingBag])
@pytest.mark.parametrize("padding", [0, 2, 4])
def test_the_padding_of_an_embedding_is_exempt(kind: Any, padding: int) -> None:
    model = nn.Sequential(kind(5, 3, padding_idx=padding), nn.Linear(3, 1))
    report = constrain(model, embeddings=UnitNorm("unit"), project=True)
    assert report.ok
    assert {row.note for row in report.rows} == {f"row {padding}, the padding, is exempt"}
    assert f"row {padding}, the padding, is exempt" in str(check(model))
    assert sum(row.vectors for row in report.rows) == 4
    take_step(model, torch.tensor([[0, 1, 2, 3, 4]]))
    wanted = torch.ones(5)
    wanted[padding] = 0
    torch.testing.assert_close(model[0].weight.norm(dim=1), wanted)
    with torch.no_grad():
        model[0].weight[padding] = 7.0
    project(model)
    assert check(model).ok
    assert (model[0].weight[padding] == 7).all()


def test_a_tied_embedding_with_padding_is_constrained_under_one_name() -> None:
    model = nn.ModuleDict(
        {"embedding": nn.Embedding(9, 4, padding_idx=0), "head": nn.Linear(4, 9, bias=False)}
    )
    model["head"].weight = model["embedding"].weight
    message = r"^head\.weight and embedding\.weight\[tokens\] are .*\{'head\.weight': None\}"
    with pytest.raises(ValueError, match=message):
        constrain(model, {"*.weight": UnitNorm("unit")})
    report = constrain(model, {"*.weight": UnitNorm("unit"), "head.weight": None})
    assert [row.parameter for row in report.rows] == ["embedding.weight[tokens]"]
    with pytest.raises(ValueError, match=message):
        constrain(model, {"head.weight": UnitNorm("unit")})


def test_rows_added_behind_the_padding_are_constrained_too() -> None:
    model = nn.Sequential(nn.Embedding(3, 2, padding_idx=2))
    constrain(model, embeddings=UnitNorm("unit"))
    model[0].weight = nn.Parameter(torch.full((6, 2), 3.0))
    project(model)
    wanted = torch.tensor([1, 1, 18**0.5, 1, 1, 1])
    torch.testing.assert_close(model[0].weight.norm(dim=1), wanted)


def test_copies_of_a_model_with_parts_are_measured_by_its_constraints() -> None:
    model = nn.Sequential(nn.Embedding(5, 3, padding_idx=0))
    constrain(model, embeddings=UnitNorm("unit"))
    other = nn.Sequential(nn.Embedding(5, 3))
    assert check(other, constraints_of(model)).rows[0].violating == 4


def test_a_frozen_weight_is_left_alone_unless_project_is_called() -> None:
    model = network()
    model[0].weight.requires_grad_(False)
    before = model[0].weight.clone()
    report = constrain(model, kernel=UnitNorm("unit"), project=True)
    assert report.notes == ("0.weight: frozen, and not projected",)
    assert [row.violating for row in report.rows] == [5, 0]
    assert torch.equal(model[0].weight, before)
    project(model)
    assert check(model).ok


def test_the_table_says_what_a_callable_is_called_with() -> None:
    model = network()
    rules = {"0.weight": torch.abs}
    assert constrain(model, rules).rows[0].note == "called with (7, 5), in Keras layout"
    native = constrain(model, rules, layout="native")
    assert native.rows[0].note == "called with (5, 7), as stored"
    assert constrain(model, {"0.bias": torch.abs}).rows[0].note == "called with (5,), as stored"
    assert "note" in str(native).splitlines()[0]
    assert "note" not in str(constrain(network(), kernel=NonNeg()))


def test_a_constraint_that_cannot_be_pickled_is_noted() -> None:
    report = constrain(network(), {"0.weight": lambda w: w.abs(), "2.weight": torch.abs})
    (note,) = report.notes
    assert note.startswith("0.weight: <lambda> cannot be pickled, and so neither can the model.")


@pytest.mark.filterwarnings("ignore:`torch.nn.utils.weight_norm` is deprecated")
@pytest.mark.parametrize("hook", ["weight_norm", "spectral_norm"])
def test_an_old_hook_is_named_with_what_takes_its_place(hook: str) -> None:
    model = network()
    getattr(nn.utils, hook)(model[2])
    with pytest.raises(
        ValueError, match=rf"^2\.weight is .* hook .*\.{hook} .*parametrizations\.{hook} "
    ):
        constrain(model, kernel=NonNeg())
    assert constraints_of(model) == {}
    constrain(model, {"2.weight": None}, kernel=NonNeg())
    getattr(nn.utils, f"remove_{hook}")(model[2])
    constrain(model, kernel=NonNeg())
    if hook == "weight_norm":
        weight_norm(model[2])
        constrain(model, kernel=NonNeg())
