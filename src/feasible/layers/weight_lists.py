"""The names under which Keras's layers and models give their weights."""

from __future__ import annotations

from abc import abstractmethod

from torch import Tensor, nn


class WeightLists(nn.Module):
    """A module whose weights are listed as those of Keras's layers and models are."""

    @property
    @abstractmethod
    def weights(self) -> list[Tensor]:
        """The weights in Keras's order and layout, those of layers inside included."""

    @property
    def variables(self) -> list[Tensor]:
        """The weights in Keras's order and layout, those of layers inside included."""
        return self.weights

    @property
    def trainable_weights(self) -> list[Tensor]:
        """The weights that are trained."""
        return [one for one in self.weights if one.requires_grad]

    @property
    def trainable_variables(self) -> list[Tensor]:
        """The weights that are trained."""
        return self.trainable_weights

    @property
    def non_trainable_weights(self) -> list[Tensor]:
        """The weights that are not trained: states, and all where a layer is frozen."""
        return [one for one in self.weights if not one.requires_grad]

    @property
    def non_trainable_variables(self) -> list[Tensor]:
        """The weights that are not trained: states, and all where a layer is frozen."""
        return self.non_trainable_weights
