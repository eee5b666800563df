"""One process of the distributed tests: `distributed_run.py SCENARIO RANK WORLD FILE`.

Every scenario trains a model twice, as it is and distributed, and compares the weights.
"""

from __future__ import annotations

import copy
import sys
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch
import torch.distributed as dist
from torch import nn
from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
from torch.distributed.fsdp import fully_shard
from torch.distributed.tensor import DTensor, Replicate, Shard, distribute_tensor
from torch.distributed.tensor.debug import CommDebugMode
from torch.nn.parallel import DistributedDataParallel

from feasible import (
    Blocks,
    Box,
    CappedSimplex,
    Constraint,
    FixedSum,
    HalfSpace,
    Hyperplane,
    L1Ball,
    Mask,
    MaxNorm,
    MinMaxNorm,
    Monotone,
    NonNeg,
    NuclearNorm,
    Orthogonal,
    RadialConstraint,
    Rank,
    Rule,
    Simplex,
    SpectralNorm,
    Sphere,
    TopK,
    UnitNorm,
)
from feasible.layers import DepthwiseConv2D
from feasible.torch import Monitor, check, constrain, constraints_of, project

CONSTRAINTS: list[Any] = [
    MaxNorm(0.3, axis="unit"),
    MaxNorm(0.3, axis=1),
    MaxNorm(0.3, axis=None),
    MinMaxNorm(0.2, 0.3, rate=0.5, axis="unit"),
    MinMaxNorm(0.2, 0.3, rate=0.5, axis=1),
    UnitNorm(axis=1),
    NonNeg(),
    lambda w: w - w.mean(),
]


class Called(MaxNorm):
    """A subclass that is a function of the whole weight."""

    def __call__(self, w: Any) -> Any:
        return super().__call__(w).clamp(min=-0.05)


class Projecting(MaxNorm):
    """A subclass with a projection of its own, of the same sums."""

    def project(self, part: Any) -> Any:
        entries, stays = yield from super().project(part)
        return part.xp.where(stays, part.wide, 0.9 * entries)


class Tighter(MaxNorm):
    """A subclass with limits of its own."""

    def limits(self, stored: Any, length: int) -> Any:
        return super().limits(stored, length)._replace(high=0.1, most=0.15)


class Centered(Constraint):
    """A class of a user's own, with a sum of each block and one more once that is known."""

    def __init__(self, axis: Any) -> None:
        self.axis = axis

    def project(self, part: Any) -> Any:
        (total,) = yield (part.total(part.wide),)
        centered = part.wide - total / part.length
        (squares,) = yield (part.total(centered * centered),)
        return 0.3 * centered / squares**0.5


class Weighted(Constraint):
    """With an array of the weight's shape in Keras layout, or one that broadcasts to it."""

    def __init__(self, weights: Any, axis: Any) -> None:
        self.weights, self.axis = weights, axis

    def project(self, part: Any) -> Any:
        weights = part.array(self.weights) + part.xp.zeros_like(part.wide)
        total, squared = yield part.total(part.wide * weights), part.total(weights * weights)
        return part.wide - weights * (total - 1) / squared


class Boxed(Constraint):
    """Entries between arrays."""

    def __init__(self, low: Any, high: Any) -> None:
        self.low, self.high = low, high

    def vector_axes(self, shape: Any) -> tuple[int, ...]:
        return ()

    def project(self, part: Any) -> Any:
        return part.xp.clip(part.wide, part.array(self.low), part.array(self.high))


class Halved(Constraint):
    """With blocks that must be whole."""

    whole_blocks = True

    def __init__(self, axis: Any) -> None:
        self.axis = axis

    def project(self, part: Any) -> Any:
        blocks = part.blocks()
        half = blocks.shape[0] // 2
        return part.unblocked(part.xp.concat([blocks[:half] * 0.5, blocks[half:]]))


