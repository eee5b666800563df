"""Constraints act after each optimizer step, whatever happens to the module in between."""

from __future__ import annotations

import copy
import gc
import io
import pickle
import warnings
from typing import Any

import pytest
import torch
from torch import nn

from feasible import Constraint, MaxNorm, MinMaxNorm, NonNeg, RadialConstraint, UnitNorm
from feasible.known_layouts.torch_layouts import EMBEDDINGS, KERNEL
from feasible.layers import Dense
from feasible.torch import check, constrain, constraints_of, project, register_layouts
from feasible.torch.bound_weights import declare
from feasible.torch.declarations import declared_constraint, watched


def constrained(**constraints: Any) -> Dense:
    """A built Dense layer of 4 units over 5 inputs, with large weights."""
    torch.manual_seed(0)
    layer = Dense(4, **constraints)
    layer(torch.ones(1, 5))
    with torch.no_grad():
        layer.weight.mul_(10)
    return layer


def take_step(module: nn.Module, optimizer: torch.optim.Optimizer | None = None) -> None:
    """One plain step of an optimizer that nobody told of constraints."""
    optimizer = optimizer or torch.optim.SGD(module.parameters(), lr=0.1)
    optimizer.zero_grad()
    module(torch.ones(3, 5)).square().sum().backward()
    optimizer.step()


def norms(layer: nn.Module) -> torch.Tensor:
    return torch.linalg.vector_norm(layer.weight.detach().double(), dim=1)


def through_pickle(module: nn.Module) -> nn.Module:
    return pickle.loads(pickle.dumps(module))


