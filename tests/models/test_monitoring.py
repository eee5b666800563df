"""Under Lightning's Trainer a monitor starts, logs and stops by itself."""

from __future__ import annotations

import csv
from pathlib import Path
from typing import Any

import lightning.pytorch as lightning
import numpy as np
import pytest
import torch
from lightning.pytorch.loggers import CSVLogger
from torch import nn
from torch.utils.data import DataLoader

from feasible import MaxNorm
from feasible.layers import Dense
from feasible.models import MonitorCallback, Sequential
from feasible.torch import applying, constrain, constraints_of

X = np.random.default_rng(0).normal(size=(48, 5)).astype(np.float32)


def model() -> Sequential:
    torch.manual_seed(0)
    model = Sequential([Dense(4, "relu", kernel_constraint=MaxNorm(0.5)), Dense(1)])
    model.compile("adam", "mse")
    return model


def test_fit_is_monitored_and_logged(tmp_path: Path) -> None:
    logger, trained = CSVLogger(tmp_path), model()
    callback = MonitorCallback(every=2, loggers=[logger])
    trained.fit(X, X[:, :1], batch_size=8, epochs=2, verbose=0, callbacks=[callback])
    samples = callback.monitor.records()
    assert [sample.step for sample in samples] == [2, 4, 6, 8, 10, 12]
    assert {sample.parameter for sample in samples} == {*constraints_of(trained)}
    with Path(logger.log_dir, "metrics.csv").open() as file:
        rows = [row for row in csv.DictReader(file) if row["constraints/dense.weight/moved"]]
    assert [int(row["step"]) for row in rows] == [2, 4, 6, 8, 10, 12]
    assert [float(row["constraints/dense.weight/max_distance"]) for row in rows] == [
        sample.max_distance for sample in samples
    ]
    assert applying.observers == []


class Line(lightning.LightningModule):
    """A module of somebody who has never heard of us."""

    def __init__(self) -> None:
        super().__init__()
        self.linear = nn.Linear(5, 1)

    def training_step(self, batch: torch.Tensor) -> torch.Tensor:
        return self.linear(batch).square().mean()

    def configure_optimizers(self) -> torch.optim.Optimizer:
        return torch.optim.SGD(self.parameters(), lr=0.1)


class Failing(lightning.Callback):
    """Raises after some batches."""

    def on_train_batch_end(self, trainer: Any, *others: Any) -> None:
        if trainer.global_step == 3:
            raise RuntimeError("in a batch")


def trainer(path: Path, *callbacks: Any, **options: Any) -> lightning.Trainer:
    return lightning.Trainer(
        accelerator="cpu",
        callbacks=list(callbacks),
        default_root_dir=path,
        logger=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        **options,
    )


@pytest.mark.filterwarnings("ignore:.*does not have many workers", "ignore:.*LeafSpec")
def test_steps_count_on_from_a_checkpoint_and_errors_stop_it(tmp_path: Path) -> None:
    line, callback = Line(), MonitorCallback(every=2)
    constrain(line, kernel=MaxNorm(0.1, axis="unit"))
    batches = DataLoader(torch.tensor(X), batch_size=8)
    first = trainer(tmp_path, callback, max_epochs=1, enable_checkpointing=False)
    first.fit(line, batches)
    assert [sample[:2] for sample in callback.monitor.records()] == [
        (step, "linear.weight") for step in (2, 4, 6)
    ]
    first.save_checkpoint(tmp_path / "first.ckpt")
    second = trainer(tmp_path, callback, max_epochs=2, enable_checkpointing=False)
    second.fit(line, batches, ckpt_path=tmp_path / "first.ckpt")
    assert [sample.step for sample in callback.monitor.records()] == [8, 10, 12]
    third = trainer(tmp_path, callback, Failing(), max_epochs=1, enable_checkpointing=False)
    with pytest.raises(RuntimeError, match="in a batch"):
        third.fit(line, batches)
    assert [sample.step for sample in callback.monitor.records()] == [2]
    assert applying.observers == []


def test_numbers_are_checked_before_training() -> None:
    with pytest.raises(ValueError, match="MonitorCallback: `every`"):
        MonitorCallback(every=0)