def own(shape: tuple[int, int]) -> list[Any]:
    """Constraints of a user's own for a kernel of some shape in Keras layout."""
    low = np.linspace(-0.2, 0.0, shape[0] * shape[1]).reshape(shape)
    return [
        *(kind(0.3, axis) for kind in (Called, Projecting, Tighter) for axis in (0, 1, None)),
        *(kind(axis) for kind in (Centered, Halved) for axis in (0, 1, None)),
        *(Weighted(1 - low, axis) for axis in (0, 1, None)),
        Weighted(np.linspace(1, 2, shape[1]), 0),
        Weighted(np.linspace(1, 2, shape[0])[:, None], 0),
        Boxed(low, low + 0.1),
        Boxed(low[:, :1], low[0] + 0.15),
    ]


def network() -> nn.Sequential:
    """A model whose sizes no number of processes divides."""
    torch.manual_seed(0)
    return nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 5))


def train(model: nn.Module, steps: int = 4) -> None:
    """Some steps of an optimizer, on the same data in every process."""
    torch.manual_seed(1)
    optimizer = torch.optim.SGD(model.parameters(), lr=0.02, momentum=0.5)
    for _ in range(steps):
        x = torch.randn(8, 5)
        optimizer.zero_grad()
        model(x).square().sum().backward()
        optimizer.step()


def whole(model: nn.Module) -> dict[str, torch.Tensor]:
    """The parameters, gathered."""
    return {
        name: p.full_tensor().detach() if isinstance(p, DTensor) else p.detach().clone()
        for name, p in model.named_parameters()
    }


def assert_equal(model: nn.Module, reference: nn.Module, what: Any) -> None:
    """Both models have the same weights to 1e-6."""
    expected = whole(reference)
    for name, tensor in whole(model).items():
        difference = (tensor - expected[name.removeprefix("module.")]).abs().max()
        assert difference <= 1e-6, (what, name, difference)


def ddp(world: int) -> None:
    for constraint in CONSTRAINTS:
        reference = network()
        constrain(reference, kernel=constraint)
        model = DistributedDataParallel(copy.deepcopy(reference))
        train(reference)
        train(model)
        assert_equal(model, reference, constraint)
        for tensor in whole(model).values():
            copies = [torch.empty_like(tensor) for _ in range(world)]
            dist.all_gather(copies, tensor.contiguous())
            assert all(torch.equal(tensor, other) for other in copies)


def zero_redundancy(world: int) -> None:
    """Optimizer states that are spread over processes change nothing, and act once a step."""
    from torch.distributed.optim import ZeroRedundancyOptimizer  # which warns when it is imported

    for constraint in CONSTRAINTS:
        reference = network()
        constrain(reference, kernel=constraint)
        model = copy.deepcopy(reference)
        torch.manual_seed(1)
        optimizers = [
            torch.optim.SGD(reference.parameters(), lr=0.02),
            ZeroRedundancyOptimizer(model.parameters(), torch.optim.SGD, lr=0.02),
        ]
        for _ in range(3):
            x = torch.randn(8, 5)
            for one, optimizer in zip((reference, model), optimizers, strict=True):
                optimizer.zero_grad()
                one(x).square().sum().backward()
                optimizer.step()
        assert_equal(model, reference, constraint)


def fsdp2(world: int) -> None:
    for constraint in CONSTRAINTS:
        for declared_before in (True, False):
            reference, model = network(), network()
            constrain(reference, kernel=constraint)
            if declared_before:
                constrain(model, kernel=constraint)
            for layer in (model[0], model[2], model):
                fully_shard(layer)
            if not declared_before:
                report = constrain(model, kernel=constraint)
                assert [row.stored for row in report.rows] == [(7, 5), (5, 7)]
            train(reference)
            train(model)
            assert_equal(model, reference, (constraint, declared_before))
            ours, theirs = check(model), check(reference)
            assert ours.ok == theirs.ok
            assert list(constraints_of(model)) == ["0.weight", "2.weight"]


