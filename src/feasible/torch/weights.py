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
        path: What to call it in messages: its name in the model, if that is known.
        computed: What a parametrization made of these, of which `tensor` is a copy; else None.
    """

    module: nn.Module
    name: str
    tensor: Tensor
    trained: tuple[Tensor, ...]
    path: str
    computed: Tensor | None = None

    @property
    def is_frozen(self) -> bool:
        """Whether none of what it is made of is trained."""
        return not any(tensor.requires_grad for tensor in self.trained)


def is_sharded(tensor: Tensor) -> bool:
    """Say whether a tensor is spread over the processes of a device mesh.

    Args:
        tensor: The tensor.

    Returns:
        Whether it is a `torch.distributed.tensor.DTensor`.
    """
    # By attribute, because importing the class takes a second.
    return hasattr(tensor, "device_mesh") and hasattr(tensor, "placements")


def whole(tensor: Tensor) -> Tensor:
    """Return a whole weight without gradient; a sharded one is gathered for it.

    Args:
        tensor: The weight.

    Returns:
        The same, or what all processes have of it.
    """
    tensor = tensor.detach()
    return tensor.full_tensor() if is_sharded(tensor) else tensor  # type: ignore[attr-defined]


def weight_of(
    module: nn.Module, name: str, among: Container[int] | None = None, path: str | None = None
) -> Weight | None:
    """Return a module's weight by its name: plain, parametrized or pruned.

    Args:
        module: The module.
        name: The weight's name, such as ``"weight"``.
        among: The identities of the parameters that matter, and of modules whose parameters are
            pieces of such; None for any.
        path: What to call the weight in messages; None for the module's type and its name there.

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
    path = path or f"{type(module).__name__}.{name}"
    parameter = module._parameters.get(name)
    if type(parameter) is nn.Parameter and not vars(parameter):
        # As most are: whoever takes parameters over leaves a mark on them.
        matters = among is None or id(parameter) in among
        return Weight(module, name, parameter, (parameter,), path) if matters else None
    original, mask = module._parameters.get(f"{name}_orig"), module._buffers.get(f"{name}_mask")
    # What ZeRO's optimizer steps is nothing of the module's, so that it would never seem to matter.
    if hasattr(parameter, "ds_id") or hasattr(parameter, "_hp_mapping"):
        raise _hidden(path, "DeepSpeed's ZeRO")
    if hasattr(parameter, "_fsdp_flattened") and matter([parameter]):
        raise _hidden(path, "FullyShardedDataParallel")
    if parameter is not None:
        weight = None if is_lazy(parameter) else Weight(module, name, parameter, (parameter,), path)
    elif parametrize.is_parametrized(module, name):
        weight = _parametrized(module, name, path)
    elif original is not None and mask is not None:
        weight = Weight(module, name, original.detach() * mask, (original,), path)
    elif type(vars(module).get(name)) is Tensor and matter([module, *module._parameters.values()]):
        hook = _hook_of(module, name)
        raise _hooked(path, hook) if hook else _hidden(path, "FullyShardedDataParallel, or a hook,")
    return weight if weight is not None and matter(weight.trained) else None


def identity_of(module: nn.Module, name: str) -> object | None:
    """Return what is one and the same for a weight under all the names that it has.

    Args:
        module: The module.
        name: The weight's name in it.

    Returns:
        The first of the parameters behind it, even where it could not be written to; None where
        the module has no such weight.

    Example:
        >>> linear = nn.Linear(2, 3, bias=False)
        >>> identity_of(linear, "weight") is linear.weight, identity_of(linear, "bias")
        (True, None)
    """
    if (parameter := module._parameters.get(name)) is not None:
        return parameter
    if parametrize.is_parametrized(module, name):
        return next(module.parametrizations[name].parameters(recurse=False), None)  # type: ignore[index, union-attr]
    original, mask = module._parameters.get(f"{name}_orig"), module._buffers.get(f"{name}_mask")
    if original is not None and mask is not None:
        return original
    held = vars(module).get(name)
    return held if type(held) is Tensor else None


# By the class of an old hook of torch.nn.utils: what makes it, and what takes its place.
_HOOKS = {
    "WeightNorm": ("weight_norm", "remove_weight_norm"),
    "SpectralNorm": ("spectral_norm", "remove_spectral_norm"),
}


def _hook_of(module: nn.Module, name: str) -> str | None:
    """Return the class of the old hook that computes a weight before each forward pass."""
    for hook in module._forward_pre_hooks.values():
        if type(hook).__name__ in _HOOKS and getattr(hook, "name", None) == name:
            return type(hook).__name__
    return None


def _hooked(path: str, hook: str) -> ValueError:
    function, remove = _HOOKS[hook]
    return ValueError(
        f"{path} is constrained, but the hook {hook} of torch.nn.utils.{function} computes it anew "
        "before each forward pass, so that a projected weight would be lost. Take "
        f"torch.nn.utils.parametrizations.{function} instead, after torch.nn.utils.{remove}; or "
        f"leave it out by a rule {{{path!r}: None}}."
    )


def _hidden(path: str, by: str) -> ValueError:
    return ValueError(
        f"{path} is constrained, but {by} has made it a piece of another "
        "parameter, in which its vectors cannot be found. Shard a model by "
        "torch.distributed.fsdp.fully_shard, which keeps parameters whole; compute a weight from "
        "others by torch.nn.utils.parametrize; or release it from its constraint."
    )


def _parametrized(module: nn.Module, name: str, path: str) -> Weight:
    steps: parametrize.ParametrizationList = module.parametrizations[name]  # type: ignore[index, assignment]
    for step in steps:
        if not hasattr(step, "right_inverse"):
            raise ValueError(
                f"{path} is parametrized by {type(step).__name__}, which "
                "has no right_inverse, so that a projected weight cannot be stored. Give it one, "
                f"remove the parametrization, or leave it out by a rule {{{path!r}: None}}."
            )
    computed: Tensor = getattr(module, name).detach()
    trained = tuple(steps.parameters(recurse=False))
    return Weight(module, name, computed.clone(), trained, path, computed)
