"""Finds the weight that a module computes with, and the tensors that are trained behind it."""

from __future__ import annotations

from collections.abc import Container, Iterable
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
        computed: What a parametrization made of these, of which `tensor` is a copy; else None.
    """

    module: nn.Module
    name: str
    tensor: Tensor
    trained: tuple[Tensor, ...]
    computed: Tensor | None = None


def is_sharded(tensor: Tensor) -> bool:
    """Say whether a tensor is spread over the processes of a device mesh.

    Args:
        tensor: The tensor.

    Returns:
        Whether it is a `torch.distributed.tensor.DTensor`.
    """
    # By attribute, because importing the class takes a second.
    return hasattr(tensor, "device_mesh") and hasattr(tensor, "placements")


def weight_of(module: nn.Module, name: str, among: Container[int] | None = None) -> Weight | None:
    """Return a module's weight by its name: plain, parametrized or pruned.

    Args:
        module: The module.
        name: The weight's name, such as ``"weight"``.
        among: The identities of the parameters that matter, and of modules whose parameters are
            pieces of such; None for any.

    Returns:
        The weight; or None where the module has none of this name, or none yet, such as a bias that
        is switched off or a lazy parameter; or where none of the parameters behind it matters.

    Raises:
        ValueError: If it matters, and is parametrized in a way that cannot be written through or is
            a piece of a flat parameter.

    Example:
        >>> linear = nn.Linear(2, 3)
        >>> weight_of(linear, "weight").tensor is linear.weight
        True
    """

    def matter(tensors: Iterable[object]) -> bool:
        return among is None or any(id(tensor) in among for tensor in tensors)

    weight = None
    parameter = module._parameters.get(name)
    if type(parameter) is nn.Parameter and not vars(parameter):
        # As most are: whoever takes parameters over leaves a mark on them.
        matters = among is None or id(parameter) in among
        return Weight(module, name, parameter, (parameter,)) if matters else None
    original, mask = module._parameters.get(f"{name}_orig"), module._buffers.get(f"{name}_mask")
    # What ZeRO's optimizer steps is nothing of the module's, so that it would never seem to matter.
    if hasattr(parameter, "ds_id") or hasattr(parameter, "_hp_mapping"):
        raise _hidden(module, name, "DeepSpeed's ZeRO")
    if hasattr(parameter, "_fsdp_flattened") and matter([parameter]):
        raise _hidden(module, name, "FullyShardedDataParallel")
    if parameter is not None:
        weight = None if is_lazy(parameter) else Weight(module, name, parameter, (parameter,))
    elif parametrize.is_parametrized(module, name):
        weight = _parametrized(module, name)
    elif original is not None and mask is not None:
        weight = Weight(module, name, original.detach() * mask, (original,))
    elif type(vars(module).get(name)) is Tensor and matter([module, *module._parameters.values()]):
        raise _hidden(module, name, "FullyShardedDataParallel, or a hook,")
    return weight if weight is not None and matter(weight.trained) else None


def _hidden(module: nn.Module, name: str, by: str) -> ValueError:
    return ValueError(
        f"{type(module).__name__}.{name} is constrained, but {by} has made it a piece of another "
        "parameter, in which its vectors cannot be found. Shard a model by "
        "torch.distributed.fsdp.fully_shard, which keeps parameters whole; compute a weight from "
        "others by torch.nn.utils.parametrize; or release it from its constraint."
    )


def _parametrized(module: nn.Module, name: str) -> Weight:
    steps: parametrize.ParametrizationList = module.parametrizations[name]  # type: ignore[index, assignment]
    for step in steps:
        if not hasattr(step, "right_inverse"):
            raise ValueError(
                f"{type(module).__name__}.{name} is parametrized by {type(step).__name__}, which "
                "has no right_inverse, so that a projected weight cannot be stored. Give it one, "
                "or remove the constraint or the parametrization."
            )
    computed: Tensor = getattr(module, name).detach()
    trained = tuple(steps.parameters(recurse=False))
    return Weight(module, name, computed.clone(), trained, computed)