def from_meta(world: int) -> None:
    """A model that is constrained and sharded before it has values."""
    with torch.device("meta"):
        model = nn.Sequential(nn.Linear(5, 7), nn.Tanh(), nn.Linear(7, 5))
    constrain(model, kernel=MaxNorm(0.3, axis=1))
    for part in (model[0], model[2], model):
        fully_shard(part)
    assert [name for name, _ in check(model).pending] == ["0.weight", "2.weight"]
    model.to_empty(device="cpu")
    for parameter in model.parameters():
        nn.init.constant_(parameter, 0.5)
    train(model)
    assert check(model).ok
    assert len(check(model).rows) == 2


def sharded(module: nn.Module, placements: Callable[[str], Any], mesh: Any) -> nn.Module:
    """Replace every parameter by one that is spread over a mesh."""
    for owner in module.modules():
        for name, parameter in list(owner.named_parameters(recurse=False)):
            spread = distribute_tensor(parameter.detach(), mesh, placements(name))
            owner.register_parameter(name, nn.Parameter(spread))
    return module


def step_by_hand(model: nn.Module, reference: nn.Module) -> None:
    """The same step on both, from gradients made up for the purpose."""
    torch.manual_seed(2)
    optimizers = [torch.optim.SGD(m.parameters(), lr=0.1) for m in (model, reference)]
    for mine, other in zip(model.parameters(), reference.parameters(), strict=True):
        other.grad = torch.randn_like(other)
        mine.grad = (
            distribute_tensor(other.grad, mine.device_mesh, mine.placements)
            if isinstance(mine, DTensor)
            else other.grad.clone()
        )
    for optimizer in optimizers:
        optimizer.step()


def dtensor(world: int) -> None:
    line = init_device_mesh("cpu", (world,))
    meshes = [(line, [[Shard(0)], [Shard(1)], [Replicate()]])]
    if world == 4:
        plane = init_device_mesh("cpu", (2, 2))
        meshes = [
            (
                plane,
                [
                    [Shard(0), Shard(1)],
                    [Replicate(), Shard(0)],
                    [Shard(1), Shard(0)],
                    [Shard(0), Shard(0)],
                ],
            )
        ]
    for mesh, options in meshes:
        for places in options:
            for constraint in CONSTRAINTS:
                reference = nn.Sequential(nn.Linear(5, 7, bias=False), nn.Linear(7, 5, bias=False))
                for parameter in reference.parameters():
                    dist.broadcast(parameter.detach(), 0)
                model = sharded(copy.deepcopy(reference), lambda name, p=places: p, mesh)
                constrain(reference, kernel=constraint)
                constrain(model, kernel=constraint)
                for _ in range(2):
                    step_by_hand(model, reference)
                assert_equal(model, reference, (places, constraint))


def own_classes(world: int) -> None:
    """Every way to write a class, every way to shard, two weights of different shapes at once."""
    line = init_device_mesh("cpu", (world,))
    meshes = [(line, [Shard(0)]), (line, [Shard(1)]), (line, [Replicate()])]
    if world == 4:
        plane = init_device_mesh("cpu", (2, 2))
        options = ((Shard(0), Shard(1)), (Replicate(), Shard(1)), (Shard(0), Replicate()))
        meshes = [(plane, list(places)) for places in options]
    for mesh, places in meshes:
        for wide, tall in zip(own((5, 7)), own((7, 5)), strict=True):
            reference = nn.Sequential(nn.Linear(5, 7, bias=False), nn.Linear(7, 5, bias=False))
            for parameter in reference.parameters():
                dist.broadcast(parameter.detach(), 0)
            model = sharded(copy.deepcopy(reference), lambda name, p=places: p, mesh)
            for one in (reference, model):
                constrain(one, {"0.weight": wide, "1.weight": tall})
            before = whole(reference)
            for _ in range(2):
                step_by_hand(model, reference)
            assert_equal(model, reference, (places, wide))
            after = whole(reference)
            assert all((after[name] - before[name]).abs().max() > 1e-3 for name in before)
            for one in (model, reference):
                project(one)
            assert_equal(model, reference, (places, wide))
            assert check(model).ok == check(reference).ok, (places, wide)


