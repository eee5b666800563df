"""Linear algebra: products, norms and decompositions of vectors and matrices."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Literal

import numpy as np

from feasible.arguments import InvalidArgumentError, check_choice
from feasible.backends import Array, accumulation_dtype, astype
from feasible.ops.arithmetic import divide, maximum
from feasible.ops.arrangement import as_tuple
from feasible.ops.dispatch import FLOAT, INTEGER, ArrayLike, apply_wide, is_half, together
from feasible.ops.reduction import sum as sum_

_MATRIX_NORMS = ("fro", "nuc", 1, -1, 2, -2, float("inf"), float("-inf"))


def matmul(x1: ArrayLike, x2: ArrayLike) -> Array:
    """Return the product of matrices.

    Args:
        x1: An array whose last two axes make matrices, or with one axis a row vector.
        x2: Likewise; with one axis a column vector. Further axes are broadcast.

    Returns:
        An array.

    Example:
        >>> matmul([[1.0, 2.0], [3.0, 4.0]], [1.0, 1.0])
        array([3., 7.], dtype=float32)
    """
    return apply_wide("matmul", x1, x2, kind=INTEGER)


def diagonal(x: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Return a diagonal of matrices.

    Args:
        x: An array of at least two axes.
        offset: The diagonal: 0 is the main one, above it they are positive.
        axis1: The axis of the matrices' rows.
        axis2: The axis of their columns.

    Returns:
        An array with the diagonals along its last axis.

    Example:
        >>> diagonal([[1.0, 2.0], [3.0, 4.0]])
        array([1., 4.], dtype=float32)
    """
    xp, (array,) = together(x)
    return xp.linalg.diagonal(xp.moveaxis(array, (axis1, axis2), (-2, -1)), offset=offset)


def trace(x: ArrayLike, offset: int = 0, axis1: int = 0, axis2: int = 1) -> Array:
    """Return the sum over a diagonal of matrices.

    Args:
        x: An array of at least two axes.
        offset: The diagonal: 0 is the main one, above it they are positive.
        axis1: The axis of the matrices' rows.
        axis2: The axis of their columns.

    Returns:
        An array without these two axes.

    Example:
        >>> trace([[1.0, 2.0], [3.0, 4.0]])
        array(5., dtype=float32)
    """
    return sum_(diagonal(x, offset, axis1, axis2), axis=-1)


def norm(
    x: ArrayLike,
    ord: float | Literal["fro", "nuc"] | None = None,  # noqa: A002  # Keras's name
    axis: int | Sequence[int] | None = None,
    keepdims: bool = False,
) -> Array:
    """Return the norm of vectors or matrices.

    It is computed in float64 and then rounded, where the library has float64 on its device.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        ord: By default, the Euclidean norm of all elements along the axes. Given with one axis,
            the order of a vector norm, such as 1 or infinity; with two axes that of a matrix norm:
            ``"fro"``, ``"nuc"``, 1, -1, 2 (the largest singular value), -2, infinity or minus it.
        axis: The axes that one vector or matrix lies along, by default all.
        keepdims: Whether these axes stay, with size 1.

    Returns:
        An array of the dtype of `x`, float32 for integers.

    Raises:
        InvalidArgumentError: If there is no norm of that order over so many axes.

    Example:
        >>> norm([[3.0, 5.0], [4.0, 12.0]], axis=0)
        array([ 5., 13.], dtype=float32)
    """
    xp, (array,) = together(x, kind=FLOAT)
    wide = astype(array, accumulation_dtype(array))
    axes = tuple(range(array.ndim)) if axis is None else as_tuple(axis)
    if ord is None or len(axes) == 1:
        if isinstance(ord, str):
            raise InvalidArgumentError("norm", "ord", ord, "a number for vectors, or None")
        over = None if axis is None else axes
        order = 2 if ord is None else ord
        result = xp.linalg.vector_norm(wide, ord=order, axis=over, keepdims=keepdims)
    elif len(axes) == 2:
        check_choice("norm", "ord", ord, _MATRIX_NORMS)
        result = xp.linalg.matrix_norm(xp.moveaxis(wide, axes, (-2, -1)), ord=ord)
        if keepdims:
            gone = [axis % array.ndim for axis in axes]
            kept = [1 if index in gone else n for index, n in enumerate(array.shape)]
            result = xp.reshape(result, tuple(kept))
    else:
        raise InvalidArgumentError("norm", "ord", ord, f"None over {len(axes)} axes")
    return astype(np.asarray(result) if xp is np else result, array.dtype)


