"""A weight that is shown in Keras's layout, with the methods of Keras's variables."""

from __future__ import annotations

from typing import Any, Self

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from feasible.layers.tensors import as_tensor


class Variable(Tensor):
    """A tensor that is a weight, or a view of one: what is assigned to it goes into the weight.

    Results of computing with it are plain tensors.

    Example:
        >>> from feasible.layers import Dense
        >>> layer = Dense(2)
        >>> _ = layer([[1.0, 2.0, 3.0]])
        >>> layer.weights[1].assign([5.0, 6.0]).numpy()
        array([5., 6.], dtype=float32)
        >>> layer.bias
        Parameter containing:
        tensor([5., 6.], requires_grad=True)
    """

    __torch_function__ = torch._C._disabled_torch_function_impl  # type: ignore[assignment]

    @classmethod
    def of(cls, tensor: Tensor) -> Self:
        """Return a tensor as one that can be assigned to.

        Args:
            tensor: A weight or a view of one.

        Returns:
            A view of it.
        """
        return tensor.as_subclass(cls)

    @property
    def value(self) -> Tensor:
        """The values, as a plain tensor."""
        return self.as_subclass(Tensor)

    @torch.no_grad()
    def assign(self, value: Any) -> Self:
        """Write the weight.

        Args:
            value: Values of its shape, or that broadcast to it.

        Returns:
            The variable.

        Raises:
            ValueError: If the shape does not fit; the weight stays as it is then.
        """
        values = as_tensor(value)
        if values.shape != self.shape and values.ndim:
            raise ValueError(
                f"assign: `value` must have the weight's shape, {tuple(self.shape)}. Received: "
                f"{tuple(values.shape)}."
            )
        self.detach().copy_(values.detach())
        return self

    def assign_add(self, value: Any) -> Self:
        """Add to the weight.

        Args:
            value: Values of its shape.

        Returns:
            The variable.
        """
        return self.assign(self.detach() + as_tensor(value).to(self.dtype))

    def assign_sub(self, value: Any) -> Self:
        """Subtract from the weight.

        Args:
            value: Values of its shape.

        Returns:
            The variable.
        """
        return self.assign(self.detach() - as_tensor(value).to(self.dtype))

    def numpy(self, *, force: bool = True) -> NDArray[Any]:
        """Return a copy of the values as an array.

        Args:
            force: No difference here: the copy is on the CPU, and detached.

        Returns:
            A NumPy array.
        """
        del force
        return np.array(self.detach().cpu().as_subclass(Tensor).numpy())
