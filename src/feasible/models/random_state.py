"""The state of the random number generators that training draws from."""

from __future__ import annotations

import random
from typing import Any

import numpy as np
import torch


def random_state() -> dict[str, Any]:
    """Return the state of PyTorch's, NumPy's and Python's generators.

    Returns:
        Tensors and numbers, which `torch.load` reads with ``weights_only=True``.
    """
    name, keys, *rest = np.random.get_state(legacy=True)
    return {
        "torch": torch.get_rng_state(),
        "cuda": torch.cuda.get_rng_state_all() if torch.cuda.is_available() else [],
        "numpy": (name, torch.from_numpy(np.asarray(keys, np.int64)), *rest),
        "python": random.getstate(),
    }


def set_random_state(state: dict[str, Any]) -> None:
    """Put the generators back into a state.

    Args:
        state: What `random_state` returned.

    Example:
        >>> state = random_state()
        >>> first = random.random(), np.random.rand(), torch.rand(1)
        >>> set_random_state(state)
        >>> first == (random.random(), np.random.rand(), torch.rand(1))
        True
    """
    torch.set_rng_state(state["torch"])
    if state["cuda"] and len(state["cuda"]) == torch.cuda.device_count():
        torch.cuda.set_rng_state_all(state["cuda"])
    name, keys, *rest = state["numpy"]
    np.random.set_state((name, keys.numpy().astype(np.uint32), *rest))
    random.setstate(state["python"])
