"""The promises of every constraint, as a test that anyone can run on a constraint of their own."""

from __future__ import annotations

import copy
import json
import os
import pickle
import sys
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import replace
from importlib.util import find_spec
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from feasible.constraints import Constraint, deserialize, serialize
from feasible.constraints.base import block_axes, is_whole_call
from feasible.constraints.gate import project_whole, projection_steps
from feasible.constraints.parts import Part, added_together, run_together
from feasible.ops import convert_to_numpy

# What only those that override `project` promise.
_OF_SETS = ("twice is once", "stacked as alone", "in parts as whole", "compiled by PyTorch")
# How far results in another library, or added up in another order, may be apart.
_ROUNDING = {"float64": 1e-12, "float32": 2e-6, "float16": 4e-3, "bfloat16": 3e-2}


class _Case(NamedTuple):
    """A constraint and a weight that it is tried on, in float64."""

    constraint: Constraint
    values: NDArray[np.float64]

    def call(self, array: Any) -> Any:
        return self.constraint(array)


def check_constraint(
    constraint: Constraint,
    shapes: Iterable[Sequence[int]],
    *,
    idempotent: bool = True,
    nearest: bool = True,
) -> None:
    """Check that a constraint keeps what constraints promise, in each library that is installed.

    Args:
        constraint: The constraint.
        shapes: Shapes of weights to try it on, in the layout in which it counts axes.
        idempotent: Whether a projected weight is left alone. It is not by one that moves weights a
            part of the way. Of a function of the whole weight, which may round anew, only
            `violations` are asked.
        nearest: Whether what it returns is the nearest feasible weight, and not made of samples.

    Raises:
        AssertionError: If a promise is not kept; it names the promise.

    Example:
        >>> from feasible import MaxNorm
        >>> check_constraint(MaxNorm(1.0), [(4, 3)])
    """
    promises = dict(_PROMISES)
    if not idempotent:
        for name in ("twice is once", "what was projected is feasible"):
            del promises[name]
    if not nearest:
        del promises["nearest"], promises["NaN and infinity are not hidden"]
    if is_whole_call(constraint):
        for name in _OF_SETS:
            promises.pop(name, None)
    generator = np.random.default_rng(0)
    for shape in shapes:
        case = _Case(constraint, 3 * generator.normal(size=tuple(shape)))
        for promise, check in promises.items():
            try:
                check(case)
            except AssertionError as error:
                raise AssertionError(
                    f"{constraint!r} breaks the promise {promise!r} on a weight of shape "
                    f"{tuple(shape)}: {error}"
                ) from error


def assert_feasible(
    model_or_file: Any, rules: Any = None, *, layout: str | None = None, **roles: Any
) -> None:
    """Assert that weights satisfy their constraints: a model's, or those in a checkpoint.

    Args:
        model_or_file: A PyTorch model, or the path of a checkpoint of any format that
            `feasible.checkpoints` reads.
        rules: For a model as for `feasible.torch.constrain`, for a file as for
            `feasible.checkpoints.check_checkpoint`; None for what is declared on the model, or for
            the rules that the file holds.
        layout: As for that function.
        **roles: For a model, constraints by role.

    Raises:
        AssertionError: If a weight violates its constraint, with the table of those that do; or if
            nothing is constrained.
        ValueError: If a rule does not fit what it selects.

    Example:
        >>> import torch
        >>> from feasible import NonNeg
        >>> model = torch.nn.Linear(2, 1)
        >>> _ = torch.nn.init.ones_(model.weight)
        >>> assert_feasible(model, {"weight": NonNeg()})
    """
    if isinstance(model_or_file, str | os.PathLike):
        from feasible.checkpoints import check_checkpoint

        report = check_checkpoint(model_or_file, rules, layout=layout)
    else:
        from feasible.torch import check, constrain

        if rules is None and not roles:
            report = check(model_or_file)
        else:
            chosen: Any = layout or "keras"
            report = constrain(model_or_file, rules or (), layout=chosen, dry_run=True, **roles)
    assert report.rows, "nothing is constrained: give rules, or declare constraints on the model"
    if not report.ok:
        violating = tuple(row for row in report.rows if row.violating)
        raise AssertionError(
            f"weights violate their constraints:\n{replace(report, rows=violating)}"
        )


