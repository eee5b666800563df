"""Keras's optimizers, each of which is one of PyTorch's, too."""

from feasible.requirements import require

require("feasible.optimizers", "fit", "torch")

# ruff: noqa: E402
from feasible.optimizers import schedules
from feasible.optimizers.adam_family import Adam, Adamax, AdamW, Lamb, Nadam
from feasible.optimizers.gradient_descent import SGD, Ftrl, Lion
from feasible.optimizers.named_optimizers import OPTIMIZERS, deserialize, get, serialize
from feasible.optimizers.optimizer import Optimizer
from feasible.optimizers.root_mean_square import Adadelta, Adafactor, Adagrad, RMSprop

register = OPTIMIZERS.register

__all__ = [
    "OPTIMIZERS",
    "SGD",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Ftrl",
    "Lamb",
    "Lion",
    "Nadam",
    "Optimizer",
    "RMSprop",
    "deserialize",
    "get",
    "register",
    "schedules",
    "serialize",
]
