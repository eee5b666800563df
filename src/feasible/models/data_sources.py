"""What yields a batch after the other: arrays, data sets, loaders, generators."""

from __future__ import annotations

import itertools
import math
import random
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Any

import torch
from torch.utils.data import DataLoader, Dataset, IterableDataset

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.models.data import ALLOWED, arrays_in, check_arrays, map_tensors, to_tensors
from feasible.models.running import OneDevice

ONE_DEVICE = OneDevice()


class Batches:
    """Batches that can be gone through again and again.

    Attributes:
        num_batches: How many there are in one pass; None where that is not known.
    """

    num_batches: int | None = None

    def __iter__(self) -> Iterator[Any]:
        raise NotImplementedError

    def on_epoch_begin(self) -> None:
        """Take notice that an epoch begins."""

    def on_epoch_end(self) -> None:
        """Take notice that an epoch ends."""


class ArrayBatches(Batches):
    """Batches of samples in memory, each of which is taken at once.

    Args:
        arrays: Inputs, and labels and weights where there are any: tensors or nests of tensors.
        batch_size: Samples a batch.
        shuffle: Whether each pass draws another order; ``"batch"`` for the order of batches alone.
        runner: What the processes are that the samples are parted between.
    """

    def __init__(
        self, arrays: tuple[Any, ...], batch_size: int, shuffle: bool | str, runner: OneDevice
    ) -> None:
        self.arrays, self.batch_size, self.shuffle = arrays, batch_size, shuffle
        self.runner = runner
        self.length = len(arrays_in(arrays)[0])
        self.num_batches = math.ceil(math.ceil(self.length / runner.world) / batch_size)

    def _order(self) -> torch.Tensor | None:
        """Return which samples this process takes; None for all as they are."""
        runner = self.runner
        if runner.world == 1:
            return self._shuffled(None) if self.shuffle else None
        seed = runner.shared(int(torch.randint(2**62, ())))
        order = (
            self._shuffled(torch.Generator().manual_seed(seed))
            if self.shuffle
            else torch.arange(self.length)
        )
        # As many for each process, of which the last may have some of the first again.
        each = math.ceil(self.length / runner.world)
        order = order.repeat(2)[: each * runner.world] if each > 1 else order.repeat(runner.world)
        return order[runner.rank : each * runner.world : runner.world]

    def _shuffled(self, generator: torch.Generator | None) -> torch.Tensor:
        if self.shuffle != "batch":
            return torch.randperm(self.length, generator=generator)
        whole = self.length // self.batch_size * self.batch_size
        places = torch.arange(whole).reshape(-1, self.batch_size)
        places = places[torch.randperm(len(places), generator=generator)].flatten()
        return torch.cat([places, torch.arange(whole, self.length)])

    def __iter__(self) -> Iterator[Any]:
        order = self._order()
        length = self.length if order is None else len(order)
        for start in range(0, length, self.batch_size):
            end = start + self.batch_size
            if order is None:
                yield map_tensors(lambda array: array[start:end], self.arrays)  # noqa: B023
            else:
                places = order[start:end]
                yield map_tensors(
                    lambda array: array.index_select(0, places.to(array.device)),  # noqa: B023
                    self.arrays,
                )


class IterableBatches(Batches):
    """Batches of something that yields them: a loader, a generator, a `tf.data.Dataset`.

    Args:
        source: What yields batches.
        runner: What the processes are that they are parted between.
    """

    def __init__(self, source: Iterable[Any], runner: OneDevice) -> None:
        is_loader = isinstance(source, DataLoader)
        parted = is_loader and runner.world > 1
        self.source = runner.loader(source) if parted else source
        self.runner = None if parted or runner.world == 1 else runner
        self._first: list[Any] = []
        self.is_generator = not is_loader and iter(source) is source
        try:
            self.num_batches = len(self.source)  # type: ignore[arg-type]
        except TypeError:
            self.num_batches = None

    def peek(self) -> Any:
        """Return the first batch, which comes again when they are gone through.

        Returns:
            The batch; None where there is none.
        """
        if not self.is_generator:
            return next(iter(self), None)
        if not self._first:
            self._first = list(itertools.islice(self.source, 1))
        return _as_tensors(self._first[0]) if self._first else None

    def __iter__(self) -> Iterator[Any]:
        first, self._first = self._first, []
        given: Iterator[Any] = itertools.chain(first, self.source)
        if self.runner is not None:
            given = itertools.islice(given, self.runner.rank, None, self.runner.world)
        return map(_as_tensors, given)


class PyDatasetBatches(Batches):
    """Batches of a `PyDataset` or a Keras `Sequence`, which are asked for by number.

    Args:
        source: The data set.
        shuffle: Whether each pass draws another order of batches.
        runner: What the processes are that they are parted between.
    """

    def __init__(self, source: Any, shuffle: bool | str, runner: OneDevice) -> None:
        self.source, self.shuffle, self.runner = source, bool(shuffle), runner
        count = source.num_batches if hasattr(source, "num_batches") else len(source)
        self.total = None if count is None else int(count)
        self.num_batches = None if self.total is None else math.ceil(self.total / runner.world)

    def __iter__(self) -> Iterator[Any]:
        places: Iterable[int] = itertools.count() if self.total is None else range(self.total)
        if self.shuffle and self.total is not None:
            places = random.sample(range(self.total), self.total)
        places = itertools.islice(places, self.runner.rank, None, self.runner.world)
        workers = int(getattr(self.source, "workers", 1) or 0)
        if workers > 1:
            ahead = max(workers, int(getattr(self.source, "max_queue_size", 10)))
            yield from map(_as_tensors, _ahead(self.source.__getitem__, places, workers, ahead))
        else:
            yield from map(_as_tensors, map(self.source.__getitem__, places))

    def on_epoch_begin(self) -> None:
        """Tell the data set that an epoch begins."""
        getattr(self.source, "on_epoch_begin", _nothing)()

    def on_epoch_end(self) -> None:
        """Tell the data set that an epoch ends."""
        getattr(self.source, "on_epoch_end", _nothing)()


