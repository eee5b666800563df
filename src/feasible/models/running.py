"""On which devices a model runs, in which precision, and how its gradients are gathered."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING, Any

import torch
from torch import Tensor
from torch.optim import Optimizer

from feasible.models.data import map_tensors
from feasible.models.quiet import quiet
from feasible.requirements import require

if TYPE_CHECKING:
    from feasible.models.steps import SteppedModel


class OneDevice:
    """Runs a model in full precision on one device: a GPU if there is one.

    Attributes:
        rank: The number of this process.
        world: How many processes there are.
    """

    rank = 0
    world = 1

    def __init__(self) -> None:
        self.device = torch.device("cpu")

    @contextmanager
    def running(self, model: SteppedModel) -> Iterator[None]:
        """Have a model on the device, and afterwards where it was.

        Args:
            model: The model, which is built.
        """
        before = model.device()
        self.device = _accelerator() if before.type == "cpu" else before
        moves = before != self.device
        if moves:
            _move(model, self.device)
        model.place_metrics()
        vars(model)["_runner"] = self
        try:
            yield
        finally:
            vars(model)["_runner"] = None
            if moves:
                _move(model, before)

    def place(self, batch: Any) -> Any:
        """Return a batch on the device.

        Args:
            batch: Tensors, or a nest of them.

        Returns:
            The same nest.
        """
        if self.device.type == "cpu":
            return batch
        return map_tensors(lambda tensor: tensor.to(self.device, non_blocking=True), batch)

    def backward(self, loss: Tensor) -> None:
        """Compute gradients.

        Args:
            loss: The loss.
        """
        loss.backward()  # type: ignore[no-untyped-call]

    def step(self, optimizer: Optimizer) -> None:
        """Take a step.

        Args:
            optimizer: The optimizer.
        """
        optimizer.step()

    def loader(self, loader: Any) -> Any:
        """Return a DataLoader whose samples are parted between the processes.

        Args:
            loader: The loader.

        Returns:
            A loader of this process's samples.
        """
        return loader

    def shared(self, value: int) -> int:
        """Return the first process's value.

        Args:
            value: This process's.

        Returns:
            A number that is the same in all.
        """
        return value


class OnFabric(OneDevice):
    """Runs a model as Lightning Fabric does: on several devices, in a precision.

    Args:
        **options: Arguments of Fabric: `accelerator`, `devices`, `strategy`, `precision`.
    """

    def __init__(self, **options: Any) -> None:
        super().__init__()
        require("feasible.models: devices, strategies and precision", "fit", "lightning")
        with quiet():
            from lightning.fabric import Fabric

            self.fabric = Fabric(**{"devices": 1, **options})
            self.fabric.launch()
        self.rank, self.world = self.fabric.global_rank, self.fabric.world_size
        self._stepped: dict[int, Any] = {}

    @contextmanager
    def running(self, model: SteppedModel) -> Iterator[None]:
        """Have a model on its devices, and afterwards where it was.

        Args:
            model: The model, which is built.
        """
        before = model.device()
        with quiet():
            wrapped = self.fabric.setup_module(model)
        self.device = self.fabric.device
        if model.optimizer is not None:
            _move_state(model.optimizer, self.device)
        model.place_metrics()
        vars(model)["_runner"], vars(model)["_wrapped"] = self, wrapped
        try:
            yield
        finally:
            vars(model)["_runner"] = vars(model)["_wrapped"] = None
            self._stepped.clear()
            if before != model.device():
                _move(model, before)

    def backward(self, loss: Tensor) -> None:
        """Compute gradients, of a loss that is scaled where the precision needs it.

        Args:
            loss: The loss.
        """
        self.fabric.backward(loss)

    def step(self, optimizer: Optimizer) -> None:
        """Take a step.

        Args:
            optimizer: The optimizer.
        """
        if id(optimizer) not in self._stepped:
            self._stepped[id(optimizer)] = self.fabric.setup_optimizers(optimizer)
        self._stepped[id(optimizer)].step()

    def loader(self, loader: Any) -> Any:
        """Return a DataLoader whose samples are parted between the processes.

        Args:
            loader: The loader.

        Returns:
            A loader of this process's samples.
        """
        return self.fabric.setup_dataloaders(loader, move_to_device=False)

    def shared(self, value: int) -> int:
        """Return the first process's value.

        Args:
            value: This process's.

        Returns:
            A number that is the same in all.
        """
        return int(self.fabric.broadcast(value)) if self.world > 1 else value


def runner_for(**options: Any) -> OneDevice:
    """Return what runs a model as `fit` was told to.

    Args:
        **options: Arguments of Fabric; None for those that were not given.

    Returns:
        Fabric only where it is needed: it takes long to import.
    """
    given = {name: value for name, value in options.items() if value is not None}
    return OnFabric(**given) if given else OneDevice()


def _accelerator() -> torch.device:
    if torch.cuda.is_available():
        return torch.device("cuda", torch.cuda.current_device())
    return torch.device("mps" if torch.backends.mps.is_available() else "cpu")


def _move(model: SteppedModel, device: torch.device) -> None:
    model.to(device)
    if model.optimizer is not None:
        _move_state(model.optimizer, device)


def _move_state(optimizer: Optimizer, device: torch.device) -> None:
    for group in optimizer.param_groups:
        # What counts steps stays on the CPU otherwise, as PyTorch has it.
        counts_there = bool(group.get("fused") or group.get("capturable"))
        for state in (optimizer.state.get(one, {}) for one in group["params"]):
            for name, value in state.items():
                if isinstance(value, Tensor) and (value.ndim or counts_there):
                    state[name] = value.to(device)
