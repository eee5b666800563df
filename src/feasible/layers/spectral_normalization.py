"""A layer whose kernel is divided by its largest singular value while it is trained."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor

from feasible.arguments import InvalidArgumentError, check_integer
from feasible.known_layouts import register_layouts
from feasible.layers import initializers
from feasible.layers.symbolic import Shape
from feasible.layers.wrapper import Wrapper
from feasible.layouts import ParameterLayout

VECTOR_U = ParameterLayout("vector_u", "vector_u")
# The smallest norm that a vector is divided by.
_SMALLEST = 1e-7
_KERNELS = ("kernel", "depthwise_kernel", "embeddings")


class SpectralNormalization(Wrapper):
    """Divides another layer's kernel by its largest singular value, at each call in training.

    The value is estimated by power iteration, each call going on from where the last one ended. The
    kernel counts as a matrix whose columns are units: that of a convolution is not its operator.
    What is divided is the stored kernel itself, so that a call in training invalidates the graph of
    an earlier one that was not yet gone back through.

    `feasible.constraints.SpectralNorm` is the alternative that is exact and acts after each
    optimizer step instead.

    Args:
        layer: A layer with a `kernel`, or an `Embedding`.
        power_iterations: How many iterations each call does.
        **kwargs: Arguments of every layer: name, trainable, dtype, input_shape.

    Raises:
        InvalidArgumentError: If an argument cannot be used.

    Example:
        >>> from feasible.layers import Dense
        >>> layer = SpectralNormalization(Dense(1, kernel_initializer="ones"), power_iterations=5)
        >>> layer([[1.0, 1.0, 1.0, 1.0]]).tolist()
        [[2.0]]

    Source:
        Miyato, Kataoka, Koyama, Yoshida: Spectral Normalization for Generative Adversarial
        Networks, 2018, algorithm 1.
    """

    vector_u: Tensor

    def __init__(self, layer: Any, power_iterations: int = 1, **kwargs: Any) -> None:
        super().__init__(layer, **kwargs)
        self.power_iterations = check_integer(
            "SpectralNormalization", "power_iterations", power_iterations
        )

    def build(self, input_shape: Shape) -> None:
        """Make the layer's weights, and the vector that the iteration starts from.

        Args:
            input_shape: The input's sizes, the batch first.

        Raises:
            InvalidArgumentError: If the layer has no kernel.
        """
        super().build(input_shape)
        initializer = initializers.get(
            {"class_name": "TruncatedNormal", "config": {"mean": 0.0, "stddev": 0.02}}
        )
        self.make_weight(VECTOR_U, (1, self._kernel().shape[-1]), initializer, buffer=True)

    def _kernel(self) -> Tensor:
        for layout, view in self.layer.weight_views():
            if layout.role in _KERNELS:
                return view
        raise InvalidArgumentError(
            "SpectralNormalization", "layer", self.layer, "a layer with a kernel, or an Embedding"
        )

    def call(self, inputs: Tensor) -> Tensor:
        """Divide the kernel, in training, and apply the layer.

        Args:
            inputs: What the layer takes.

        Returns:
            What the layer returns, in the input's dtype where that is a floating one.
        """
        if self.training:
            self._divide_kernel()
        outputs: Tensor = self.layer(inputs)
        return outputs.to(inputs.dtype) if inputs.is_floating_point() else outputs

    @torch.no_grad()
    def _divide_kernel(self) -> None:
        kernel = self._kernel()
        matrix = kernel.reshape(-1, kernel.shape[-1])
        u = self.vector_u
        for _ in range(self.power_iterations):
            v = _unit(u @ matrix.T)
            u = _unit(v @ matrix)
        largest = v @ matrix @ u.T
        # A kernel of zeros stays as it is, and so does the vector.
        self.vector_u.copy_(torch.where(largest == 0, self.vector_u, u))
        kernel.div_(torch.where(largest == 0, 1, largest).squeeze())

    def compute_output_shape(self, input_shape: Shape) -> Shape:
        """Return the sizes of the output.

        Args:
            input_shape: The input's sizes, the batch first; None where a size is not known.

        Returns:
            Those of the layer.
        """
        return self.layer.compute_output_shape(input_shape)


def _unit(vector: Tensor) -> Tensor:
    norm: Tensor = torch.linalg.vector_norm(vector)
    return vector / norm.clamp(min=_SMALLEST)


register_layouts(SpectralNormalization, VECTOR_U)
