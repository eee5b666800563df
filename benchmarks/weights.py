"""One weight, and many: a projection relative to one pass over the weight, and to peers."""

from __future__ import annotations

import os
import resource
import time
from collections.abc import Callable, Iterator
from pathlib import Path

os.environ.setdefault("KERAS_BACKEND", "torch")

import geotorch
import keras
import torch
from torch import Tensor, nn
from torch.optim import optimizer

import feasible
from benchmarks.device import DEVICE, wait
from benchmarks.measuring import BRIEF, Figure, Subject, compared, figure, ratios, timed, written
from feasible.torch import constrain, constraints_of, project

BOUND = 2.0
FLOOR = "w.mul_(1)"
KERAS = "Keras 3 on PyTorch"

CONSTRAINTS = {
    "MaxNorm": (feasible.MaxNorm(BOUND, axis="unit"), keras.constraints.MaxNorm(BOUND)),
    "UnitNorm": (feasible.UnitNorm(axis="unit"), keras.constraints.UnitNorm()),
    "MinMaxNorm": (
        feasible.MinMaxNorm(0.5, BOUND, axis="unit"),
        keras.constraints.MinMaxNorm(0.5, BOUND),
    ),
    "NonNeg": (feasible.NonNeg(), keras.constraints.NonNeg()),
}
SHAPES = [(64, 128), (512, 784), (4096, 4096), (64, 3, 7, 7), (512, 512, 3, 3)]
RESNET_50 = [
    (64, 3, 7, 7),
    *[(64, 256, 1, 1), (64, 64, 3, 3), (256, 64, 1, 1)] * 3,
    *[(128, 512, 1, 1), (128, 128, 3, 3), (512, 128, 1, 1)] * 4,
    *[(256, 1024, 1, 1), (256, 256, 3, 3), (1024, 256, 1, 1)] * 6,
    *[(512, 2048, 1, 1), (512, 512, 3, 3), (2048, 512, 1, 1)] * 3,
    (1000, 2048),
]
TRANSFORMER = [*[(512, 512)] * 4, (2048, 512), (512, 2048)] * 6
LISTS = {"200 of 64x128": [(64, 128)] * 200, "ResNet-50": RESNET_50, "transformer": TRANSFORMER}


def module_of(shape: tuple[int, ...], dtype: torch.dtype = torch.float32) -> nn.Module:
    """Return a module whose weight has a shape."""
    if len(shape) == 2:
        return nn.Linear(shape[1], shape[0], bias=False).to(DEVICE, dtype)
    return nn.Conv2d(shape[1], shape[0], shape[2:], bias=False).to(DEVICE, dtype)


def named(shape: tuple[int, ...]) -> str:
    """Return how a shape is written."""
    return "x".join(map(str, shape))


def after_a_step(module: nn.Module) -> Callable[[], object]:
    """Return what an optimizer of a module's parameters does after each of its steps."""
    for parameter in module.parameters():
        parameter.grad = torch.zeros(1, device=DEVICE, dtype=parameter.dtype).expand_as(parameter)
    sgd = torch.optim.SGD(module.parameters(), lr=0.1)

    def run() -> None:
        for called in optimizer._global_optimizer_post_hooks.values():
            called(sgd, (), {})

    return run


def infeasible(weight: Tensor) -> Tensor:
    """Return values whose vectors have norms from one to eight, along the first axis and others."""
    values = torch.randn(weight.shape).flatten(1)
    values *= torch.linspace(1, 8, len(values))[:, None] / values.norm(dim=1, keepdim=True)
    return values.view(weight.shape).to(weight)


def by_hand(weight: Tensor, dims: tuple[int, ...]) -> None:
    """Bound norms as they are bounded by hand."""
    norms = torch.linalg.vector_norm(weight, dim=dims, keepdim=True)
    weight.mul_(norms.clamp(max=BOUND).div_(norms + 1e-7))


