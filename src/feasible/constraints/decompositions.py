"""Decompositions of matrices, in the library that they belong to."""

from __future__ import annotations

from typing import Any

import numpy as np

from feasible.backends import (
    Array,
    astype,
    beside,
    choose,
    is_compiling,
    is_complex,
    namespace,
    repeat_while,
)
from feasible.constraints.parts import Part

# Matrices whose Gram matrix is no further from the identity may be made orthogonal by products
# alone: their singular values are below the root of 3, from where these lead elsewhere.
_NEAR = 1.9
# Each product squares that distance; from here, for each column, the last one leaves rounding
# alone. In float32, what rounding leaves is less.
_LAST = 2e-6
# More products than most take. Those of what is not near, mapped over beside it, never end.
_MOST = 10
# Below this part of the largest, a singular value is rounding.
_DEFICIENT = 16.0


def singular_values(matrices: Array) -> tuple[Array, Array, Array]:
    """Return the reduced singular value decomposition.

    Args:
        matrices: An array of shape (*batch, rows, columns).

    Returns:
        Left vectors, of shape (*batch, rows, k) with the smaller size k; singular values, in
        descending order, of shape (*batch, k); and right vectors, conjugated and transposed, of
        shape (*batch, k, columns).

    Example:
        >>> import numpy as np
        >>> singular_values(np.diag([1.0, 2.0]))[1]
        array([2., 1.])
    """
    left, values, right = namespace(matrices).linalg.svd(matrices, full_matrices=False)
    return left, values, right


def roundings_of_decompositions(part: Part) -> float:
    """Return how many roundings of a weight's dtype a decomposition of its matrices leaves.

    Args:
        part: The weight.

    Returns:
        1.0 where it is computed in a wider dtype.
    """
    size = max([1, *(part.w.shape[axis] for axis in part.axes)])
    computed = 8 * size**0.5 * float(part.xp.finfo(part.wide.dtype).eps)
    return float(max(1.0, computed / part.precision.slack))


def eigenvalues(matrices: Array) -> tuple[Array, Array]:
    """Return the eigenvalues and eigenvectors of matrices that equal their conjugate transpose.

    Args:
        matrices: An array of shape (*batch, n, n).

    Returns:
        Values in ascending order, of shape (*batch, n), and vectors as columns.

    Example:
        >>> import numpy as np
        >>> eigenvalues(np.diag([2.0, 1.0]))[0]
        array([1., 2.])
    """
    values, vectors = namespace(matrices).linalg.eigh(matrices)
    return values, vectors


def adjoint(matrices: Array) -> Array:
    """Return matrices conjugated and transposed.

    Args:
        matrices: An array of shape (*batch, rows, columns).

    Returns:
        An array of shape (*batch, columns, rows).

    Example:
        >>> import numpy as np
        >>> adjoint(np.array([[1j, 2.0]]))
        array([[0.-1.j],
               [2.-0.j]])
    """
    xp = namespace(matrices)
    transposed = xp.matrix_transpose(matrices)
    return xp.conj(transposed) if is_complex(matrices) else transposed


def hermitian(matrices: Array) -> Array:
    """Return the part of square matrices that equals its conjugate transpose.

    Args:
        matrices: An array of shape (*batch, n, n).

    Returns:
        An array of the same shape.

    Example:
        >>> import numpy as np
        >>> hermitian(np.array([[1.0, 2.0], [0.0, 1.0]]))
        array([[1., 1.],
               [1., 1.]])
    """
    return (matrices + adjoint(matrices)) / 2


def positive_part(matrices: Array) -> Array:
    """Return what is left of Hermitian matrices without their negative eigenvalues.

    Args:
        matrices: An array of shape (*batch, n, n).

    Returns:
        An array of the same shape.

    Example:
        >>> import numpy as np
        >>> positive_part(np.diag([2.0, -1.0]))
        array([[2., 0.],
               [0., 0.]])
    """
    xp = namespace(matrices)
    values, vectors = eigenvalues(matrices)
    left = xp.maximum(values, xp.zeros_like(values))
    return (vectors * left[..., None, :]) @ adjoint(vectors)


