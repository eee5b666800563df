"""The table: what the parameters of torch.nn's modules are, and how they are laid out."""

from __future__ import annotations

from collections.abc import Callable

from torch import Tensor, nn

from feasible.torch.layouts import (
    ALPHA,
    BETA,
    BIAS,
    EMBEDDINGS,
    GAMMA,
    KERNEL,
    TRANSPOSE_KERNEL,
    ParameterLayout,
    Rows,
    as_kernel,
    as_stored,
    register_layouts,
)
from feasible.unit_axes import all_but_last, no_axes


def _as_bilinear(module: nn.Module, tensor: Tensor) -> Tensor:
    """Return the view (in1, in2, out) of a kernel stored as (out, in1, in2)."""
    del module
    return tensor.permute(1, 2, 0)


def _first_third(module: nn.Module, tensor: Tensor) -> Tensor:
    """Return the query's part of a joint projection, in Keras layout."""
    return _part(module, tensor, 0)


def _second_third(module: nn.Module, tensor: Tensor) -> Tensor:
    """Return the key's part of a joint projection, in Keras layout."""
    return _part(module, tensor, 1)


def _last_third(module: nn.Module, tensor: Tensor) -> Tensor:
    """Return the value's part of a joint projection, in Keras layout."""
    return _part(module, tensor, 2)


def _part(module: nn.Module, tensor: Tensor, place: int) -> Tensor:
    part = tensor.chunk(3)[place]
    return as_kernel(module, part) if tensor.ndim > 1 else part


def _attention_rows(module: nn.Module) -> Rows:
    """Rows of multi-head attention, whose projections are stored in one parameter or in three."""
    views = {"query": _first_third, "key": _second_third, "value": _last_third}
    if module._parameters.get("in_proj_weight") is None:
        kernels = [
            ParameterLayout(f"{name[0]}_proj_weight", "kernel", as_kernel, all_but_last)
            for name in views
        ]
    else:
        kernels = [
            ParameterLayout("in_proj_weight", "kernel", view, all_but_last, name)
            for name, view in views.items()
        ]
    biases = [
        ParameterLayout("in_proj_bias", "bias", view, no_axes, name) for name, view in views.items()
    ]
    return (*kernels, *biases)


# How the names of a recurrent module's parameters begin, and what they are.
_RECURRENT = {
    "weight_ih": ("kernel", as_kernel, all_but_last),
    "weight_hh": ("recurrent_kernel", as_kernel, all_but_last),
    "weight_hr": ("projection_kernel", as_kernel, all_but_last),
    "bias_ih": ("bias", as_stored, no_axes),
    "bias_hh": ("bias", as_stored, no_axes),
}


def _recurrent_rows(module: nn.Module) -> Rows:
    """Rows of a recurrent module or cell, for each layer and direction."""
    return tuple(
        ParameterLayout(name, *row)
        for name in module._parameters
        for prefix, row in _RECURRENT.items()
        if name.startswith(prefix)
    )


_TABLE: dict[tuple[type[nn.Module], ...], Rows | Callable[[nn.Module], Rows]] = {
    (nn.Linear, nn.Conv1d, nn.Conv2d, nn.Conv3d): (KERNEL, BIAS),
    (nn.ConvTranspose1d, nn.ConvTranspose2d, nn.ConvTranspose3d): (TRANSPOSE_KERNEL, BIAS),
    (nn.Bilinear,): (ParameterLayout("weight", "kernel", _as_bilinear, all_but_last), BIAS),
    (nn.Embedding, nn.EmbeddingBag): (EMBEDDINGS,),
    (nn.RNNBase, nn.RNNCellBase): _recurrent_rows,
    (nn.MultiheadAttention,): _attention_rows,
    # Batch and instance normalization derive from the first.
    (nn.modules.batchnorm._NormBase, nn.LayerNorm, nn.GroupNorm): (GAMMA, BETA),
    (nn.RMSNorm,): (GAMMA,),
    (nn.PReLU,): (ALPHA,),
}


def register_torch_modules() -> None:
    """Say what the parameters of torch.nn's own modules are."""
    for module_types, rows in _TABLE.items():
        for module_type in module_types:
            register_layouts(module_type, *(rows if isinstance(rows, tuple) else (rows,)))
