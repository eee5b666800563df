"""Training and evaluation mode."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from torch import nn


@contextmanager
def in_mode(module: nn.Module, *, training: bool) -> Iterator[None]:
    """Put a module into a mode for a while, and each part back into its own after it.

    Args:
        module: The module.
        training: Whether the mode is that of training, or of evaluation.

    Example:
        >>> module = nn.Dropout()
        >>> with in_mode(module, training=False):
        ...     module.training
        False
        >>> module.training
        True
    """
    modes = {part: part.training for part in module.modules()}
    module.train(training)
    try:
        yield
    finally:
        for part, mode in modes.items():
            part.training = mode