def _arrays(case: _Case) -> Iterator[tuple[str, Any]]:
    """Return the weight in each library and dtype that there is, by what to call it."""
    values = case.values
    for dtype in ("float64", "float32", "float16"):
        array = values.astype(dtype)
        array.flags.writeable = False
        yield f"NumPy, {dtype}, read-only", array
    if not is_whole_call(case.constraint):
        other_order = np.dtype("float32").newbyteorder()
        yield "NumPy, float32 in the other order of bytes", values.astype(other_order)
    if find_spec("torch"):
        import torch

        for of_torch in (torch.float64, torch.float32, torch.float16, torch.bfloat16):
            yield f"PyTorch, {of_torch}", torch.tensor(values).to(of_torch)
    if find_spec("jax"):
        import jax.numpy as jnp

        for of_jax in (jnp.float32, jnp.float16, jnp.bfloat16):
            yield f"JAX, {of_jax.__name__}", jnp.asarray(values, of_jax)


def _bits(array: Any) -> bytes:
    torch: Any = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        array = array.detach().contiguous().reshape(-1).view(torch.uint8).numpy()
    return np.asarray(array).tobytes()


def _pure(case: _Case) -> None:
    for name, array in _arrays(case):
        before = _bits(array)
        case.call(array)
        assert _bits(array) == before, f"the input is modified ({name})"


def _same_kind(case: _Case) -> None:
    for name, array in _arrays(case):
        found = case.call(array)
        assert type(found) is type(array), f"{type(found)} comes back ({name})"
        for what in ("shape", "dtype", "device"):
            given, received = getattr(array, what, None), getattr(found, what, None)
            assert given == received, f"the {what} is {received}, and was {given} ({name})"


def _twice(case: _Case) -> None:
    for name, array in _arrays(case):
        once = case.call(array)
        assert _bits(case.call(once)) == _bits(once), f"a projected weight is moved ({name})"


def _feasible_after(case: _Case) -> None:
    for name, array in _arrays(case):
        found = convert_to_numpy(case.constraint.violations(case.call(array)))
        worst = float(found.max(initial=0.0))
        assert not worst, f"a projected weight violates it by {worst} ({name})"


def _honest(case: _Case) -> None:
    if not case.values.size:
        return
    for value in (np.nan, np.inf, -np.inf):
        values = case.values.copy()
        values.flat[0] = value
        with np.errstate(invalid="ignore"):
            found = case.call(values).flat[0]
        if np.isnan(value):
            assert np.isnan(found), f"NaN becomes {found}"
        elif block_axes(case.constraint, values.shape):
            assert not np.isfinite(found), f"{value} becomes {found}"


def _close(case: _Case, found: Any, dtype: str, what: str) -> None:
    expected = convert_to_numpy(case.constraint(case.values.astype(dtype))).astype(np.float64)
    received = convert_to_numpy(found).astype(np.float64)
    error = np.abs(received - expected).max(initial=0.0)
    limit = _ROUNDING[dtype] * max(np.abs(expected).max(initial=0.0), 1.0)
    assert error <= limit, f"{what} differs by {error}"


def _libraries(case: _Case) -> None:
    for name, array in _arrays(case):
        dtype = str(array.dtype).removeprefix("torch.").lstrip("<>=")
        dtype = {"f4": "float32"}.get(dtype, dtype)
        if dtype in ("float64", "float32"):
            _close(case, case.call(array), dtype, name)


def _jitted(case: _Case) -> None:
    if not find_spec("jax"):
        return
    import jax
    import jax.numpy as jnp

    traces: list[int] = []

    def call(constraint: Constraint, w: Any) -> Any:
        traces.append(1)
        return constraint(w)

    array = jnp.asarray(case.values, jnp.float32)
    jitted = jax.jit(call, static_argnums=0)
    for one in (case.constraint, copy.deepcopy(case.constraint)):
        found = jitted(one, array)
    _close(case, found, "float32", "a call inside jit")
    assert len(traces) == 1 or not case.constraint.is_described(), "an equal constraint retraces"
    mapped = jax.jit(jax.vmap(case.constraint))(jnp.stack([array, 2 * array]))[0]
    _close(case, mapped, "float32", "a call inside vmap")


