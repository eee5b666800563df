"""Binds constraints to the parameters of PyTorch modules."""

from feasible.requirements import require

require("feasible.torch", "torch", "torch")

# ruff: noqa: E402


from feasible.known_layouts import layouts_of, register_layouts
from feasible.layouts import ParameterLayout
from feasible.torch.averaging import follow_averages
from feasible.torch.checking import check
from feasible.torch.constrain import constrain, release
from feasible.torch.declarations import Bound, constraints_of
from feasible.torch.monitor import Monitor
from feasible.torch.parametrization import parametrization
from feasible.torch.stepping import project

follow_averages()

__all__ = [
    "Bound",
    "Monitor",
    "ParameterLayout",
    "check",
    "constrain",
    "constraints_of",
    "layouts_of",
    "parametrization",
    "project",
    "register_layouts",
    "release",
]
