"""What all metrics share: state that is gathered over batches, and a result."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Self

import torch
from torch import Tensor, nn

from feasible.registry import Registry, snake_case

METRIC_CLASSES = Registry(
    "metric", "keras.metrics", base="Metric", decorator="feasible.metrics.register"
)
register = METRIC_CLASSES.register


class MetricVariable(Tensor):
    """A tensor that takes other values in place, by Keras's names.

    What is computed from it is a plain tensor.
    """

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    def __deepcopy__(self, memo: dict[int, Any]) -> MetricVariable:
        copied = self.value.detach().clone().as_subclass(MetricVariable)
        memo[id(self)] = copied
        return copied

    def assign(self, value: Any) -> MetricVariable:
        """Take values.

        Args:
            value: A number, or a tensor that can be broadcast.

        Returns:
            The variable.
        """
        with torch.no_grad():
            self.copy_(torch.as_tensor(value, device=self.device))
        return self

    def assign_add(self, value: Any) -> MetricVariable:
        """Add values.

        Args:
            value: A number, or a tensor that can be broadcast.

        Returns:
            The variable.
        """
        return self.assign(self + torch.as_tensor(value, device=self.device).detach())

    def assign_sub(self, value: Any) -> MetricVariable:
        """Subtract values.

        Args:
            value: A number, or a tensor that can be broadcast.

        Returns:
            The variable.
        """
        return self.assign(self - torch.as_tensor(value, device=self.device).detach())

    @property
    def value(self) -> Tensor:
        """The values, as a plain tensor."""
        return self.as_subclass(Tensor)


class Metric(nn.Module):
    """Base class of metrics; subclasses give `update_state` and `result`.

    Args:
        dtype: Not used: state is float32 unless `add_weight` is told otherwise.
        name: A name; by default, that of the class.

    Example:
        >>> class Count(Metric):
        ...     def __init__(self):
        ...         super().__init__()
        ...         self.total = self.add_weight(name="total", initializer="zeros")
        ...     def update_state(self, y_true, y_pred, sample_weight=None):
        ...         self.total.assign_add(len(y_true))
        ...     def result(self):
        ...         return self.total
        >>> float(Count()([1, 2, 3], [1, 2, 3]))
        3.0
    """

    def __init__(self, dtype: Any = None, name: str | None = None) -> None:
        super().__init__()
        del dtype
        self.name = name or snake_case(type(self).__name__)
        self._state: dict[str, MetricVariable] = {}

    def add_weight(
        self,
        shape: Sequence[int] | str = (),
        initializer: Any = "zeros",
        dtype: Any = None,
        name: str | None = None,
    ) -> MetricVariable:
        """Add state, which begins anew at each epoch.

        Args:
            shape: Its shape.
            initializer: ``"zeros"`` or ``"ones"``, or a function from a shape to values.
            dtype: Its dtype; None for float32.
            name: Its name.

        Returns:
            A tensor that has `assign` and `assign_add`.
        """
        if isinstance(shape, str):  # the name first, as Keras 2 had it
            name, shape = shape, ()
        kind = getattr(torch, str(dtype or "float32").removeprefix("torch."))
        if callable(initializer):
            start = torch.as_tensor(initializer(tuple(shape))).to(kind)
        else:
            start = torch.full(tuple(shape), float(initializer in ("ones", "one")), dtype=kind)
        variable = start.clone().as_subclass(MetricVariable)
        self._state[f"{len(self._state)}_{name or 'variable'}"] = variable
        return variable

    add_variable = add_weight

    @property
    def variables(self) -> list[MetricVariable]:
        """The state, also that of metrics inside it."""
        inside = [one for one in self.children() if isinstance(one, Metric)]
        return [*self._state.values(), *(its for one in inside for its in one.variables)]

    def reset_state(self) -> None:
        """Begin anew: all state becomes zero."""
        for variable in self.variables:
            variable.assign(0)

    def update_state(self, *arguments: Any, **options: Any) -> None:
        """Take a batch in; subclasses give this.

        Args:
            *arguments: Labels and predictions.
            **options: `sample_weight`.

        Raises:
            NotImplementedError: If the subclass does not give it.
        """
        raise NotImplementedError(f"{type(self).__name__} must have `update_state`.")

    def result(self) -> Any:
        """Return what was gathered; subclasses give this.

        Returns:
            A number or a tensor.

        Raises:
            NotImplementedError: If the subclass does not give it.
        """
        raise NotImplementedError(f"{type(self).__name__} must have `result`.")

    def forward(self, *arguments: Any, **options: Any) -> Any:
        """Take a batch in, and return what was gathered so far.

        Args:
            *arguments: What `update_state` takes.
            **options: What `update_state` takes.

        Returns:
            The result.
        """
        self.update_state(*arguments, **options)
        return self.result()

    @torch.no_grad()
    def update(self, *arguments: Any) -> None:
        """Take a batch in, as torchmetrics calls it.

        Args:
            *arguments: What `update_state` takes.
        """
        self.update_state(*arguments)

    def compute(self) -> Any:
        """Return what was gathered over all processes, as torchmetrics calls it.

        Returns:
            The result.
        """
        distributed = torch.distributed
        if not (distributed.is_available() and distributed.is_initialized()):
            return self.result()
        own = [variable.value.clone() for variable in self.variables]
        for variable in self.variables:
            distributed.all_reduce(variable.value)
        found = self.result()
        for variable, value in zip(self.variables, own, strict=True):
            variable.assign(value)
        return found

    def reset(self) -> None:
        """Begin anew, as torchmetrics calls it."""
        self.reset_state()

    def _apply(self, fn: Any, recurse: bool = True) -> Self:
        super()._apply(fn, recurse)  # type: ignore[no-untyped-call]
        for variable in self._state.values():
            variable.data = fn(variable.value)
        return self

    def get_config(self) -> dict[str, Any]:
        """Return the constructor's arguments.

        Returns:
            Arguments by name.
        """
        return {"name": self.name}

    @classmethod
    def from_config(cls, config: dict[str, Any]) -> Self:
        """Make a metric from what `get_config` returned.

        Args:
            config: Arguments by name.

        Returns:
            A metric of this class.
        """
        return cls(**config)