def _compiled(case: _Case) -> None:
    if not find_spec("torch"):
        return
    import torch

    torch.compiler.reset()
    compiled = torch.compile(case.constraint, backend="aot_eager")
    found = compiled(torch.tensor(case.values, dtype=torch.float32))
    _close(case, found, "float32", "a call inside torch.compile")


def _transposed(case: _Case) -> None:
    w = np.asfortranarray(case.values.astype(np.float32))
    _close(case, case.call(w), "float32", "a weight that is stored transposed")
    if find_spec("torch"):
        import torch

        order = tuple(reversed(range(case.values.ndim)))
        stored = torch.tensor(case.values, dtype=torch.float32).permute(order).contiguous()
        _close(case, case.call(stored.permute(order)), "float32", "a transposed tensor")


def _stacked(case: _Case) -> None:
    axes = tuple(axis + 1 for axis in case.constraint.vector_axes(case.values.shape))
    part = Part(np.stack([2 * case.values, case.values]), axes, stacked=1)
    _close(case, project_whole(case.constraint, part)[1], "float64", "one of two stacked weights")


def _in_parts(case: _Case) -> None:
    shape, constraint = case.values.shape, case.constraint
    axes, (_, length) = constraint.vector_axes(shape), constraint.vectors(shape)
    for cut, size in enumerate(shape):
        crosses = cut in axes
        if size < 2 or (crosses and constraint.whole_blocks):
            continue
        steps = []
        for bounds in ((0, size // 2), (size // 2, size)):
            place = tuple(
                slice(*bounds) if axis == cut else slice(None) for axis in range(len(shape))
            )
            steps.append(
                projection_steps(
                    constraint, Part(case.values[place], axes, length=length, place=place)
                )
            )
        found = run_together(steps, added_together if crosses else dict)
        _close(case, np.concatenate(found, axis=cut), "float64", f"a weight cut along axis {cut}")


def _value(case: _Case) -> None:
    constraint = case.constraint
    for same in (copy.copy(constraint), copy.deepcopy(constraint)):
        if constraint.is_described():
            assert (same, hash(same), repr(same)) == (
                constraint,
                hash(constraint),
                repr(constraint),
            )
    try:
        constraint.axis = 1
    except AttributeError:
        pass
    else:
        raise AssertionError("an attribute can be set")


def _written(case: _Case) -> None:
    constraint = case.constraint
    assert constraint.is_described(), "its config does not say all there is to it"
    text = json.dumps(serialize(constraint))
    found = deserialize(json.loads(text), {type(constraint).__name__: type(constraint)})
    assert found == constraint, f"{found!r} is read"
    if "<locals>" not in type(constraint).__qualname__:
        assert pickle.loads(pickle.dumps(constraint)) == constraint, "it changes when pickled"


def _nearest(case: _Case) -> None:
    generator = np.random.default_rng(1)
    distance = np.linalg.norm(case.call(case.values) - case.values)
    for scale in (0.1, 1.0, 10.0):
        for _ in range(3):
            other = case.values + scale * generator.normal(size=case.values.shape)
            further = np.linalg.norm(case.call(other) - case.values)
            assert distance <= further * (1 + 1e-9) + 1e-9, "another feasible weight is nearer"


_PROMISES: dict[str, Callable[[_Case], None]] = {
    "pure": _pure,
    "same shape, dtype, device and library": _same_kind,
    "twice is once": _twice,
    "what was projected is feasible": _feasible_after,
    "NaN and infinity are not hidden": _honest,
    "the same in every library": _libraries,
    "jitted and mapped as called": _jitted,
    "compiled by PyTorch": _compiled,
    "stored in any order": _transposed,
    "stacked as alone": _stacked,
    "in parts as whole": _in_parts,
    "a value": _value,
    "written and read": _written,
    "nearest": _nearest,
}
