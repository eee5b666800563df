"""Binds constraints to the parameters of PyTorch modules.

What calls what in a step: an optimizer's hook (`stepping`) goes through what is declared on
modules (`declarations`, which finds each weight by `weights`), and puts what was stepped into a
batch (`batches`). Weights that are alike go to one plan (`plans`): a loop found by the
constraint's exact type (`fast`), or else its own projection, small weights stacked (`stacking`).
Functions of the whole weight are called one by one (`applying`), sharded weights go in lockstep
(`sharding`), and what is computed from other parameters is carried back to them (`storing`).
Around that: rules become declarations in `constrain`, `checking` reports, `monitor` watches,
`averaging` follows averaged copies, and `parametrization` projects inside the forward pass.
"""

from feasible.requirements import require

require("feasible.torch", "torch", "torch")

# ruff: noqa: E402


from feasible.known_layouts import layouts_of, register_layouts
from feasible.layouts import ParameterLayout
from feasible.torch.averaging import follow_averages
from feasible.torch.bound_weights import Bound, constraints_of
from feasible.torch.constrain import constrain, release
from feasible.torch.model_report import check
from feasible.torch.monitor import Monitor
from feasible.torch.parametrization import parametrization
from feasible.torch.saved_rules import save_rules
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
    "save_rules",
]
