"""Constraints hold inside other libraries' training loops, which know nothing of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from torch import nn

from feasible import MaxNorm
from feasible.torch import check, constrain, stepping

# What other libraries deprecate among themselves is not ours to mend.
pytestmark = [
    pytest.mark.filterwarnings(f"ignore:.*:{kind}")
    for kind in ("DeprecationWarning", "FutureWarning")
]

BOUND = 0.05


def network() -> nn.Sequential:
    """A constrained model that starts feasible, and that training would drive far beyond."""
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(4, 6), nn.ReLU(), nn.Linear(6, 1))
    constrain(model, kernel=MaxNorm(BOUND, axis="unit"), project=True)
    return model


class Counting:
    """A constraint that counts how often it acts."""

    calls = 0

    def __call__(self, w: torch.Tensor) -> torch.Tensor:
        Counting.calls += 1
        return w


def norms(model: nn.Module) -> torch.Tensor:
    return torch.cat([model[index].weight.detach().norm(dim=1) for index in (0, 2)])


X = np.random.default_rng(0).normal(size=(32, 4)).astype(np.float32)
Y = X.sum(axis=1, keepdims=True) * 10
DATA = torch.utils.data.TensorDataset(torch.as_tensor(X), torch.as_tensor(Y))


class Watch:
    """Notes after every step whether the model is feasible."""

    def __init__(self, model: nn.Module) -> None:
        self.model = model
        self.seen: list[bool] = []

    def __call__(self, *args: Any, **kwargs: Any) -> None:
        self.seen.append(check(self.model).ok)


def with_plain_loop(model: nn.Module, watch: Watch, folder: Path) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
    for x, y in torch.utils.data.DataLoader(DATA, batch_size=8):
        optimizer.zero_grad()
        nn.functional.mse_loss(model(x), y).backward()
        optimizer.step()
        watch()


def with_optimizer_in_backward(model: nn.Module, watch: Watch, folder: Path) -> None:
    optimizers = {p: torch.optim.SGD([p], lr=0.1) for p in model.parameters()}

    def step(parameter: torch.Tensor) -> None:
        optimizers[parameter].step()
        optimizers[parameter].zero_grad()

    for parameter in model.parameters():
        parameter.register_post_accumulate_grad_hook(step)
    for x, y in torch.utils.data.DataLoader(DATA, batch_size=8):
        nn.functional.mse_loss(model(x), y).backward()
        watch()


def with_compiled_step(model: nn.Module, watch: Watch, folder: Path) -> None:
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1)

    @torch.compile(backend="eager")
    def step() -> None:
        optimizer.step()

    compiled = torch.compile(model, backend="eager")
    for x, y in torch.utils.data.DataLoader(DATA, batch_size=8):
        optimizer.zero_grad()
        nn.functional.mse_loss(compiled(x), y).backward()
        step()
        watch()


def with_lightning(model: nn.Module, watch: Watch, folder: Path) -> None:
    import lightning.pytorch as lightning

    class Module(lightning.LightningModule):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def training_step(self, batch: Any, index: int) -> torch.Tensor:
            return nn.functional.mse_loss(self.model(batch[0]), batch[1])

        def configure_optimizers(self) -> torch.optim.Optimizer:
            return torch.optim.Adam(self.parameters(), lr=0.1)

        def on_train_batch_end(self, *args: Any) -> None:
            watch()

    trainer = lightning.Trainer(
        max_epochs=1,
        accelerator="cpu",
        logger=False,
        enable_checkpointing=False,
        enable_progress_bar=False,
        enable_model_summary=False,
        default_root_dir=folder,
    )
    loader = torch.utils.data.DataLoader(DATA, batch_size=8)
    trainer.fit(Module(), loader)


def with_accelerate(model: nn.Module, watch: Watch, folder: Path) -> None:
    from accelerate import Accelerator

    accelerator = Accelerator(cpu=True, gradient_accumulation_steps=2)
    loader = torch.utils.data.DataLoader(DATA, batch_size=4)
    optimizer = torch.optim.Adam(model.parameters(), lr=0.1)
    prepared, optimizer, loader = accelerator.prepare(model, optimizer, loader)
    for x, y in loader:
        with accelerator.accumulate(prepared):
            accelerator.backward(nn.functional.mse_loss(prepared(x), y))
            optimizer.step()
            optimizer.zero_grad()
        watch()


def with_transformers(model: nn.Module, watch: Watch, folder: Path) -> None:
    from transformers import Trainer, TrainerCallback, TrainingArguments

    class Regression(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.model = model

        def forward(self, x: torch.Tensor, labels: torch.Tensor) -> dict[str, torch.Tensor]:
            output = self.model(x)
            return {"loss": nn.functional.mse_loss(output, labels), "logits": output}

    class Watching(TrainerCallback):
        def on_step_end(self, *args: Any, **kwargs: Any) -> None:
            watch()

    arguments = TrainingArguments(
        output_dir=str(folder),
        max_steps=4,
        per_device_train_batch_size=8,
        learning_rate=0.1,
        report_to=[],
        save_strategy="no",
        disable_tqdm=True,
        use_cpu=True,
        dataloader_pin_memory=False,
        logging_strategy="no",
    )
    data = [{"x": x, "labels": y} for x, y in DATA]
    Trainer(Regression(), arguments, train_dataset=data, callbacks=[Watching()]).train()


def with_skorch(model: nn.Module, watch: Watch, folder: Path) -> None:
    from skorch import NeuralNetRegressor
    from skorch.callbacks import Callback

    class Watching(Callback):
        def on_batch_end(self, net: Any, **kwargs: Any) -> None:
            if watch.model is model:
                watch.model = net.module_  # which may be a copy of what it was given
            watch()

    net = NeuralNetRegressor(
        model,
        max_epochs=1,
        lr=0.1,
        batch_size=8,
        train_split=None,
        callbacks=[Watching()],
        verbose=0,
    )
    net.fit(X, Y)
    model.load_state_dict(net.module_.state_dict())


LOOPS = {
    name.removeprefix("with_"): function
    for name, function in list(globals().items())
    if name.startswith("with_")
}


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_the_weights_are_feasible_after_every_step(loop: Any, tmp_path: Path) -> None:
    model = network()
    watch = Watch(model)
    loop(model, watch, tmp_path)
    assert len(watch.seen) >= 4
    assert all(watch.seen)
    assert norms(model).max() <= BOUND
    assert norms(model).max() > 0.9 * BOUND


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_a_constraint_acts_once_a_step(loop: Any, tmp_path: Path) -> None:
    model = network()
    constrain(model, {"2.bias": Counting()})
    Counting.calls = 0
    loop(model, Watch(nn.Linear(1, 1)), tmp_path)
    assert Counting.calls == len(X) // 8


@pytest.mark.parametrize("loop", LOOPS.values(), ids=LOOPS)
def test_without_the_hook_they_are_not(
    loop: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(stepping, "_project_stepped", lambda stepped: None)
    model = network()
    loop(model, Watch(model), tmp_path)
    assert norms(model).max() > BOUND