def through_save(module: nn.Module) -> nn.Module:
    file = io.BytesIO()
    torch.save(module, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


def through_assign(module: nn.Module) -> nn.Module:
    module.load_state_dict({k: v * 3 for k, v in module.state_dict().items()}, assign=True)
    return module


@pytest.mark.parametrize(
    "journey",
    [
        lambda module: module,
        copy.deepcopy,
        through_pickle,
        through_save,
        through_assign,
        lambda module: module.to(torch.float64).to(torch.float32),
        lambda module: module.to_empty(device="cpu").requires_grad_(),
        lambda module: copy.deepcopy(copy.deepcopy(nn.Sequential(module)))[0],
    ],
    ids=["same", "deepcopy", "pickle", "save", "assign", "to", "to_empty", "nested"],
)
def test_a_declaration_goes_where_its_module_goes(journey: Any) -> None:
    layer = journey(constrained(kernel_constraint=MaxNorm(1)))
    with torch.no_grad():
        layer.weight.normal_().mul_(10)
        layer.bias.zero_()  # to_empty leaves whatever lay in memory
    take_step(layer)
    assert (norms(layer) <= 1).all()
    assert list(layer.state_dict()) == ["weight", "bias"]
    assert type(layer) is Dense


def test_a_copy_and_its_original_are_independent() -> None:
    layer = constrained(kernel_constraint=MaxNorm(1))
    other = copy.deepcopy(layer)
    other.kernel_constraint = None
    take_step(other)
    assert (norms(other) > 1).any()
    take_step(layer)
    assert (norms(layer) <= 1).all()


OPTIMIZERS = {
    "SGD": torch.optim.SGD,
    "SGD fused": lambda p, lr: torch.optim.SGD(p, lr=lr, fused=True),
    "Adam": torch.optim.Adam,
    "Adam foreach": lambda p, lr: torch.optim.Adam(p, lr=lr, foreach=True),
    "Adam fused": lambda p, lr: torch.optim.Adam(p, lr=lr, fused=True),
    "AdamW": torch.optim.AdamW,
    "RMSprop": torch.optim.RMSprop,
    "Adagrad": torch.optim.Adagrad,
    "Rprop": torch.optim.Rprop,
}


@pytest.mark.parametrize("make", OPTIMIZERS.values(), ids=OPTIMIZERS)
def test_every_optimizer_honours_it_after_every_step(make: Any) -> None:
    layer = constrained(kernel_constraint=UnitNorm(), bias_constraint="non_neg")
    optimizer = make(layer.parameters(), lr=0.3)
    for _ in range(5):
        take_step(layer, optimizer)
        assert check(layer).ok
        torch.testing.assert_close(
            norms(layer), torch.ones(4, dtype=torch.float64), rtol=0, atol=1e-6
        )


def test_a_closure() -> None:
    layer = constrained(kernel_constraint=MaxNorm(1))
    optimizer = torch.optim.LBFGS(layer.parameters(), max_iter=3)

    def closure() -> torch.Tensor:
        optimizer.zero_grad()
        loss = (layer(torch.ones(3, 5)) - 9).square().sum()
        loss.backward()
        return loss

    for _ in range(3):
        optimizer.step(closure)
        assert (norms(layer) <= 1).all()


def test_several_optimizers_each_see_their_own_parameters() -> None:
    first, second = (constrained(kernel_constraint=MaxNorm(1)) for _ in range(2))
    optimizer = torch.optim.SGD(first.parameters(), lr=0.1)
    before = second.weight.clone()
    second(torch.ones(1, 5)).sum().backward()
    take_step(first, optimizer)
    assert torch.equal(second.weight, before)
    optimizer.add_param_group({"params": list(second.parameters())})
    optimizer.step()
    assert (norms(second) <= 1).all()


def test_parameters_that_a_step_leaves_alone_stay_as_they_are() -> None:
    layer = constrained(kernel_constraint=MaxNorm(1), trainable=False)
    before = layer.weight.clone()
    free = nn.Parameter(torch.ones(2))
    optimizer = torch.optim.SGD([*layer.parameters(), free], lr=0.1)
    free.sum().backward()
    optimizer.step()
    assert torch.equal(layer.weight, before)
    layer.trainable = True
    take_step(layer, optimizer)
    assert (norms(layer) <= 1).all()


def test_once_a_step_under_gradient_accumulation() -> None:
    layer = constrained(kernel_constraint=MinMaxNorm(0, 1, rate=0.5))
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
    start = norms(layer)
    for _ in range(3):
        layer(torch.ones(1, 5)).sum().backward()
        torch.testing.assert_close(norms(layer), start)
    optimizer.step()
    torch.testing.assert_close(norms(layer), 0.5 * start + 0.5, rtol=1e-6, atol=0)


@pytest.mark.parametrize("fused", [False, True])
def test_not_on_a_step_that_a_scaler_skipped(fused: bool) -> None:
    layer = constrained(kernel_constraint=MinMaxNorm(0, 1, rate=0.5))
    optimizer = torch.optim.SGD(layer.parameters(), lr=1e-3, fused=fused)
    scaler = torch.amp.GradScaler("cpu", init_scale=4.0)
    before = layer.weight.clone()
    for factor, moved in ((torch.inf, False), (1.0, True)):
        optimizer.zero_grad()
        scaler.scale(layer(torch.ones(1, 5)).sum() * factor).backward()
        scaler.step(optimizer)
        scaler.update()
        assert torch.equal(layer.weight, before) is not moved


def test_shared_parameters_are_projected_once() -> None:
    first, second = (constrained(kernel_constraint=MinMaxNorm(0, 1, rate=0.5)) for _ in range(2))
    second.weight = first.weight
    start = norms(first)
    take_step(nn.Sequential(first), torch.optim.SGD(first.parameters(), lr=0.0))
    torch.testing.assert_close(norms(first), 0.5 * start + 0.5, rtol=1e-6, atol=0)
    second.kernel_constraint = NonNeg()
    with pytest.raises(ValueError, match="are one parameter, and must have one constraint"):
        take_step(first)


def test_a_constraint_that_is_replaced_holds_from_the_next_step() -> None:
    layer = constrained(kernel_constraint=MaxNorm(3))
    take_step(layer)
    assert (norms(layer) > 1).any()
    layer.kernel_constraint = "unit_norm"
    assert layer.kernel_constraint == UnitNorm()
    take_step(layer)
    torch.testing.assert_close(norms(layer), torch.ones(4, dtype=torch.float64), rtol=0, atol=1e-6)
    layer.kernel_constraint = None
    take_step(layer)
    assert (norms(layer) - 1).abs().max() > 1e-3


def test_compiled_models_are_constrained_too() -> None:
    layer = constrained(kernel_constraint=MaxNorm(1))
    model = torch.compile(layer, backend="eager")
    take_step(model)
    assert (norms(layer) <= 1).all()


def graphs_of_a_compiled_step(layer: nn.Module, calls: int) -> list[int]:
    """How many operations each graph holds into which an optimizer's step is compiled."""
    graphs: list[int] = []

    def backend(graph: torch.fx.GraphModule, inputs: Any) -> Any:
        graphs.append(len(graph.graph.nodes))
        return graph

    optimizer = torch.optim.Adam(layer.parameters(), lr=0.1)
    torch._dynamo.reset()
    step = torch.compile(optimizer.step, backend=backend)
    for _ in range(calls):
        layer(torch.ones(3, 5)).sum().backward()
        step()
    return graphs


# PyTorch's own.
@pytest.mark.filterwarnings("ignore:.torch.jit.script_method:DeprecationWarning")
def test_compiled_steps_are_compiled_as_without_constraints() -> None:
    layer = constrained(kernel_constraint=UnitNorm(), bias_constraint=NonNeg())
    graphs = graphs_of_a_compiled_step(layer, 3)
    assert check(layer).ok
    assert graphs == graphs_of_a_compiled_step(constrained(), 3)


@pytest.mark.parametrize(
    "change",
    [
        lambda layer: setattr(layer.weight, "data", layer.weight.data.t().contiguous().t()),
        lambda layer: setattr(layer.weight, "data", layer.weight.data.bfloat16()),
        lambda layer: setattr(layer.weight, "data", layer.weight.data.double()),
        lambda layer: setattr(layer, "weight", nn.Parameter(layer.weight.data.clone())),
        lambda layer: setattr(
            layer, "kernel_constraint", layer.kernel_constraint.replace(max_value=1)
        ),
    ],
    ids=["strides", "half", "double", "replaced", "bound"],
)
def test_what_changes_between_steps_is_seen(change: Any) -> None:
    layer = constrained(kernel_constraint=MaxNorm(2), use_bias=False)
    take_step(layer)
    change(layer)
    layer.weight.grad = torch.zeros_like(layer.weight)
    with torch.no_grad():
        layer.weight.mul_(10)
    expected = layer.kernel_constraint(layer.weight.detach().t()).t()
    torch.optim.SGD(layer.parameters(), lr=0.1).step()
    rtol = 4 * torch.finfo(expected.dtype).eps
    torch.testing.assert_close(layer.weight.detach(), expected, rtol=rtol, atol=0)


def test_a_square_weight_that_is_stored_transposed() -> None:
    linear = nn.Linear(6, 6, bias=False)
    linear.weight.data = torch.randn(6, 6).mul(10).t()
    declare(linear, KERNEL, MaxNorm(1))
    expected = MaxNorm(1, axis=1)(linear.weight.detach())
    project(linear)
    torch.testing.assert_close(linear.weight.detach(), expected, rtol=5e-7, atol=0)


def test_a_mark_on_a_parameter_is_seen() -> None:
    layer = constrained(kernel_constraint=MaxNorm(1))
    take_step(layer)
    layer.weight.ds_id = 3
    with pytest.raises(ValueError, match="DeepSpeed's ZeRO"):
        take_step(layer)
    del layer.weight.ds_id


class Mutating(nn.Module):
    """A module as a constraint, which writes to what it is given."""

    def forward(self, w: torch.Tensor) -> torch.Tensor:
        return w.clamp_(min=0)


def test_any_callable_serves() -> None:
    layer = constrained(kernel_constraint=Mutating(), bias_constraint=lambda w: w - w.mean())
    assert [name for name, _ in layer.named_modules()] == [""]
    take_step(layer)
    assert (layer.weight >= 0).all()
    assert (layer.weight > 0).any()
    assert abs(layer.bias.mean().item()) < 1e-6


@pytest.mark.parametrize(
    ("returned", "error", "message"),
    [
        (lambda w: None, TypeError, "must return a tensor of shape .5, 4.*None"),
        (lambda w: w.t(), ValueError, "shape, torch.Size..5, 4.*4, 5"),
        (lambda w: w.double(), ValueError, "dtype, torch.float32. Received: torch.float64"),
        (lambda w: w.detach().numpy(), TypeError, "must return a tensor"),
    ],
)
def test_a_callable_that_returns_something_else_leaves_the_weight(
    returned: Any, error: type[Exception], message: str
) -> None:
    def wrong(w: torch.Tensor) -> Any:
        w.zero_()
        return returned(w)

    layer = constrained(kernel_constraint=NonNeg())
    before = layer.weight.clone()
    with pytest.raises(error, match=rf"dense\.weight: .*{message}"):
        layer.kernel_constraint = wrong
    assert torch.equal(layer.weight, before)
    assert layer.kernel_constraint == NonNeg()


def test_a_callable_that_goes_wrong_later_leaves_the_weight() -> None:
    calls = []

    def wrong(w: torch.Tensor) -> Any:
        calls.append(w.zero_())
        return w if len(calls) == 1 else None

    layer = constrained(kernel_constraint=wrong)
    layer(torch.ones(1, 5)).sum().backward()
    optimizer = torch.optim.SGD(layer.parameters(), lr=0.0)
    before = layer.weight.clone()
    with pytest.raises(
        TypeError, match=r"dense\.weight: .*must return a tensor.*None\. It is given"
    ):
        optimizer.step()
    assert torch.equal(layer.weight, before)


def test_a_constraint_of_the_pages_kind_is_projected_in_keras_layout() -> None:
    seen = []

    class Watching(Constraint):
        def __call__(self, w: torch.Tensor) -> torch.Tensor:
            seen.append(tuple(w.shape))
            return w

    layer = constrained(kernel_constraint=Watching())
    seen.clear()  # it was tried when the layer was built
    take_step(layer)
    assert seen == [(5, 4)]


def test_what_cannot_be_called_is_refused() -> None:
    with pytest.raises(TypeError, match=r"Linear: the constraint of `kernel` must be an instance"):
        declare(nn.Linear(2, 3), KERNEL, 3)


def test_an_axis_that_the_weight_lacks_is_refused_when_it_is_bound() -> None:
    layer = constrained(kernel_constraint=NonNeg())
    with pytest.raises(
        ValueError, match=r"MaxNorm: `axis` .* axis=2 for a weight of shape \(5, 4\)"
    ):
        layer.kernel_constraint = MaxNorm(1, axis=2)
    assert layer.kernel_constraint == NonNeg()
    with pytest.raises(ValueError, match=r"axis=1 for a weight of shape \(4,\)"):
        constrained(bias_constraint=MaxNorm(1, axis=1))


def test_a_users_module_joins_the_table() -> None:
    class Tall(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(torch.ones(6, 2))

    register_layouts(Tall, EMBEDDINGS)
    module = Tall()
    declare(module, EMBEDDINGS, MaxNorm(1, axis="unit"))
    project(module)
    assert (module.weight.norm(dim=1) <= 1).all()


def test_the_usual_mistake_is_warned_of_once_and_its_intended_form_is_not() -> None:
    module = nn.Conv2d(4, 6, 3)
    with pytest.warns(
        UserWarning, match=r"72 vectors of 3\. axis=\"unit\".* 6 vectors of 36"
    ) as caught:
        declare(module, KERNEL, MaxNorm(1))
    assert len(caught) == 1
    optimizer = torch.optim.SGD(module.parameters(), lr=0.1)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        for _ in range(2):
            module(torch.ones(1, 4, 5, 5)).sum().backward()
            optimizer.step()
        copy.deepcopy(module)
        declare(module, KERNEL, MaxNorm(1, axis=(0,)))
        declare(module, KERNEL, MaxNorm(1, axis="unit"))
        declare(nn.Conv2d(1, 6, (3, 1)), KERNEL, MaxNorm(1))  # the same vectors either way
        declare(module, KERNEL, RadialConstraint())
        declare(nn.Conv2d(4, 6, 4), KERNEL, RadialConstraint(rings="mean"))
        declare(nn.Conv2d(4, 6, 2), KERNEL, RadialConstraint())
    with pytest.warns(UserWarning, match=r"even size 4 .*\"mean\""):
        declare(nn.Conv2d(4, 6, 4), KERNEL, RadialConstraint())


def test_a_declaration_can_be_removed_and_read() -> None:
    module = nn.Linear(2, 3)
    assert declared_constraint(module, KERNEL) is None
    declare(module, KERNEL, None)
    declare(module, KERNEL, NonNeg())
    assert declared_constraint(module, KERNEL) == NonNeg()
    assert list(constraints_of(nn.Sequential(module))) == ["0.weight"]
    declare(module, KERNEL, None)
    assert constraints_of(module) == {}


def test_what_is_wrong_elsewhere_does_not_concern_a_step() -> None:
    broken = Dense(4, bias_constraint=MaxNorm(1, axis=1))
    with pytest.raises(ValueError, match="axis=1"):
        broken(torch.ones(1, 5))
    layer = constrained(kernel_constraint=MaxNorm(1))
    take_step(layer)
    assert (norms(layer) <= 1).all()


def test_nothing_is_kept_alive() -> None:
    layer = constrained(kernel_constraint=NonNeg())
    gc.collect()
    count = len(watched)
    del layer
    gc.collect()
    assert len(watched) == count - 1


def test_the_measure_of_a_model_by_the_constraints_of_another() -> None:
    layer, twin = constrained(kernel_constraint=MaxNorm(1)), constrained()
    project(layer)
    assert check(layer).ok
    report = check(twin, constraints_of(layer))
    assert report.rows[0].violating == 4
    assert report.rows[0].worst == pytest.approx(float(norms(twin).max()) - 1, rel=1e-6)
    with pytest.raises(ValueError, match="must name parameters of the model"):
        check(nn.ReLU(), constraints_of(layer))


class Failing(Constraint):
    def __call__(self, w: Any) -> Any:
        if float(w.sum()) > 1e3:
            raise RuntimeError("cannot")
        return w


def test_an_error_within_a_step_says_which_weights_were_projected() -> None:
    model = nn.Sequential(*(nn.Linear(5, 5) for _ in range(4)))
    constrain(model, {"0.weight": MaxNorm(1, axis=None), "[123].weight": Failing()})
    with torch.no_grad():
        model[2].weight.fill_(1e3)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.0)
    model(torch.ones(1, 5)).sum().backward()
    with pytest.raises(RuntimeError, match="cannot") as caught:
        optimizer.step()
    (note,) = caught.value.__notes__
    assert note == (
        "Projected before: 0.weight, 1.weight. Not projected, or not all: 2.weight, 3.weight."
    )
