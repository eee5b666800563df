"""Finds the weight that a module computes with, and the tensors that are trained behind it."""

from __future__ import annotations

from typing import NamedTuple

from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.nn.utils import parametrize


class Weight(NamedTuple):
    """A module's weight, which may be a parameter or computed from some.

    Attributes:
        module: The module.
        name: The weight's name in it.
        tensor: The weight that the module computes with: a parameter, or a fresh tensor.
        trained: The parameters that it is, or is computed from.
    """

    module: nn.Module
    name: str
    tensor: Tensor
    trained: tuple[Tensor, ...]

    def write_back(self) -> None:
        """Carry what was written to `tensor` over to the parameters that it is computed from."""
        if self.tensor is self.trained[0]:
            return
        if parametrize.is_parametrized(self.module, self.name):
            setattr(self.module, self.name, self.tensor)
        else:
            self.trained[0].copy_(self.tensor)
            setattr(self.module, self.name, self.tensor)


def is_sharded(tensor: Tensor) -> bool:
    """Say whether a tensor is spread over the processes of a device mesh.

    Args:
        tensor: The tensor.

    Returns:
        Whether it is a `torch.distributed.tensor.DTensor`.
    """
    # By attribute, because importing the class takes a second.
    return hasattr(tensor, "device_mesh") and hasattr(tensor, "placements")


def weight_of(module: nn.Module, name: str) -> Weight | None:
    """Return a module's weight by its name: plain, parametrized or pruned.

    Args:
        module: The module.
        name: The weight's name, such as ``"weight"``.

    Returns:
        The weight, or None where the module has none of this name, or none yet: a bias that is
        switched off, a lazy parameter.

    Raises:
        ValueError: If it is parametrized in a way that cannot be written through, or is a piece of
            a flat parameter.

    Example:
        >>> linear = nn.Linear(2, 3)
        >>> weight_of(linear, "weight").tensor is linear.weight
        True
    """
    parameter = module._parameters.get(name)
    _refuse_flattened(module, name, parameter)
    if parameter is not None:
        return None if is_lazy(parameter) else Weight(module, name, parameter, (parameter,))
    if parametrize.is_parametrized(module, name):
        return _parametrized(module, name)
    if _is_pruned(module, name):
        original = module._parameters[f"{name}_orig"]
        mask = module._buffers[f"{name}_mask"]
        return Weight(module, name, original.detach() * mask, (original,))  # type: ignore[union-attr, operator, arg-type]
    return None


# What the libraries that flatten parameters leave on them.
_FLATTENED = {
    "_fsdp_flattened": "FullyShardedDataParallel",
    "ds_id": "DeepSpeed's ZeRO",
    "_hp_mapping": "DeepSpeed's ZeRO",
}


def _refuse_flattened(module: nn.Module, name: str, parameter: Tensor | None) -> None:
    """Raise where a weight has become a piece of a flat one, whose rows nobody can see."""
    marks = [by for mark, by in _FLATTENED.items() if hasattr(parameter, mark)]
    if (
        parameter is None
        and type(vars(module).get(name)) is Tensor
        and not _is_pruned(module, name)
    ):
        marks = ["FullyShardedDataParallel"]
    if marks:
        raise ValueError(
            f"{type(module).__name__}.{name} is constrained, and {marks[0]} has made it a piece of "
            "a flat parameter, in which its vectors cannot be found. Shard the model by "
            "torch.distributed.fsdp.fully_shard, which keeps parameters whole, or release it."
        )


def _is_pruned(module: nn.Module, name: str) -> bool:
    return f"{name}_orig" in module._parameters and f"{name}_mask" in module._buffers


def _parametrized(module: nn.Module, name: str) -> Weight:
    steps: parametrize.ParametrizationList = module.parametrizations[name]  # type: ignore[index, assignment]
    for step in steps:
        if not hasattr(step, "right_inverse"):
            raise ValueError(
                f"{type(module).__name__}.{name} is parametrized by {type(step).__name__}, which "
                "has no right_inverse, so that a projected weight cannot be stored. Give it one, "
                "or remove the constraint or the parametrization."
            )
    tensor: Tensor = getattr(module, name).detach().clone()
    return Weight(module, name, tensor, tuple(steps.parameters(recurse=False)))
