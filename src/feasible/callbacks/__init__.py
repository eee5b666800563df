"""Callbacks by Keras's names: what happens at the ends of batches, epochs and runs of `fit`."""

from feasible.requirements import require

require("feasible.callbacks", "fit", "torch")

# ruff: noqa: E402
from feasible.callbacks.callback import Callback
from feasible.callbacks.callback_list import CallbackList
from feasible.callbacks.checkpointing import ModelCheckpoint
from feasible.callbacks.functions import LambdaCallback
from feasible.callbacks.history import History
from feasible.callbacks.learning_rates import LearningRateScheduler, ReduceLROnPlateau
from feasible.callbacks.logging import CSVLogger, TensorBoard
from feasible.callbacks.stopping import EarlyStopping, TerminateOnNaN

__all__ = [
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ReduceLROnPlateau",
    "TensorBoard",
    "TerminateOnNaN",
]
