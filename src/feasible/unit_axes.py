"""Along which axes of a parameter, in Keras layout, the weights incident to one unit lie."""

from __future__ import annotations


def all_but_last(rank: int) -> tuple[int, ...]:
    """Return all axes but the last, where units are counted by the last.

    Args:
        rank: The number of axes in Keras layout.

    Returns:
        The axes of one unit's weights.
    """
    return tuple(range(rank - 1))


def all_but_second_to_last(rank: int) -> tuple[int, ...]:
    """Return all axes but the second to last, which counts a transposed convolution's units.

    Args:
        rank: The number of axes in Keras layout.

    Returns:
        The axes of one unit's weights.
    """
    return (*range(rank - 2), rank - 1)


def spatial_axes(rank: int) -> tuple[int, ...]:
    """Return the spatial axes, where a unit is a pair of input channel and multiplier.

    Args:
        rank: The number of axes in Keras layout.

    Returns:
        The axes of one unit's weights.
    """
    return tuple(range(rank - 2))


def first_axis(rank: int) -> tuple[int, ...]:
    """Return the first axis, where a unit's inputs lie along one axis and units along several.

    Args:
        rank: The number of axes in Keras layout.

    Returns:
        The axes of one unit's weights.
    """
    del rank
    return (0,)


def last_axis(rank: int) -> tuple[int, ...]:
    """Return the last axis, where units are rows.

    Args:
        rank: The number of axes in Keras layout.

    Returns:
        The axes of one unit's weights.
    """
    return (rank - 1,)


def no_axes(rank: int) -> tuple[int, ...]:
    """Return no axes: each element is a unit of its own.

    Args:
        rank: The number of axes in Keras layout.

    Returns:
        The axes of one unit's weights.
    """
    del rank
    return ()


def summed_axes(kernel: str, output: str) -> tuple[int, ...]:
    """Return the axes of an einsum's kernel that the output lacks: one unit lies along them.

    Args:
        kernel: The letters of the kernel's axes.
        output: Those of the output's.

    Returns:
        The axes of one unit's weights.

    Example:
        >>> summed_axes("dhk", "bshk")
        (0,)
    """
    return tuple(axis for axis, letter in enumerate(kernel) if letter not in output)