def assigned(weight: Tensor, function: Callable[[Tensor], Tensor]) -> None:
    """Put what a function returns in the place of the weight, as Keras does."""
    weight.copy_(function(weight))


def peers(name: str, weight: Tensor, dims: tuple[int, ...]) -> dict[str, Callable[[], object]]:
    """Return what else projects a weight onto the same set."""
    of_keras = CONSTRAINTS[name][1]
    if name != "NonNeg":
        # In Keras's own layout, in which the axis that it takes norms over is not the last one.
        order = (*range(2, weight.ndim), 1, 0)
        of_keras = type(of_keras)(
            **{**of_keras.get_config(), "axis": [order.index(dim) for dim in dims]}
        )
        kernel = weight.permute(order).contiguous()
    else:
        kernel = weight.clone()
    found: dict[str, Callable[[], object]] = {
        KERAS: lambda: assigned(kernel, of_keras),
    }
    if name == "MaxNorm":
        found["by hand"] = lambda: by_hand(weight, dims)
        if len(dims) == weight.ndim - 1:
            found["torch.renorm"] = lambda: assigned(
                weight, lambda w: torch.renorm(w, 2, ({*range(w.ndim)} - {*dims}).pop(), BOUND)
            )
    if name == "UnitNorm" and dims == (1,):
        layer = nn.Linear(weight.shape[1], weight.shape[0], bias=False)
        geotorch.sphere(layer, "weight")
        layer = layer.to(weight)
        found["geotorch's sphere"] = lambda: layer.weight
    return found


def one_weight() -> Iterator[Figure]:
    """Measure each constraint on one weight of each shape, feasible and not, both ways round."""
    for shape in SHAPES[:2] if BRIEF else SHAPES:
        for dtype in (torch.float32, torch.bfloat16):
            for name in CONSTRAINTS:
                for strided in (False, True) if len(shape) == 2 and name != "NonNeg" else (False,):
                    for state in ("infeasible", "feasible"):
                        yield from _one_weight(shape, dtype, name, strided, state)


def _one_weight(
    shape: tuple[int, ...], dtype: torch.dtype, name: str, strided: bool, state: str
) -> list[Figure]:
    module = module_of(shape, dtype)
    weight: Tensor = module.weight.data  # type: ignore[assignment]
    constraint = CONSTRAINTS[name][0]
    if strided:
        constraint = constraint.along((1,))  # type: ignore[attr-defined]
    constrain(module, kernel=constraint)
    values = infeasible(weight)
    values = values.t().contiguous().view_as(weight) if strided and shape[0] == shape[1] else values
    weight.copy_(values)
    if state == "feasible":
        project(module)
        values = weight.clone()
    dims = (0,) if strided else tuple(range(1, weight.ndim))
    floor = weight.clone()
    restored = lambda: weight.copy_(values)  # noqa: E731
    (bound,) = constraints_of(module).values()
    plan = bound.plan
    assert plan is not None
    # What Keras does around its constraints is not in its figure either.
    subjects = {
        FLOOR: Subject(lambda: floor.mul_(1)),
        "feasible": Subject(lambda: plan.project([weight]), restored),
        "feasible, with its hook": Subject(after_a_step(module), restored),
    }
    # Peers work no less on what is feasible already.
    if dtype == torch.float32 and state == "infeasible":
        subjects |= {who: Subject(run, restored) for who, run in peers(name, weight, dims).items()}
    over = "outputs" if strided else "inputs"
    case = f"{name} {named(shape)} {str(dtype)[6:]} over {over}, {state}"
    times = timed(subjects, wait=wait)
    figures = ratios("one weight", case, FLOOR, times)
    if KERAS in times:
        compared = {who: times[who] for who in ("feasible", KERAS)}
        figures += ratios("one weight relative to Keras", case, KERAS, compared)
    return figures


