"""Keeps averaged copies of a model feasible: an average of feasible weights need not be."""

from __future__ import annotations

from functools import wraps
from typing import Any

from torch import nn
from torch.optim.swa_utils import AveragedModel

from feasible.torch.stepping import project

_update_parameters = AveragedModel.update_parameters


@wraps(_update_parameters)
def _update_and_project(self: AveragedModel, model: nn.Module, *args: Any, **kwargs: Any) -> None:
    _update_parameters(self, model, *args, **kwargs)
    project(self)


def follow_averages() -> None:
    """Make `torch.optim.swa_utils.AveragedModel` project its copy after each update.

    The copy carries the declarations of the model that it averages, but no optimizer steps it, and
    the class has no hook to use instead. Lightning's weight averaging is built on it too. For
    averages kept in another way, call `feasible.torch.project` on the copy.
    """
    AveragedModel.update_parameters = _update_and_project  # type: ignore[method-assign]
