"""A callback made of functions."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from feasible.arguments import InvalidArgumentError
from feasible.callbacks.callback import Callback

Hook = Callable[..., Any] | None


class LambdaCallback(Callback):
    """Calls functions of yours in place of hooks.

    Args:
        on_epoch_begin: Called with an epoch's number and values.
        on_epoch_end: Called with an epoch's number and values.
        on_train_begin: Called with values.
        on_train_end: Called with values.
        on_train_batch_begin: Called with a batch's number and values.
        on_train_batch_end: Called with a batch's number and values.
        **hooks: Functions by the name of a further hook; anything else becomes an attribute.

    Raises:
        InvalidArgumentError: If there is no such hook, or it is no function.

    Example:
        >>> LambdaCallback(on_epoch_end=lambda epoch, logs: print(epoch)).on_epoch_end(3, {})
        3
    """

    def __init__(
        self,
        on_epoch_begin: Hook = None,
        on_epoch_end: Hook = None,
        on_train_begin: Hook = None,
        on_train_end: Hook = None,
        on_train_batch_begin: Hook = None,
        on_train_batch_end: Hook = None,
        **hooks: Any,
    ) -> None:
        super().__init__()
        given = {
            "on_epoch_begin": on_epoch_begin,
            "on_epoch_end": on_epoch_end,
            "on_train_begin": on_train_begin,
            "on_train_end": on_train_end,
            "on_train_batch_begin": on_train_batch_begin,
            "on_train_batch_end": on_train_batch_end,
            **hooks,
        }
        for name, function in given.items():
            if not name.startswith("on_"):
                setattr(self, name, function)
                continue
            if not hasattr(Callback, name):
                allowed = ", ".join(hook for hook in dir(Callback) if hook.startswith("on_"))
                raise InvalidArgumentError("LambdaCallback", name, function, f"one of {allowed}")
            if function is not None:
                if not callable(function):
                    raise InvalidArgumentError("LambdaCallback", name, function, "a function")
                setattr(self, name, function)
