"""Layers that rearrange, repeat or mask their input, and such as change nothing of it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import torch
from torch import Tensor

from feasible import regularizers
from feasible.arguments import InvalidArgumentError, check_integer, check_number
from feasible.layers.layer import Layer
from feasible.layers.masks import give_masks
from feasible.layers.symbolic import Shape


class Permute(Layer):
    """Puts axes into another order.

    Args:
        dims: The axes' numbers in the new order, counted from 1 without the batch.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If they are not the numbers from 1, each once.

    Example:
        >>> Permute((2, 1))(torch.ones(5, 2, 3)).shape
        torch.Size([5, 3, 2])
    """

    def __init__(self, dims: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.dims = tuple(dims)
        if sorted(self.dims) != list(range(1, len(self.dims) + 1)):
            allowed = "the numbers from 1 to that of the axes, each once"
            raise InvalidArgumentError("Permute", "dims", dims, allowed)

    def call(self, inputs: Tensor) -> Tensor:
        """Put axes into the other order.

        Args:
            inputs: A tensor, the batch first.

        Returns:
            A view.
        """
        return inputs.permute(0, *self.dims)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first.

        Returns:
            The same in the other order.
        """
        return (input_shape[0], *(input_shape[axis] for axis in self.dims))


class RepeatVector(Layer):
    """Makes a sequence of one vector.

    Args:
        n: How many steps it has.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If that is no integer.

    Example:
        >>> RepeatVector(4)(torch.ones(5, 2)).shape
        torch.Size([5, 4, 2])
    """

    def __init__(self, n: int, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.n = check_integer("RepeatVector", "n", n)

    def call(self, inputs: Tensor) -> Tensor:
        """Repeat the vector.

        Args:
            inputs: A tensor of shape (batch, size).

        Returns:
            A tensor of shape (batch, n, size).
        """
        return inputs.unsqueeze(1).repeat(1, self.n, 1)

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes.

        Returns:
            The same with the steps after the batch.
        """
        return (input_shape[0], self.n, *input_shape[1:])


class Masking(Layer):
    """Has steps not count in the layers that follow whose entries all have one value.

    Args:
        mask_value: The value.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If it is no number.

    Example:
        >>> Masking()(torch.tensor([[[0.0, 0.0], [1.0, 0.0]]]))
        tensor([[[0., 0.],
                 [1., 0.]]])
    """

    supports_masking = True

    def __init__(self, mask_value: float = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.mask_value = check_number("Masking", "mask_value", mask_value)

    def compute_mask(self, inputs: Any, mask: Any) -> Tensor:
        """Return where an entry of a step has another value.

        Args:
            inputs: The layer's input.
            mask: The mask that it carries.

        Returns:
            A mask of shape (batch, steps).
        """
        del mask
        return (inputs != self.mask_value).any(-1)  # type: ignore[no-any-return]

    def call(self, inputs: Tensor) -> Tensor:
        """Set the entries of steps that do not count to 0.

        Args:
            inputs: A tensor of shape (batch, steps, ...).

        Returns:
            A tensor of the same shape.
        """
        outputs = inputs * (inputs != self.mask_value).any(-1, keepdim=True)
        give_masks(outputs, self.compute_mask(inputs, None))
        return outputs


class Identity(Layer):
    """Returns its input.

    Example:
        >>> Identity()([[1.0]])
        tensor([[1.]])
    """

    supports_masking = True

    def call(self, inputs: Tensor) -> Tensor:
        """Return the input.

        Args:
            inputs: A tensor.

        Returns:
            The same.
        """
        return inputs


class ActivityRegularization(Layer):
    """Returns its input, and adds a penalty on it to the loss.

    Args:
        l1: What the sum of absolute values is multiplied by.
        l2: What the sum of squares is multiplied by.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If a factor is no number of at least 0.

    Example:
        >>> layer = ActivityRegularization(l2=1.0)
        >>> _ = layer([[1.0, 2.0]])
        >>> layer.own_losses()
        [tensor(5.)]
    """

    supports_masking = True

    def __init__(self, l1: float = 0.0, l2: float = 0.0, **kwargs: Any) -> None:
        super().__init__(activity_regularizer=regularizers.L1L2(l1=l1, l2=l2), **kwargs)
        self.l1 = check_number("ActivityRegularization", "l1", l1, minimum=0)
        self.l2 = check_number("ActivityRegularization", "l2", l2, minimum=0)

    def regularizer_config(self) -> dict[str, Any]:
        """Return nothing, since the factors are arguments of its own."""
        return {}

    def call(self, inputs: Tensor) -> Tensor:
        """Return the input.

        Args:
            inputs: A tensor.

        Returns:
            The same.
        """
        return inputs


class Lambda(Layer):
    """Calls a function of yours.

    It cannot be saved: a function is code, and loading a file runs none.

    Args:
        function: From a tensor, or a nest of tensors, to another.
        output_shape: The sizes of the output without the batch, or a function from the input's
            sizes to them; by default, they are found by trying.
        mask: The mask that the output carries, or a function ``(inputs, mask)`` to it.
        arguments: Further arguments of the function.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If it is no function.

    Example:
        >>> Lambda(lambda x: x * 2)([[1.0]])
        tensor([[2.]])
    """

    def __init__(
        self,
        function: Callable[..., Any],
        output_shape: Any = None,
        mask: Any = None,
        arguments: dict[str, Any] | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if not callable(function):
            raise InvalidArgumentError("Lambda", "function", function, "a function")
        self.function, self.output_shape, self.mask = function, output_shape, mask
        self.arguments = dict(arguments or {})

    def call(self, inputs: Any, mask: Any = None, training: bool | None = None) -> Any:
        """Call the function.

        Args:
            inputs: A tensor, or a nest of tensors.
            mask: The mask that it carries, for a function that takes one.
            training: Whether this is training, for a function that takes it.

        Returns:
            What the function returns.
        """
        taken = getattr(self.function, "__code__", None)
        names = taken.co_varnames[: taken.co_argcount] if taken is not None else ()
        further = {"mask": mask, "training": training}
        options = {name: value for name, value in further.items() if name in names}
        return self.function(inputs, **{**self.arguments, **options})

    def compute_mask(self, inputs: Any, mask: Any) -> Any:
        """Return the mask that the output carries.

        Args:
            inputs: The layer's input.
            mask: The mask that it carries.

        Returns:
            What the layer was given.
        """
        return self.mask(inputs, mask) if callable(self.mask) else self.mask

    def compute_output_shape(self, input_shape: Any) -> Any:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first.

        Returns:
            What the layer was given, or what the function returns for zeros.
        """
        if self.output_shape is None:
            return self.tried_shape(input_shape)
        if callable(self.output_shape):
            return tuple(self.output_shape(input_shape))
        return (input_shape[0], *self.output_shape)

    def get_config(self) -> dict[str, Any]:
        """Refuse to be saved.

        Raises:
            ValueError: Always, with what to do.
        """
        raise ValueError(
            f"{self.name}: a Lambda cannot be saved, since its function is code, which no file is "
            "loaded with. Put it into a Layer of your own, or use a function of feasible.ops."
        )


class Rescaling(Layer):
    """Multiplies by a number, and adds another.

    Args:
        scale: What is multiplied by: a number, or one for each channel.
        offset: What is added.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Example:
        >>> Rescaling(1 / 255)(torch.tensor([[255, 0]]))
        tensor([[1., 0.]])
    """

    supports_masking = True

    def __init__(self, scale: Any, offset: Any = 0.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.scale, self.offset = scale, offset

    def call(self, inputs: Tensor) -> Tensor:
        """Multiply and add.

        Args:
            inputs: A tensor of any dtype.

        Returns:
            A floating tensor of the same shape.
        """
        wanted = self.dtype or torch.get_default_dtype()
        x = inputs.to(wanted)
        scale, offset = (
            torch.as_tensor(value, dtype=wanted, device=x.device)
            for value in (self.scale, self.offset)
        )
        return x * scale + offset
