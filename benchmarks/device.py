"""Where PyTorch is measured: on a GPU if there is one."""

from __future__ import annotations

import torch

DEVICE = "cuda" if torch.cuda.is_available() else "cpu"


def wait() -> None:
    """Wait for the device to be done."""
    if DEVICE == "cuda":
        torch.cuda.synchronize()