def normalize(
    x: ArrayLike, axis: int | Sequence[int] | None = -1, order: float = 2, epsilon: float = 1e-7
) -> Array:
    """Return vectors divided by their norms.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        axis: The axes that one vector lies along; None means all.
        order: The order of the norm.
        epsilon: What to divide by where the norm is less, so that zeros stay zeros.

    Returns:
        An array of the shape of `x`.

    Example:
        >>> normalize([[3.0, 4.0], [0.0, 0.0]])
        array([[0.6, 0.8],
               [0. , 0. ]], dtype=float32)
    """
    xp, (array,) = together(x, kind=FLOAT)
    wide = astype(array, accumulation_dtype(array))
    axes = None if axis is None else as_tuple(axis)
    lengths = xp.linalg.vector_norm(wide, ord=order, axis=axes, keepdims=True)
    return astype(divide(wide, maximum(lengths, epsilon)), array.dtype)


def svd(
    x: ArrayLike, full_matrices: bool = True, compute_uv: bool = True
) -> Array | tuple[Array, Array, Array]:
    """Return the singular value decomposition of matrices, x = u @ diag(s) @ vh.

    Args:
        x: An array whose last two axes make matrices.
        full_matrices: Whether `u` and `vh` are square.
        compute_uv: Whether they are returned at all.

    Returns:
        The arrays u, s and vh, or s alone; s is in descending order.

    Example:
        >>> svd([[0.0, 2.0], [3.0, 0.0]], compute_uv=False)
        array([3., 2.], dtype=float32)
    """
    if not compute_uv:
        return _decompose("svdvals", x)[0]
    u, s, vh = _decompose("svd", x, full_matrices=full_matrices)
    return u, s, vh


def qr(x: ArrayLike, mode: Literal["reduced", "complete"] = "reduced") -> tuple[Array, Array]:
    """Return the QR decomposition of matrices: orthonormal columns q, and r upper triangular.

    Args:
        x: An array whose last two axes make matrices.
        mode: ``"complete"`` makes q square.

    Returns:
        The arrays q and r, of which x = q @ r.

    Example:
        >>> q, r = qr([[3.0, 1.0], [4.0, 2.0]])
        >>> matmul(q, r).round(5)
        array([[3., 1.],
               [4., 2.]], dtype=float32)
    """
    q, r = _decompose("qr", x, mode=mode)
    return q, r


def eigh(x: ArrayLike) -> tuple[Array, Array]:
    """Return the eigenvalues and eigenvectors of symmetric matrices.

    Args:
        x: An array whose last two axes make symmetric matrices.

    Returns:
        The eigenvalues in ascending order, and the eigenvectors in the columns of matrices.

    Example:
        >>> eigh([[2.0, 0.0], [0.0, 1.0]])[0]
        array([1., 2.], dtype=float32)
    """
    values, vectors = _decompose("eigh", x)
    return values, vectors


def inv(x: ArrayLike) -> Array:
    """Return the inverse of matrices.

    Args:
        x: An array whose last two axes make square matrices.

    Returns:
        An array of the shape of `x`.

    Example:
        >>> inv([[2.0, 0.0], [0.0, 4.0]])
        array([[0.5 , 0.  ],
               [0.  , 0.25]], dtype=float32)
    """
    return _decompose("inv", x)[0]


def _decompose(function: str, x: ArrayLike, **options: Any) -> list[Array]:
    """Call a function of a library's linalg, which has none for floats of 16 bits."""
    xp, (array,) = together(x, kind=FLOAT)
    wide = astype(array, xp.float32) if is_half(array) else array
    found = getattr(xp.linalg, function)(wide, **options)
    parts = found if isinstance(found, tuple) else (found,)
    return [astype(part, array.dtype) if is_half(array) else part for part in parts]
