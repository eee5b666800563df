"""Penalties on weights and outputs, which are added to the loss, as Keras has them."""

from feasible.requirements import require

require("feasible.regularizers", "fit", "torch")

# ruff: noqa: E402
from feasible.regularizers.named_regularizers import (
    REGULARIZERS,
    deserialize,
    get,
    register,
    serialize,
)
from feasible.regularizers.penalties import (
    L1,
    L1L2,
    L2,
    OrthogonalRegularizer,
    Regularizer,
)

l1, l2, l1_l2 = L1, L2, L1L2
orthogonal_regularizer = OrthogonalRegularizer

__all__ = [
    "L1",
    "L1L2",
    "L2",
    "REGULARIZERS",
    "OrthogonalRegularizer",
    "Regularizer",
    "deserialize",
    "get",
    "l1",
    "l1_l2",
    "l2",
    "orthogonal_regularizer",
    "register",
    "serialize",
]
