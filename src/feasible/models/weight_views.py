"""The weights of modules as Keras orders, shapes and counts them."""

from __future__ import annotations

from collections.abc import Iterator

from torch import Tensor, nn
from torch.nn.parameter import is_lazy

from feasible.known_layouts import layouts_of
from feasible.layers.layer import Layer
from feasible.layers.own_weights import OwnWeights


def is_built(module: nn.Module) -> bool:
    """Return whether all parameters in a module exist.

    Args:
        module: The module.

    Returns:
        False where a layer is not built, or a parameter is lazy.
    """
    layers = [layer for layer in module.modules() if isinstance(layer, Layer)]
    return all(layer.built for layer in layers) and not any(map(is_lazy, module.parameters()))


def count_params(module: nn.Module, *, trained: bool = False) -> int:
    """Return how many numbers the weights of a module hold, those that exist.

    Args:
        module: The module.
        trained: Whether to count those only that are trained.

    Returns:
        Their count: parameters and states, but no counters.

    Example:
        >>> norm = nn.BatchNorm1d(3)
        >>> count_params(norm), count_params(norm, trained=True)
        (12, 6)
    """
    return sum(
        tensor.numel()
        for tensor in [*module.parameters(), *module.buffers()]
        if not is_lazy(tensor)
        and tensor.is_floating_point()
        and (tensor.requires_grad or not trained)
    )


def weight_views(
    module: nn.Module, prefix: str = "", *, detached: bool = True
) -> Iterator[tuple[str, Tensor]]:
    """Return the weights of a module and of those in it, as Keras orders them.

    Args:
        module: The module.
        prefix: What their names begin with, such as ``"encoder."``.
        detached: Whether gradients end at the views.

    Yields:
        A name, and a view in Keras layout, or as stored where that is not known.
    """
    yield from _views_within(module, prefix, detached, set())


def _views_within(
    module: nn.Module, prefix: str, detached: bool, seen: set[nn.Module]
) -> Iterator[tuple[str, Tensor]]:
    # A layer that several others use is met more than once.
    if module in seen:
        return
    seen.add(module)
    if isinstance(module, OwnWeights):
        for layout, view in module.weight_views(detached=detached):
            yield prefix + layout.parameter, view
    else:
        yield from _views_of_own(module, prefix, detached)
    for name, child in _children(module):
        yield from _views_within(child, f"{prefix}{name}.", detached, seen)


def _children(module: nn.Module) -> Iterator[tuple[str, nn.Module]]:
    """Return what is in a module, in Keras's order, each once."""
    names: list[str] = getattr(module, "_graph_names", None) or []
    of_graph = [(name, module._modules[name]) for name in names]
    seen: set[nn.Module] = set()
    for name, child in [*of_graph, *module.named_children()]:
        if child is not None and child not in seen:
            seen.add(child)
            yield name, child


def _views_of_own(module: nn.Module, prefix: str, detached: bool) -> Iterator[tuple[str, Tensor]]:
    own = [*module.named_parameters(recurse=False), *module.named_buffers(recurse=False)]
    for name, tensor in own:
        # Of states, counters are none of Keras's weights.
        if not tensor.is_floating_point():
            continue
        rows = [layout for layout in layouts_of(module) if layout.parameter == name]
        tensor = tensor.detach() if detached else tensor
        views = [layout.view(tensor) for layout in rows] or [tensor]
        for view in views:
            yield prefix + name, view
