"""Vectors of a known sum, written plainly: by bisection and by sorting, in extended precision."""

from __future__ import annotations

import numpy as np


def on_simplex(vector: np.ndarray, total: float) -> np.ndarray:
    """The nearest vector that is not negative and of a sum: by bisection of the threshold."""
    return on_capped_simplex(vector, total, np.inf)


def on_simplex_by_sorting(vector: np.ndarray, total: float) -> np.ndarray:
    """The same, with the threshold of the longest run of largest entries that stay positive."""
    wide = vector.astype(np.longdouble)
    largest = np.sort(wide)[::-1]
    thresholds = (np.cumsum(largest) - total) / np.arange(1, len(wide) + 1)
    count = max([1, *(np.nonzero(largest > thresholds)[0] + 1)])
    return np.maximum(wide - thresholds[count - 1], 0)


def on_capped_simplex(vector: np.ndarray, total: float, upper: float) -> np.ndarray:
    """The nearest vector between 0 and a cap, of a sum: by bisection of the threshold."""
    wide = vector.astype(np.longdouble)
    low, high = wide.min() - max(total, min(upper, total)) - 1, wide.max()
    for _ in range(200):
        middle = (low + high) / 2
        if np.clip(wide - middle, 0, upper).sum() > total:
            low = middle
        else:
            high = middle
    return np.clip(wide - (low + high) / 2, 0, upper)


def in_l1_ball(vector: np.ndarray, radius: float) -> np.ndarray:
    """The nearest vector whose absolute values, or moduli, add up to no more than a radius."""
    sizes = np.abs(vector)
    if sizes.sum() <= radius:
        return vector
    lowered = on_simplex(sizes, radius)
    return vector * (lowered / np.where(sizes > 0, sizes, 1))


def stationarity(before: np.ndarray, after: np.ndarray, upper: float = np.inf) -> float:
    """How far a vector of a sum, between 0 and a cap, is from satisfying what an optimum does.

    One shift moves all that is inside, and less than that what is clipped.
    """
    move = before - after
    inside = (after > 0) & (after < upper)
    if not inside.any():
        low, high = move[after <= 0].max(initial=-np.inf), move[after >= upper].min(initial=np.inf)
        return max(0.0, low - high)
    shift = move[inside].mean()
    return max(
        np.abs(move[inside] - shift).max(initial=0),
        (move[after <= 0] - shift).max(initial=0),
        (shift - move[after >= upper]).max(initial=0),
    )
