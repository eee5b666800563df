"""Fits a model that Fabric shards between two processes: `fit_sharded.py OUTPUT`."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import numpy as np
import torch
from lightning.fabric.strategies import ModelParallelStrategy
from torch.distributed.fsdp import fully_shard

from feasible import MaxNorm, Sequential
from feasible.callbacks import Callback
from feasible.layers import Dense, Input
from feasible.torch import check


def shard(model: Any, mesh: Any) -> Any:
    for part in (*model.layers, model):
        fully_shard(part, mesh=mesh["data_parallel"])
    return model


class Checked(Callback):
    """Checks the weights after each batch."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: list[bool] = []

    def on_train_batch_end(self, batch: int, logs: Any = None) -> None:
        self.seen.append(check(self.model).ok)
        self.stored = list(self.model.layers[0].weight.to_local().shape)


if __name__ == "__main__":
    torch.manual_seed(0)
    hidden = Dense(7, activation="relu", kernel_constraint=MaxNorm(0.05, axis="unit"))
    model = Sequential([Input((4,)), hidden, Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    x = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
    checked = Checked()
    history = model.fit(
        x,
        x.sum(axis=1, keepdims=True) * 10,
        batch_size=8,
        verbose=0,
        callbacks=[checked],
        accelerator="cpu",
        devices=2,
        strategy=ModelParallelStrategy(shard, data_parallel_size=2, tensor_parallel_size=1),
    )
    found = {
        "world": torch.distributed.get_world_size(),
        "ok": bool(checked.seen) and all(checked.seen),
        "stored": checked.stored,
        "loss": history.history["loss"],
    }
    with open(f"{sys.argv[1]}.{os.environ.get('LOCAL_RANK', '0')}", "w") as file:
        json.dump(found, file)