def catalogue(shape: tuple[int, int]) -> list[Any]:
    """The sets of the catalogue for a kernel of some shape in Keras layout."""
    normal = np.linspace(1, 2, shape[0] * shape[1]).reshape(shape)
    return [
        *(FixedSum(0.5, axis) for axis in (0, 1, None)),
        *(Hyperplane(normal, 0.5, axis) for axis in (0, 1, None)),
        HalfSpace(normal, -0.5, 1),
        *(Sphere(0.5, axis) for axis in (0, 1, None)),
        *(Sphere("initial", axis) for axis in (0, 1)),
        *(Simplex(1, axis) for axis in (0, 1)),
        CappedSimplex(1, 0.4, 1),
        *(L1Ball(0.5, axis) for axis in (0, None)),
        Monotone(axis=0),
        TopK(2, axis=1),
        Mask(normal > 1.5),
        Box(normal - 1.8, normal - 1.2),
        *(SpectralNorm(0.3, axis=axis) for axis in (0, 1)),
        NuclearNorm(0.5),
        Rank(2),
        Orthogonal(),
        NonNeg() & MaxNorm(0.3, axis=0),
        NonNeg() & MaxNorm(0.3, axis=1),
        Simplex(1, axis=1) & Box(0, 0.4),
        Blocks(MaxNorm(0.2, axis=None), axis=0, sizes=(2, shape[0] - 2)),
        Blocks(Orthogonal(axis=0), axis=1, sizes=(3, shape[1] - 3)),
    ]


def sets(world: int) -> None:
    """Every set of the catalogue, with its gradients, every way to shard."""
    line = init_device_mesh("cpu", (world,))
    meshes = [(line, [Shard(0)]), (line, [Shard(1)])]
    if world == 4:
        plane = init_device_mesh("cpu", (2, 2))
        meshes = [
            (plane, list(places)) for places in ((Shard(0), Shard(1)), (Replicate(), Shard(1)))
        ]
    for mesh, places in meshes:
        for wide, tall in zip(catalogue((5, 7)), catalogue((7, 5)), strict=True):
            reference = nn.Sequential(nn.Linear(5, 7, bias=False), nn.Linear(7, 5, bias=False))
            for parameter in reference.parameters():
                dist.broadcast(parameter.detach(), 0)
            model = sharded(copy.deepcopy(reference), lambda name, p=places: p, mesh)
            for one in (reference, model):
                constrain(one, {"0.weight": wide, "1.weight": tall}, project=True)
            assert_equal(model, reference, (places, wide))
            for _ in range(2):
                step_by_hand(model, reference)
            assert_equal(model, reference, (places, wide))
            assert check(model).ok, (places, wide)


def rules(world: int) -> None:
    """Norms that go through several parameters, and bounds that change over time."""
    mesh = init_device_mesh("cpu", (world,))
    for places in ([Shard(0)], [Shard(1)], [Replicate()]):
        for rule in (
            Rule("*", MaxNorm(0.5, axis=None), joint=True),
            Rule("*", UnitNorm(axis=1), joint=True),
            Rule("*", Sphere(0.5, axis=None), joint=True),
            Rule("*", MaxNorm(0.5, axis=0), every=2, schedule={"max_value": lambda step: 1 / step}),
            Rule(
                "*", Box(-1, 1), bounds={"upper": lambda w: w.mean(), "lower": lambda w: -w.std()}
            ),
        ):
            reference = nn.ModuleList([nn.Linear(5, 7, bias=False), nn.Linear(4, 7, bias=False)])
            for parameter in reference.parameters():
                dist.broadcast(parameter.detach(), 0)
            if rule.joint and rule.constraint.axis == 1:
                # In Keras layout, rows are the inputs, as many in each.
                reference = nn.ModuleList(
                    [nn.Linear(5, 7, bias=False), nn.Linear(5, 4, bias=False)]
                )
                for parameter in reference.parameters():
                    dist.broadcast(parameter.detach(), 0)
            model = sharded(copy.deepcopy(reference), lambda name, p=places: p, mesh)
            for one in (reference, model):
                constrain(one, [rule])
            for _ in range(2):
                step_by_hand(model, reference)
            assert_equal(model, reference, (places, rule.constraint))
            assert len(check(model).rows) == (1 if rule.joint else 2)


