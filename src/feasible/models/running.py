"""Runs Lightning's Trainer over a model."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from lightning.pytorch import Callback, Trainer
from lightning.pytorch.callbacks import Checkpoint, ProgressBar
from lightning.pytorch.profilers import PassThroughProfiler

from feasible.arguments import InvalidArgumentError, check_choice, check_integer
from feasible.callbacks.history import History
from feasible.models.callback_hooks import CallbackHooks
from feasible.models.data import Loader
from feasible.models.progress import Progress
from feasible.models.quiet import quiet
from feasible.models.training import Training

if TYPE_CHECKING:
    from feasible.models.model import Model

Callbacks = Sequence[Any] | Any | None

# Keras's names of arguments of the Trainer.
_OF_KERAS = {
    "steps_per_epoch": "limit_train_batches",
    "validation_steps": "limit_val_batches",
    "validation_freq": "check_val_every_n_epoch",
}


def fit(
    model: Model,
    train: Loader,
    validation: Loader | None,
    *,
    class_weight: dict[int, float] | None,
    epochs: int,
    initial_epoch: int,
    ckpt_path: str | None,
    verbose: str | int,
    callbacks: Callbacks,
    **trainer_options: Any,
) -> History:
    """Train a model that is built and has an optimizer.

    Args:
        model: The model.
        train: The batches to train on.
        validation: The batches to validate with, or None.
        class_weight: Weights of the loss by number of class, or None.
        epochs: How many times to go through the data.
        initial_epoch: The number of the first epoch.
        ckpt_path: A checkpoint to go on from, or None.
        verbose: What is shown: see `trainer`.
        callbacks: Lightning's callbacks.
        **trainer_options: The Trainer's arguments.

    Returns:
        The loss and the metrics of each epoch.
    """
    epochs = check_integer("fit", "epochs", epochs, minimum=0)
    initial_epoch = check_integer("fit", "initial_epoch", initial_epoch, minimum=0)
    training = Training(model, class_weight)
    model.stop_training = False
    model.train()
    try:
        with quiet():
            running = trainer(verbose, callbacks, max_epochs=epochs, **trainer_options)
            progress: Any = running.fit_loop.epoch_progress.current
            progress.processed = progress.completed = initial_epoch
            running.fit(training, train, validation, ckpt_path=ckpt_path, weights_only=True)
    finally:
        model.eval()
    model.history = training.history
    return training.history


def evaluate(
    model: Model, batches: Loader, verbose: str | int, callbacks: Callbacks, **trainer_options: Any
) -> dict[str, float]:
    """Compute the loss and the metrics of data.

    Args:
        model: The model, which is built.
        batches: The batches.
        verbose: What is shown: see `trainer`.
        callbacks: Lightning's callbacks.
        **trainer_options: The Trainer's arguments.

    Returns:
        Values by name.
    """
    training = Training(model)
    with quiet():
        running = trainer(verbose, callbacks, **trainer_options)
        running.validate(training, batches, verbose=False)
    values = training.validation_values
    if verbose and running.is_global_zero:
        print("  ".join(f"{name} {value:.4f}" for name, value in values.items()))
    return values


def predict(
    model: Model, batches: Loader, verbose: str | int, callbacks: Callbacks, **trainer_options: Any
) -> list[Any]:
    """Compute a model's output.

    Args:
        model: The model, which is built.
        batches: The batches.
        verbose: What is shown: see `trainer`.
        callbacks: Lightning's callbacks.
        **trainer_options: The Trainer's arguments.

    Returns:
        The output for each batch.
    """
    with quiet():
        running = trainer(verbose, callbacks, **trainer_options)
        return running.predict(Training(model), batches)  # type: ignore[return-value]


def trainer(verbose: str | int, callbacks: Callbacks, **options: Any) -> Trainer:
    """Make a Trainer that shows and writes only what it is asked to.

    Args:
        verbose: 0 for silence, 1 for a progress bar and a row for each epoch, 2 for rows only;
            ``"auto"`` for 1 in a terminal or a notebook, and 2 elsewhere.
        callbacks: Keras's callbacks, ours or its own, and Lightning's. A progress bar of
            Lightning's takes the place of ours.
        **options: The Trainer's other arguments.

    Returns:
        The trainer.

    Raises:
        InvalidArgumentError: If `verbose` is none of these.
    """
    check_choice("fit", "verbose", verbose, ("auto", 0, 1, 2))
    single = callbacks is not None and not isinstance(callbacks, Sequence)
    given: list[Any] = [callbacks] if single else list(callbacks or ())
    used = [one for one in given if isinstance(one, Callback)]
    of_keras = [one for one in given if not isinstance(one, Callback)]
    if wrong := [one for one in of_keras if not hasattr(one, "on_epoch_end")]:
        raise InvalidArgumentError(
            "fit", "callbacks", wrong[0], "callbacks of feasible.callbacks, Keras or Lightning"
        )
    if of_keras:
        used.append(CallbackHooks(of_keras, verbose))
    if verbose and not any(isinstance(callback, ProgressBar) for callback in used):
        used.append(Progress(live=verbose == 1 or (verbose == "auto" and _is_watched())))
    return Trainer(
        callbacks=used,
        enable_checkpointing=any(isinstance(callback, Checkpoint) for callback in used),
        enable_progress_bar=any(isinstance(callback, ProgressBar) for callback in used),
        **{
            "devices": 1,
            "logger": False,
            "enable_model_summary": False,
            "num_sanity_val_steps": 0,
            "profiler": _NoProfiler(),
            **{_OF_KERAS.get(name, name): value for name, value in options.items()},
        },
    )


class _NoProfiler(PassThroughProfiler):
    """Lightning's default makes a new context for each of the forty times a step it is entered."""

    _nothing = contextlib.nullcontext()

    def profile(self, action_name: str) -> contextlib.AbstractContextManager[None]:  # type: ignore[override]
        del action_name
        return self._nothing


def _is_watched() -> bool:
    """Say whether a person looks at what is printed: in a terminal or a notebook."""
    return sys.stdout.isatty() or "ipykernel" in sys.modules
