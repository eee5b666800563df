"""Callbacks by Keras's names: what happens at the ends of batches, epochs and runs of `fit`."""

from feasible.requirements import require

require("feasible.callbacks", "fit", "torch")

# ruff: noqa: E402
from feasible.callbacks.averages import SwapEMAWeights
from feasible.callbacks.backup import BackupAndRestore
from feasible.callbacks.callback import Callback
from feasible.callbacks.callback_list import CallbackList
from feasible.callbacks.checkpointing import ModelCheckpoint
from feasible.callbacks.functions import LambdaCallback
from feasible.callbacks.history import History
from feasible.callbacks.learning_rates import LearningRateScheduler, ReduceLROnPlateau
from feasible.callbacks.logging import CSVLogger, TensorBoard
from feasible.callbacks.progress import ProgbarLogger
from feasible.callbacks.stopping import EarlyStopping, TerminateOnNaN

__all__ = [
    "BackupAndRestore",
    "CSVLogger",
    "Callback",
    "CallbackList",
    "EarlyStopping",
    "History",
    "LambdaCallback",
    "LearningRateScheduler",
    "ModelCheckpoint",
    "ProgbarLogger",
    "ReduceLROnPlateau",
    "SwapEMAWeights",
    "TensorBoard",
    "TerminateOnNaN",
]