def _nothing() -> None:
    pass


def _ahead(
    function: Callable[[int], Any], places: Iterable[int], workers: int, most: int
) -> Iterator[Any]:
    """Yield a function's results in order, some computed ahead by threads."""
    waiting: list[Future[Any]] = []
    rest = iter(places)
    with ThreadPoolExecutor(workers) as pool:
        try:
            for place in itertools.islice(rest, most):
                waiting.append(pool.submit(function, place))
            while waiting:
                result = waiting.pop(0).result()
                waiting.extend(pool.submit(function, one) for one in itertools.islice(rest, 1))
                yield result
        finally:
            for one in waiting:
                one.cancel()


def _as_tensors(batch: Any) -> Any:
    return to_tensors("batch", batch)


def batches_of(
    x: Any,
    y: Any = None,
    sample_weight: Any = None,
    *,
    batch_size: int | None = None,
    shuffle: bool | str = False,
    steps: int | None = None,
    runner: OneDevice = ONE_DEVICE,
) -> Batches:
    """Return what yields a batch after the other.

    Args:
        x: Inputs: an array or a nest of them; or what yields inputs, or tuples of inputs, labels
            and weights: a Dataset, a DataLoader, a PyDataset, a generator or another iterable.
        y: Labels, where `x` does not hold them.
        sample_weight: A weight for each sample, where `x` does not hold it.
        batch_size: Samples a batch; None for 32, or as many as make up `steps` batches. What
            yields batches has its own.
        shuffle: Whether to draw another order at each pass; what yields batches has its own.
        steps: How many batches an epoch is to have, if that was given.
        runner: What the processes are that samples are parted between.

    Returns:
        Batches.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> import numpy as np
        >>> batches = batches_of(np.ones((5, 2)), np.ones(5), batch_size=4)
        >>> [len(x) for x, y in batches]
        [4, 1]
    """
    if isinstance(x, Batches):
        return x
    of_arrays = not _yields(x)
    if not of_arrays:
        for argument, value in (("y", y), ("sample_weight", sample_weight)):
            if value is not None:
                allowed = f"None: with a {type(x).__name__}, each sample is a tuple with it"
                raise InvalidArgumentError("data", argument, type(value).__name__, allowed)
    if of_arrays:
        arrays = check_arrays(x, y, sample_weight)
        if batch_size is None and steps:
            batch_size = math.ceil(len(arrays_in(arrays)[0]) / steps / runner.world)
        size = check_integer("data", "batch_size", 32 if batch_size is None else batch_size)
        return ArrayBatches(arrays, size, shuffle, runner)
    if isinstance(x, Dataset) and not _is_py_dataset(x):
        size = check_integer("data", "batch_size", 32 if batch_size is None else batch_size)
        shuffled = bool(shuffle) and not isinstance(x, IterableDataset)
        return IterableBatches(DataLoader(x, size, shuffle=shuffled), runner)
    if batch_size is not None:
        allowed = f"None: a {type(x).__name__} has its own"
        raise InvalidArgumentError("data", "batch_size", batch_size, allowed)
    if _is_py_dataset(x):
        return PyDatasetBatches(x, shuffle, runner)
    return IterableBatches(x, runner)


def _is_py_dataset(x: Any) -> bool:
    names = {kind.__name__ for kind in type(x).__mro__}
    return bool(names & {"PyDataset", "Sequence"}) and hasattr(x, "__getitem__")


def _yields(x: Any) -> bool:
    """Say whether something yields batches, rather than being arrays itself."""
    if x is None:
        raise InvalidArgumentError("data", "x", x, ALLOWED)
    if isinstance(x, Dataset | DataLoader) or _is_py_dataset(x):
        return True
    if isinstance(x, list | tuple | dict | str) or hasattr(x, "__array__") or hasattr(x, "shape"):
        return False
    return hasattr(x, "__iter__") or hasattr(x, "__next__")


def validation_batches(
    validation_data: Any,
    batch_size: int | None,
    steps: int | None = None,
    runner: OneDevice = ONE_DEVICE,
) -> Batches:
    """Return what yields the batches of `fit`'s validation data.

    Args:
        validation_data: A tuple of inputs, labels and weights; or what yields batches.
        batch_size: Samples a batch, 32 by default; what yields batches has its own.
        steps: How many batches there are to be, if that was given.
        runner: What the processes are that samples are parted between.

    Returns:
        Batches.
    """
    given = validation_data if isinstance(validation_data, tuple | list) else (validation_data,)
    if not 1 <= len(given) <= 3:
        allowed = "(x, y), (x, y, sample_weight), or what yields batches"
        raise InvalidArgumentError("fit", "validation_data", f"{len(given)} values", allowed)
    own = len(given) == 1 and _yields(given[0]) and not isinstance(given[0], Dataset)
    return batches_of(*given, batch_size=None if own else batch_size, steps=steps, runner=runner)
