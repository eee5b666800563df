"""Fits a model in two processes, of which this script is the first: `fit_with_ddp.py OUTPUT`."""

from __future__ import annotations

import json
import os
import sys

import numpy as np
import torch

from feasible import MaxNorm, Sequential
from feasible.layers import Dense, Input
from feasible.torch import check

if __name__ == "__main__":
    torch.manual_seed(0)
    hidden = Dense(6, activation="relu", kernel_constraint=MaxNorm(0.3))
    model = Sequential([Input((4,)), hidden, Dense(1, kernel_constraint="unit_norm")])
    model.compile("sgd", "mse")
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    y = x.sum(axis=1, keepdims=True) * 5
    history = model.fit(
        x, y, batch_size=8, epochs=2, verbose=0, accelerator="cpu", devices=2, strategy="ddp"
    )
    found = {
        "world": torch.distributed.get_world_size(),
        "ok": check(model).ok,
        "worst_norm": float(hidden.weight.norm(dim=1).max()),
        "weights": [weight.tolist() for weight in model.get_weights()],
        "loss": history.history["loss"],
    }
    with open(f"{sys.argv[1]}.{os.environ.get('LOCAL_RANK', '0')}", "w") as file:
        json.dump(found, file)
