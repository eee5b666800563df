"""How exactly each dtype can hold a vector of a given norm."""

from __future__ import annotations

from typing import NamedTuple

from feasible.backends import Array, dtype_name


class Precision(NamedTuple):
    """What rounding does to the norm of a vector that is scaled to a bound and stored.

    Attributes:
        slack: A norm counts as feasible up to this fraction beyond its bound, so that what was
            projected once is not projected again. It covers the rounding of each entry to the
            dtype and that of the norm itself.
        inset: A norm is brought this fraction inside its bound, so that rounding does not leave it
            beyond. Where entries are coarser than that, it would cost more than it is worth.
        spacing: Half the distance between the smallest numbers of the dtype: the absolute error
            of an entry that lies among them.
        largest_square: Above this the entries are scaled down before they are squared, ...
        smallest_square: ... and below this, scaled up, ...
        up: ... by this power of two, which is exact, ...
        down: ... or this one. The product of either and a norm that it brought about is within
            range, too, because a compiler may divide by both at once.
        reach: Multiplied by this, vectors from next to nothing beside 1 to far above it can be
            squared; more so, the further below it is.
    """

    slack: float
    inset: float
    spacing: float
    largest_square: float = 2.0**50
    smallest_square: float = 2.0**-50
    up: float = 2.0**80
    down: float = 2.0**-80
    reach: float = 2.0**-40


PRECISIONS = {
    "float64": Precision(4e-13, 4e-13, 0.0, 2.0**400, 2.0**-400, 2.0**600, 2.0**-600, 2.0**-400),
    "float32": Precision(2.0**-21, 2.0**-21, 0.0),
    "bfloat16": Precision(1.02 * 2.0**-8, 0.0, 0.0),
    # Its largest number can be squared as it is.
    "float16": Precision(1.02 * 2.0**-11, 0.0, 2.0**-25, largest_square=2.0**16),
}


def precision(owner: str, w: Array) -> Precision:
    """Return the precision of a weight's dtype.

    Args:
        owner: The constraint, for the message.
        w: The weight.

    Returns:
        The dtype's row of the table.

    Raises:
        TypeError: If the dtype has no row: integers, for example, cannot be scaled to a norm.

    Example:
        >>> import numpy as np
        >>> precision("MaxNorm", np.ones(2, np.float16)).spacing
        2.9802322387695312e-08
    """
    name = dtype_name(w)
    if name not in PRECISIONS:
        raise TypeError(
            f"{owner}: the weight must be of dtype {', '.join(PRECISIONS)}. "
            f"Received: {name} of shape {tuple(w.shape)}. Cast it, or leave it unconstrained."
        )
    return PRECISIONS[name]
