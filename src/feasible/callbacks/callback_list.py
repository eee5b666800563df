"""The callbacks of a run, and how their hooks are called."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from functools import partial
from typing import Any

from feasible.arguments import InvalidArgumentError
from feasible.callbacks.history import History
from feasible.callbacks.progress import ProgbarLogger

# From nothing to the loss and the metrics so far: found only where a callback takes them.
LogsSource = Callable[[], dict[str, Any]]


class CallbackList:
    """Calls several callbacks, in order.

    Args:
        callbacks: Callbacks of ours, or Keras's own, whose hooks have the same names; a nest of
            these; or one.
        add_history: Whether a `History` is added, if there is none.
        add_progbar: Whether a `ProgbarLogger` is added, if there is none.
        model: The model.
        **params: What is known of the run: ``"verbose"``, ``"epochs"``, ``"steps"``.

    Raises:
        InvalidArgumentError: If something is no callback.

    Example:
        >>> from feasible.callbacks import Callback
        >>> class Shout(Callback):
        ...     def on_epoch_end(self, epoch, logs=None):
        ...         print(f"epoch {epoch} is over")
        >>> CallbackList([Shout()]).on_epoch_end(0)
        epoch 0 is over
    """

    def __init__(
        self,
        callbacks: Any = None,
        add_history: bool = False,
        add_progbar: bool = False,
        model: Any = None,
        **params: Any,
    ) -> None:
        self.callbacks = list(_flat(callbacks))
        self.model = model
        self.params = params
        for callback in self.callbacks:
            if not hasattr(callback, "on_epoch_end") or not hasattr(callback, "set_model"):
                raise InvalidArgumentError(
                    "fit",
                    "callbacks",
                    callback,
                    "callbacks of feasible.callbacks or of Keras. Lightning's have other hooks, "
                    "and work under its Trainer",
                )
        if add_history and not self._of("History", History):
            self.callbacks.append(History())
        if add_progbar and not self._of("ProgbarLogger", ProgbarLogger):
            self.callbacks.append(ProgbarLogger())
        self.callbacks.sort(key=lambda one: getattr(one, "goes_last", False) is True)
        self._hooks: dict[str, list[Callable[..., Any]]] = {}
        self.set_model(model)
        self.set_params(params)

    def _of(self, name: str, kind: type) -> list[Any]:
        """Return the callbacks of a class, or of Keras's class of that name."""
        return [
            one for one in self.callbacks if isinstance(one, kind) or type(one).__name__ == name
        ]

    def append(self, callback: Any) -> None:
        """Add a callback at the end.

        Args:
            callback: The callback.
        """
        self.callbacks.append(callback)
        self._hooks.clear()

    def set_params(self, params: dict[str, Any]) -> None:
        """Tell the callbacks of the run.

        Args:
            params: What is known of it.
        """
        self.params = params
        for callback in self.callbacks:
            callback.set_params(params)

    def set_model(self, model: Any) -> None:
        """Tell the callbacks of the model.

        Args:
            model: The model; None for none.
        """
        if model is None:
            return
        self.model = model
        for callback in self.callbacks:
            callback.set_model(model)
        for history in self._of("History", History):
            model.history = history

    def hooks(self, name: str) -> list[Callable[..., Any]]:
        """Return the hooks of one name that do anything.

        Args:
            name: The hook's name, such as ``"on_epoch_end"``.

        Returns:
            Those of the callbacks that have one of their own.
        """
        if name not in self._hooks:
            found = [one for one in self.callbacks if _has_own(one, name)]
            self._hooks[name] = [getattr(one, name) for one in found]
        return self._hooks[name]

    def call(self, name: str, /, *arguments: Any, **options: Any) -> None:
        """Call one hook of all callbacks.

        Args:
            name: Its name.
            *arguments: What it is called with.
            **options: What it is called with, by name.
        """
        for hook in self.hooks(name):
            hook(*arguments, **options)

    def batch_end(self, name: str, batch: int, logs: LogsSource) -> None:
        """Call a hook at a batch's end, with values that are found only if a callback takes them.

        Args:
            name: The hook's name.
            batch: The batch's number.
            logs: Returns the values.
        """
        found: dict[str, Any] | None = None
        for hook in self.hooks(name):
            owner = getattr(hook, "__self__", None)
            if isinstance(owner, ProgbarLogger) and not owner.is_due(batch):
                continue
            if found is None:
                found = logs()
            hook(batch, found)

    def __getattr__(self, name: str) -> Any:
        """Return what calls one hook of all callbacks."""
        if not name.startswith("on_"):
            raise AttributeError(f"CallbackList has no attribute {name!r}")
        return partial(self.call, name)


# Hooks that others are called by, in the base class.
_CALLED_BY = {
    "on_train_batch_begin": "on_batch_begin",
    "on_train_batch_end": "on_batch_end",
}


def _flat(nest: Any) -> Iterable[Any]:
    if nest is None:
        return
    if isinstance(nest, list | tuple):
        for one in nest:
            yield from _flat(one)
    elif isinstance(nest, CallbackList) or (
        type(nest).__name__ == "CallbackList" and hasattr(nest, "callbacks")
    ):
        yield from nest.callbacks
    else:
        yield nest


def _has_own(callback: Any, name: str) -> bool:
    """Say whether a callback does anything in a hook: base classes do nothing."""
    inherited = _CALLED_BY.get(name)
    if inherited is not None and _has_own(callback, inherited):
        return True
    hook = getattr(callback, name, None)
    function = getattr(hook, "__func__", hook)
    if function is None:
        return False
    qualified = f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', '')}"
    bases = (f"{base}.Callback.{name}" for base in _BASES)
    return qualified not in bases


# Lightning's is that of a callback for both, such as `MonitorCallback`.
_BASES = (
    "feasible.callbacks.callback",
    "keras.src.callbacks.callback",
    "lightning.pytorch.callbacks.callback",
)
