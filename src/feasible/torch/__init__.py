"""Binds constraints to the parameters of PyTorch modules."""

from feasible.requirements import require

require("feasible.torch", "torch", "torch")


from feasible.torch.averaging import follow_averages  # noqa: E402
from feasible.torch.checking import check  # noqa: E402
from feasible.torch.constrain import constrain, release  # noqa: E402
from feasible.torch.declarations import Bound, constraints_of  # noqa: E402
from feasible.torch.layouts import ParameterLayout, layouts_of, register_layouts  # noqa: E402
from feasible.torch.modules import register_torch_modules  # noqa: E402
from feasible.torch.parametrization import parametrization  # noqa: E402
from feasible.torch.stepping import project  # noqa: E402

register_torch_modules()
follow_averages()

__all__ = [
    "Bound",
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