def convolutions(world: int) -> None:
    mesh = init_device_mesh("cpu", (world,))
    for module, dims in (
        (nn.Conv2d(3, 5, 3, bias=False), (0, 1)),
        (nn.ConvTranspose2d(3, 5, 3, bias=False), (0, 1)),
        (nn.Embedding(7, 3), (0, 1)),
        (nn.MultiheadAttention(4, 2, bias=False), (0, 1)),
    ):
        rules = [MaxNorm(0.3, axis="unit"), NonNeg()]
        if isinstance(module, nn.Conv2d | nn.ConvTranspose2d):
            rules.append(RadialConstraint(rings="mean"))
        for dim in dims:
            for rule in rules:
                reference = copy.deepcopy(module)
                for parameter in reference.parameters():
                    dist.broadcast(parameter.detach(), 0)
                model = sharded(copy.deepcopy(reference), lambda name, d=dim: [Shard(d)], mesh)
                for one in (reference, model):
                    constrain(one, {"*weight": rule})
                step_by_hand(model, reference)
                assert_equal(model, reference, (module, dim, rule))


def parts(world: int) -> None:
    """Parts of one parameter have constraints of their own, and the rest stays as it is."""
    mesh = init_device_mesh("cpu", (world,))
    rules = {"in_proj_weight[query]": NonNeg(), "in_proj_weight[value]": MaxNorm(0.1, axis="unit")}
    for dim in (0, 1):
        torch.manual_seed(0)
        reference = nn.MultiheadAttention(4, 2, bias=False)
        model = sharded(copy.deepcopy(reference), lambda name, d=dim: [Shard(d)], mesh)
        for one in (reference, model):
            constrain(one, rules)
        step_by_hand(model, reference)
        assert_equal(model, reference, dim)
        query, key, _ = whole(model)["in_proj_weight"].chunk(3)
        assert (query >= 0).all()
        assert (key < 0).any()


def communication(world: int) -> None:
    mesh = init_device_mesh("cpu", (world,))
    for places, constraint, reductions in (
        ([Shard(0)], MaxNorm(0.3, axis="unit"), 0),
        ([Shard(0)], NonNeg(), 0),
        ([Shard(0)], MaxNorm(0.3, axis=1), 1),
        ([Shard(1)], MaxNorm(0.3, axis="unit"), 1),
        ([Shard(1)], MaxNorm(0.3, axis=None), 1),
        ([Replicate()], lambda w: w - w.mean(), 0),
        ([Shard(0)], lambda w: w - w.mean(), 2),
        # One a round for both weights together, of which one is for what moved no further than
        # rounding, unless the class says what stays; or one a weight where it is gathered.
        ([Shard(0)], Projecting(0.3, axis=0), 0),
        ([Shard(1)], Projecting(0.3, axis=0), 2),
        ([Shard(1)], Tighter(0.3, axis=None), 1),
        ([Shard(1)], Centered(axis=0), 3),
        ([Shard(0)], Centered(axis=0), 0),
        ([Shard(0)], Boxed(-0.1, np.full((1, 1), 0.1)), 0),
        ([Shard(1)], Boxed(-0.1, np.full((1, 1), 0.1)), 0),
        ([Shard(1)], Weighted(np.ones(1), axis=0), 2),
        ([Shard(1)], Halved(axis=0), 2),
        ([Shard(0)], Halved(axis=0), 0),
        ([Shard(0)], Called(0.3, axis=0), 2),
    ):
        model = sharded(
            network(), lambda name, p=places: p if name == "weight" else [Replicate()], mesh
        )
        constrain(model, kernel=constraint)
        optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
        for parameter in model.parameters():
            parameter.grad = torch.zeros_like(parameter)
        with CommDebugMode() as counted:
            optimizer.step()
        assert counted.get_total_counts() == reductions, (
            places,
            constraint,
            counted.get_comm_counts(),
        )
    project(model)
    parts_stay_where_they_are(mesh)


