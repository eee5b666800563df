"""A callback made of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from feasible.arguments import InvalidArgumentError
from feasible.callbacks.callback import Callback


class LambdaCallback(Callback):
    """Calls functions of yours in place of hooks.

    Args:
        **hooks: Functions by the hook's name, such as ``on_epoch_end=lambda epoch, logs: ...``.

    Raises:
        InvalidArgumentError: If there is no such hook, or it is no function.

    Example:
        >>> LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch)).on_epoch_end(3, {})
        3
    """

    def __init__(self, **hooks: Callable[..., Any] | None) -> None:
        super().__init__()
        for name, function in hooks.items():
            if not name.startswith("on_") or not hasattr(Callback, name):
                allowed = ", ".join(hook for hook in dir(Callback) if hook.startswith("on_"))
                raise InvalidArgumentError("LambdaCallback", name, function, f"one of {allowed}")
            if function is not None:
                if not callable(function):
                    raise InvalidArgumentError("LambdaCallback", name, function, "a function")
                setattr(self, name, function)
