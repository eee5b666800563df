"""Binds constraints to the parameters of PyTorch modules."""

from feasible.requirements import require

require("feasible.torch", "torch", "torch")

from feasible.torch.binding import Bound, constraints_of, project  # noqa: E402
from feasible.torch.checking import check  # noqa: E402
from feasible.torch.layouts import ParameterLayout, layouts_of, register_layouts  # noqa: E402

__all__ = [
    "Bound",
    "ParameterLayout",
    "check",
    "constraints_of",
    "layouts_of",
    "project",
    "register_layouts",
]
