"""What recurrent layers that make their own cell share: the cell's arguments are theirs."""

from __future__ import annotations

from feasible.layers.rnn import RNN
from feasible.layers.roles import ConstraintOf, OfPart


class CellLayer(RNN):
    """A recurrent layer with a cell of its own, whose arguments are attributes of the layer too."""

    activation = OfPart("cell")
    use_bias = OfPart("cell")
    kernel_initializer = OfPart("cell")
    recurrent_initializer = OfPart("cell")
    bias_initializer = OfPart("cell")
    kernel_constraint = ConstraintOf("kernel", "cell")
    recurrent_constraint = ConstraintOf("recurrent_kernel", "cell")
    bias_constraint = ConstraintOf("bias", "cell")
    dropout = OfPart("cell")
    recurrent_dropout = OfPart("cell")
    seed = OfPart("cell")
