"""Models: Keras's training methods on PyTorch modules."""

from typing import TYPE_CHECKING, Any

from feasible.requirements import require

require("feasible.models", "fit", "torch", "h5py", "safetensors")

# ruff: noqa: E402

from feasible.callbacks.history import History
from feasible.models.model import Model
from feasible.models.saving import load_model
from feasible.models.sequential import Sequential

if TYPE_CHECKING:
    from feasible.models.monitoring import MonitorCallback

__all__ = ["History", "Model", "MonitorCallback", "Sequential", "load_model"]


def __getattr__(name: str) -> Any:
    """Import what is one of Lightning's classes when it is first asked for."""
    if name == "MonitorCallback":
        from feasible.models.monitoring import MonitorCallback

        return MonitorCallback
    raise AttributeError(f"module 'feasible.models' has no attribute {name!r}")
