"""Which outputs each unit of a module reaches, whatever library the module is of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import jax.numpy as jnp
import numpy as np
import pytest

from feasible import MaxNorm
from feasible.jax.trees import BoundLeaf, bound_leaves, flat

Call = Callable[[Any], Any]


def reached(tree: Any, name: str, call: Call) -> tuple[BoundLeaf, set[tuple[int, ...]]]:
    """The leaf under `axis="unit"`, and the sets of outputs that its vectors change, one by one."""
    flattened = flat(tree)
    (one,) = bound_leaves({name: MaxNorm(1, axis="unit")}, flattened)
    w = one.leaf.parameter
    counted = [w.shape[axis] for axis in one.order]
    kept = [1 if axis in one.constraint.axis else n for axis, n in enumerate(counted)]
    units = np.arange(np.prod(kept, dtype=int)).reshape(kept)
    units = np.broadcast_to(units, counted).transpose(np.argsort(one.order))
    noise = np.random.default_rng(0).normal(size=w.shape).astype(np.float32)
    before = np.asarray(call(tree))
    changed = set()
    for unit in range(units.max() + 1):
        moved = flattened.rebuilt({one.leaf.place: jnp.where(units == unit, w + noise, w)})
        difference = np.abs(np.asarray(call(moved)) - before)
        changed.add(tuple(np.flatnonzero(difference > 1e-6).tolist()))
    return one, changed


@pytest.fixture
def assert_units() -> Callable[..., None]:
    """A check that the vectors of a leaf are the weights incident to one unit each."""

    def check(
        tree: Any, name: str, call: Call, role: str, shape: Any, axes: Any, outputs: int
    ) -> None:
        one, changed = reached(tree, name, call)
        assert one.leaf.role == role
        assert tuple(one.leaf.parameter.shape[axis] for axis in one.order) == shape
        assert one.constraint.axis == axes
        # Each vector reaches the outputs of one unit, and no two units share any.
        assert () not in changed
        assert len(changed) == outputs
        assert sum(map(len, changed)) == len(set().union(*changed))

    return check