def polar_factor(matrices: Array, rounding: float) -> Array:
    """Return the nearest matrices with orthonormal columns, or rows where they are wide.

    Where a matrix has not full rank, there are several; it is then the limit of those of the
    matrix with a little of the identity added, on every library.

    Args:
        matrices: An array of shape (*batch, rows, columns).
        rounding: The relative rounding of the dtype they are stored in.

    Returns:
        An array of the same shape.

    Example:
        >>> import numpy as np
        >>> polar_factor(np.array([[0.0, 3.0], [-2.0, 0.0]]), 1e-16)
        array([[ 0.,  1.],
               [-1.,  0.]])

    Source:
        Higham: Functions of Matrices, 2008, chapter 8; by products, Björck, Bowie: An iterative
        algorithm for computing the best estimate of an orthogonal matrix, 1971.
    """
    rows, columns = matrices.shape[-2:]
    if rows < columns:
        return adjoint(polar_factor(adjoint(matrices), rounding))
    if rounding < 1e-8 or is_compiling():  # how many products it takes, depends on the entries
        return _by_decomposition(matrices)
    # Of a dtype with few digits, a few products give as many as it holds.
    xp = namespace(matrices)
    narrow = matrices if is_complex(matrices) else astype(matrices, xp.float32)
    near = xp.all(_size(_gap(narrow)) < _NEAR)
    return choose(near, _by_products, _by_decomposition, matrices)


def identity_beside(matrices: Array, rows: int, columns: int) -> Array:
    """Return a matrix of ones on the diagonal, of the library and device of others.

    Args:
        matrices: An array, which may be traced.
        rows: How many rows.
        columns: How many columns.

    Returns:
        An array of shape (rows, columns) and the dtype of `matrices`.

    Example:
        >>> import numpy as np
        >>> identity_beside(np.ones(2), 1, 2)
        array([[1., 0.]])
    """
    return beside(np.eye(rows, columns), matrices, matrices.dtype)


def _size(matrices: Array) -> Array:
    """Return the Frobenius norms of matrices."""
    xp = namespace(matrices)
    return xp.sqrt(xp.sum(xp.square(xp.abs(matrices)), axis=(-2, -1)))


def _gap(matrices: Array) -> Array:
    """Return how Gram matrices differ from the identity."""
    size = matrices.shape[-1]
    return adjoint(matrices) @ matrices - identity_beside(matrices, size, size)


def _by_products(matrices: Array) -> Array:
    """Improve nearly orthogonal matrices: X (3 - X'X) / 2, in float32 until the last time."""
    xp = namespace(matrices)

    def improve(found: Array, gap: Array, times: Any) -> tuple[Array, Array, Any]:
        found = found - found @ gap / 2
        return found, _gap(found), times + 1

    last = _LAST * matrices.shape[-1]

    def is_far(_: Array, gap: Array, times: Any) -> Any:
        return xp.any(_size(gap) > last) & (times < _MOST)

    narrow = matrices if is_complex(matrices) else astype(matrices, xp.float32)
    found, gap, _ = repeat_while(is_far, improve, (narrow, _gap(narrow), 0))
    found = astype(found, matrices.dtype)
    has_converged = xp.all(_size(gap) <= last)
    return choose(has_converged, _by_last_product, _by_decomposition_of_second, found, matrices)


def _by_last_product(found: Array, matrices: Array) -> Array:
    del matrices
    return found - found @ _gap(found) / 2


def _by_decomposition_of_second(found: Array, matrices: Array) -> Array:
    del found
    return _by_decomposition(matrices)


def _by_decomposition(matrices: Array) -> Array:
    xp = namespace(matrices)
    left, values, right = singular_values(matrices)
    least = _DEFICIENT * xp.finfo(values.dtype).eps * max(matrices.shape[-2:])
    has = values > least * values[..., :1]
    return choose(xp.all(has), _product, _completed, left, right, has)


def _product(left: Array, right: Array, has: Array) -> Array:
    del has
    return left @ right


def _completed(left: Array, right: Array, has: Array) -> Array:
    """Return polar factors, completed where singular values are zero."""
    xp = namespace(left)
    diagonal = identity_beside(left, left.shape[-1], left.shape[-1])
    has = astype(has, left.dtype)
    lacks = 1 - has
    rows, columns = left.shape[-2], right.shape[-1]
    seen = adjoint(left) @ identity_beside(left, rows, columns) @ adjoint(right)
    middle = diagonal * has[..., None, :] + lacks[..., :, None] * seen * lacks[..., None, :]
    inner_left, _, inner_right = xp.linalg.svd(middle, full_matrices=False)
    return left @ (inner_left @ inner_right) @ right