def parts_stay_where_they_are(mesh: DeviceMesh) -> None:
    """A part of a parameter, and a kernel whose stored axis is split, are not gathered."""
    attention = (nn.MultiheadAttention(4, 2, bias=False), "in_proj_weight[query]")
    depthwise = (DepthwiseConv2D(3, depth_multiplier=2, input_shape=(8, 8, 3)), "weight")
    depthwise[0](torch.ones(1, 8, 8, 3))
    for (reference, name), axis, dim, reductions in (
        (attention, "unit", 0, 0),
        (attention, "unit", 1, 1),
        (attention, None, 0, 1),
        (depthwise, "unit", 0, 0),
        (depthwise, (0, 1), 0, 0),
        (depthwise, "unit", 3, 1),
    ):
        reference = copy.deepcopy(reference)
        stored = name.partition("[")[0]
        model = sharded(
            copy.deepcopy(reference),
            lambda one, d=dim, s=stored: [Shard(d) if one == s else Replicate()],
            mesh,
        )
        for one in (reference, model):
            constrain(one, {name: MaxNorm(0.1, axis=axis)})
        with CommDebugMode() as counted:
            project(model)
        assert counted.get_total_counts() == reductions, (name, axis, dim)
        project(reference)
        expected = dict(reference.named_parameters())[stored]
        torch.testing.assert_close(whole(model)[stored], expected.detach(), rtol=1e-6, atol=1e-7)


def monitored(world: int) -> None:
    """A monitor measures a process's own part, or the whole weight where that is gathered."""
    mesh = init_device_mesh("cpu", (world,))
    rank = dist.get_rank()
    for places, constraint, kept, dim in (
        ([Shard(0)], MaxNorm(0.3, axis="unit"), lambda w: w.chunk(world, 0)[rank], 1),
        ([Shard(0)], MaxNorm(0.3, axis=1), lambda w: w.chunk(world, 0)[rank], 0),
        ([Replicate()], MaxNorm(0.3, axis=1), lambda w: w, 0),
        ([Shard(0)], lambda w: w.clamp(-0.1, 0.1), lambda w: w, (0, 1)),
    ):
        torch.manual_seed(0)
        reference = nn.Linear(5, 7, bias=False)
        model = sharded(copy.deepcopy(reference), lambda name, p=places: p, mesh)
        before = kept(reference.weight.detach().clone()).double()
        for one in (reference, model):
            constrain(one, kernel=constraint)
        project(reference)
        with Monitor(model) as monitor:
            project(model)
        moved = kept(reference.weight.detach()).double() - before
        distances = torch.linalg.vector_norm(moved, dim=dim)
        (sample,) = monitor.records()
        assert abs(sample.mean_distance - distances.mean()) < 1e-6, (places, constraint)
        assert abs(sample.max_distance - distances.max()) < 1e-6, (places, constraint)
        assert sample.max_distance > 1e-3


def refused(world: int) -> None:
    from torch.distributed.fsdp import FullyShardedDataParallel

    for use_orig_params in (True, False):
        model = network()
        constrain(model, kernel=NonNeg())
        flat = FullyShardedDataParallel(
            model, use_orig_params=use_orig_params, device_id=torch.device("cpu")
        )
        with pytest.raises(ValueError, match="fully_shard"):
            train(flat, steps=1)


if __name__ == "__main__":
    scenario, rank, world, file = sys.argv[1], *map(int, sys.argv[2:4]), sys.argv[4]
    torch.set_num_threads(1)
    warnings.simplefilter("error")
    warnings.filterwarnings("ignore", module="torch")
    dist.init_process_group("gloo", f"file://{file}", rank=rank, world_size=world)
    for name in scenario.split(","):
        globals()[name](world)
    dist.destroy_process_group()
