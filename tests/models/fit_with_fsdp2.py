"""Fits a sharded model by Lightning in two processes: `fit_with_fsdp2.py OUTPUT`."""

from __future__ import annotations

import json
import os
import sys
from typing import Any

import lightning.pytorch as lightning
import torch
from lightning.pytorch.strategies import ModelParallelStrategy
from torch import nn
from torch.distributed.fsdp import fully_shard

from feasible import MaxNorm
from feasible.torch import check, constrain


class Regression(lightning.LightningModule):
    """A constrained model that Lightning shards."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.model = nn.Sequential(nn.Linear(4, 7), nn.ReLU(), nn.Linear(7, 1))
        constrain(self.model, kernel=MaxNorm(0.05, axis=1), project=True)
        self.seen: list[bool] = []

    def configure_model(self) -> None:
        for part in (self.model[0], self.model[2], self.model):
            fully_shard(part, mesh=self.device_mesh["data_parallel"])

    def training_step(self, batch: Any, index: int) -> torch.Tensor:
        return nn.functional.mse_loss(self.model(batch[0]), batch[1])

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.Adam(self.parameters(), lr=0.1)

    def on_train_batch_end(self, *args: Any) -> None:
        self.seen.append(check(self.model).ok)


if __name__ == "__main__":
    x = torch.randn(32, 4)
    data = torch.utils.data.TensorDataset(x, x.sum(dim=1, keepdim=True) * 10)
    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        devices=2,
        strategy=ModelParallelStrategy(data_parallel_size=2, tensor_parallel_size=1),
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
    )
    module = Regression()
    trainer.fit(module, torch.utils.data.DataLoader(data, batch_size=8))
    weight = module.model[0].weight
    found = {
        "world": torch.distributed.get_world_size(),
        "ok": bool(module.seen) and all(module.seen),
        "worst_norm": float(weight.full_tensor().norm(dim=0).max()),
        "stored": list(weight.to_local().shape),
    }
    with open(f"{sys.argv[1]}.{os.environ.get('LOCAL_RANK', '0')}", "w") as file:
        json.dump(found, file)