def many_weights() -> Iterator[Figure]:
    """Measure whole lists of weights, relative to the same by hand and by Keras."""
    for name, shapes in LISTS.items():
        model = nn.ModuleList(module_of(shape) for shape in (shapes[:8] if BRIEF else shapes))
        # The very objects that an optimizer has just stepped, which a cache still holds.
        weights: list[Tensor] = list(model.parameters())
        constrain(model, kernel=CONSTRAINTS["MaxNorm"][0])
        for state in ("infeasible", "feasible"):
            scale = 1 if state == "infeasible" else 0.2
            values = [scale * infeasible(weight) for weight in weights]
            yield from _many_weights(f"MaxNorm, {name}, {state}", model, weights, values)


def _many_weights(
    case: str, model: nn.Module, weights: list[Tensor], values: list[Tensor]
) -> list[Figure]:
    keras_all = [
        (weight.clone(), keras.constraints.MaxNorm(BOUND, axis=list(range(1, weight.ndim))))
        for weight in weights
    ]

    def restored() -> None:
        for weight, value in zip(weights, values, strict=True):
            weight.copy_(value)

    def all_by_hand() -> None:
        for weight in weights:
            by_hand(weight, tuple(range(1, weight.ndim)))

    def all_by_keras() -> None:
        for weight, constraint in keras_all:
            assigned(weight, constraint)

    subjects = {
        "by hand": Subject(all_by_hand, restored),
        "feasible": Subject(after_a_step(model), restored),
        KERAS: Subject(all_by_keras),
    }
    return compared("many weights", case, "by hand", subjects, wait=wait)


def memory() -> Iterator[Figure]:
    """Measure by how much one projection raises the most memory that the process ever held."""
    small, large = module_of((64, 128)), module_of((512, 512) if BRIEF else (4096, 4096))
    constraint = CONSTRAINTS["MaxNorm"][0]
    for module in (small, large):
        constrain(module, kernel=constraint)
    project(small)
    weight: Tensor = large.weight.data  # type: ignore[assignment]
    weight.mul_(100)
    case = f"MaxNorm {named(tuple(weight.shape))}"
    yield _memory(case, "feasible", after_a_step(large))
    for who, run in peers("MaxNorm", weight, (1,)).items():
        yield _memory(case, who, run)


def _memory(case: str, subject: str, run: Callable[[], object]) -> Figure:
    if DEVICE == "cuda":
        torch.cuda.reset_peak_memory_stats()
        before = torch.cuda.memory_allocated()
        run()
        taken = (torch.cuda.max_memory_allocated() - before) / 2**20
    else:
        # What the process held before and gave back would hide what is taken now.
        now = int(Path("/proc/self/statm").read_text().split()[1]) * resource.getpagesize()
        most = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 2**10
        ballast = torch.ones(max(most - now, 0) // 4 + 2**20)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        run()
        taken = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) / 2**10
        del ballast
    return figure("memory", case, subject, "", [taken], "MiB")


def hook() -> Iterator[Figure]:
    """Measure what a step costs more because feasible watches it, with nothing constrained."""
    parameter = nn.Parameter(torch.zeros(1))
    parameter.grad = torch.zeros(1)
    sgd = torch.optim.SGD([parameter], lr=0.1)
    hooks = optimizer._global_optimizer_post_hooks
    kept = dict(hooks)
    taken = []
    for _ in range(3 if BRIEF else 40):
        with_hook = _seconds(sgd)
        hooks.clear()
        without = _seconds(sgd)
        hooks.update(kept)
        taken.append((with_hook - without) * 1e6)
    yield figure("hook", "a step where nothing is constrained", "feasible", "", taken, "µs")


def _seconds(sgd: torch.optim.SGD, steps: int = 2000) -> float:
    start = time.perf_counter()
    for _ in range(steps):
        sgd.step()
    return (time.perf_counter() - start) / steps


@torch.no_grad()
def figures() -> list[Figure]:
    """Measure everything here, the hook before anything is constrained."""
    return [*hook(), *memory(), *one_weight(), *many_weights()]


if __name__ == "__main__":
    written(figures)
