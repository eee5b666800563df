"""Which steps of a sequence count: masks, which tensors carry from layer to layer."""

from __future__ import annotations

from typing import Any

from torch import Tensor

from feasible.layers.symbolic import map_nest

_ATTRIBUTE = "_feasible_mask"


def mask_of(tensor: Any) -> Tensor | None:
    """Return the mask that a tensor carries.

    Args:
        tensor: A layer's output, or anything else.

    Returns:
        Where its steps count, of shape (batch, steps); None where all do.
    """
    return getattr(tensor, _ATTRIBUTE, None)


def masks_of(nest: Any) -> Any:
    """Return the masks that the tensors in a nest carry.

    Args:
        nest: A tensor, or tuples, lists and dicts of tensors.

    Returns:
        A mask, or a nest of masks and None; None where no tensor carries one.
    """
    if isinstance(nest, Tensor):
        return mask_of(nest)
    found: list[Tensor] = []

    def noted(tensor: Tensor) -> Tensor | None:
        mask = mask_of(tensor)
        if mask is not None:
            found.append(mask)
        return mask

    masks = map_nest(noted, nest, Tensor)
    return masks if found else None


def give_masks(outputs: Any, masks: Any) -> None:
    """Have tensors carry masks.

    Args:
        outputs: A tensor, or a nest of tensors.
        masks: A mask for it, or a nest of the same form; None for none.
    """
    if masks is None:
        return
    if isinstance(outputs, Tensor):
        setattr(outputs, _ATTRIBUTE, masks)
    elif isinstance(outputs, tuple | list):
        # One mask for a layer that returns states, too, is that of its output.
        for output, mask in zip(outputs, masks if isinstance(masks, tuple | list) else [masks]):  # noqa: B905
            give_masks(output, mask)
