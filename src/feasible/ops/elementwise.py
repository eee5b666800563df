"""Functions of each element of one array.

Each takes an array of any shape, a number, or a nested sequence of numbers, and returns an array of
the same shape. The functions that have no integer values return float32 for integers, as in Keras.
"""

# ruff: noqa: A001  # Keras's names, some of which Python uses too

from __future__ import annotations

from feasible.backends import Array, astype
from feasible.ops.arithmetic import divide, multiply
from feasible.ops.comparison import greater, less, where
from feasible.ops.dispatch import FLOAT, INTEGER, ArrayLike, apply, is_half, together


def abs(x: ArrayLike) -> Array:
    """Return each element without its sign.

    Example:
        >>> abs([-1.0, 2.0])
        array([1., 2.], dtype=float32)
    """
    return apply("abs", x)


absolute = abs


def sign(x: ArrayLike) -> Array:
    """Return -1, 0 or 1, by the sign of each element; NaN for NaN.

    Example:
        >>> sign([-3.0, 0.0, 2.0])
        array([-1.,  0.,  1.], dtype=float32)
    """
    # array-api-compat's own for PyTorch writes in place, which neither DTensor nor vmap takes.
    return where(greater(x, 0), 1, where(less(x, 0), -1, x))


def negative(x: ArrayLike) -> Array:
    """Return each element with its sign changed.

    Example:
        >>> negative([-1.0, 2.0])
        array([ 1., -2.], dtype=float32)
    """
    return apply("negative", x)


def square(x: ArrayLike) -> Array:
    """Return the square of each element.

    Example:
        >>> square([-1.0, 2.0])
        array([1., 4.], dtype=float32)
    """
    return apply("square", x, kind=INTEGER)


def sqrt(x: ArrayLike) -> Array:
    """Return the square root of each element, NaN for negative ones.

    Example:
        >>> sqrt([4.0, 9.0])
        array([2., 3.], dtype=float32)
    """
    return apply("sqrt", x, kind=FLOAT)


def rsqrt(x: ArrayLike) -> Array:
    """Return 1 divided by the square root of each element.

    Example:
        >>> rsqrt([4.0, 0.25])
        array([0.5, 2. ], dtype=float32)
    """
    return divide(1, sqrt(x))


def reciprocal(x: ArrayLike) -> Array:
    """Return 1 divided by each element.

    Example:
        >>> reciprocal([4.0, 0.25])
        array([0.25, 4.  ], dtype=float32)
    """
    return divide(1, x)


def exp(x: ArrayLike) -> Array:
    """Return e to the power of each element.

    Example:
        >>> exp([0.0, 1.0]).round(4)
        array([1.    , 2.7183], dtype=float32)
    """
    return apply("exp", x, kind=FLOAT)


def expm1(x: ArrayLike) -> Array:
    """Return e to the power of each element, less 1, exactly also near 0.

    Example:
        >>> expm1([0.0, 1e-10])
        array([0.e+00, 1.e-10], dtype=float32)
    """
    return apply("expm1", x, kind=FLOAT)


def log(x: ArrayLike) -> Array:
    """Return the natural logarithm of each element.

    Example:
        >>> log([1.0, 2.0]).round(4)
        array([0.    , 0.6931], dtype=float32)
    """
    return apply("log", x, kind=FLOAT)


def log1p(x: ArrayLike) -> Array:
    """Return the natural logarithm of 1 plus each element, exactly also near 0.

    Example:
        >>> log1p([0.0, 1e-10])
        array([0.e+00, 1.e-10], dtype=float32)
    """
    return apply("log1p", x, kind=FLOAT)


def log2(x: ArrayLike) -> Array:
    """Return the logarithm of each element to the base 2.

    Example:
        >>> log2([1.0, 8.0])
        array([0., 3.], dtype=float32)
    """
    return apply("log2", x, kind=FLOAT)


def sin(x: ArrayLike) -> Array:
    """Return the sine of each element, which is in radians.

    Example:
        >>> sin([0.0, 1.0]).round(4)
        array([0.    , 0.8415], dtype=float32)
    """
    return apply("sin", x, kind=FLOAT)


def cos(x: ArrayLike) -> Array:
    """Return the cosine of each element, which is in radians.

    Example:
        >>> cos([0.0, 1.0]).round(4)
        array([1.    , 0.5403], dtype=float32)
    """
    return apply("cos", x, kind=FLOAT)


def tanh(x: ArrayLike) -> Array:
    """Return the hyperbolic tangent of each element, between -1 and 1.

    Example:
        >>> tanh([0.0, 1.0]).round(4)
        array([0.    , 0.7616], dtype=float32)
    """
    return apply("tanh", x, kind=FLOAT)


def sigmoid(x: ArrayLike) -> Array:
    """Return 1 / (1 + exp(-x)) of each element, between 0 and 1.

    Example:
        >>> sigmoid([-1.0, 0.0]).round(4)
        array([0.2689, 0.5   ], dtype=float32)
    """
    return exp(negative(softplus(negative(x))))


def softplus(x: ArrayLike) -> Array:
    """Return log(1 + exp(x)) of each element, which is positive.

    Example:
        >>> softplus([-1.0, 0.0]).round(4)
        array([0.3133, 0.6931], dtype=float32)
    """
    return apply("logaddexp", x, 0, kind=FLOAT)


def relu(x: ArrayLike) -> Array:
    """Return each element, or 0 where it is negative.

    Example:
        >>> relu([-1.0, 2.0])
        array([0., 2.], dtype=float32)
    """
    return apply("maximum", x, 0)


def floor(x: ArrayLike) -> Array:
    """Return the largest integer not above each element.

    Example:
        >>> floor([-1.5, 1.5])
        array([-2.,  1.], dtype=float32)
    """
    return apply("floor", x, kind=FLOAT)


def ceil(x: ArrayLike) -> Array:
    """Return the smallest integer not below each element.

    Example:
        >>> ceil([-1.5, 1.5])
        array([-1.,  2.], dtype=float32)
    """
    return apply("ceil", x, kind=FLOAT)


def round(x: ArrayLike, decimals: int = 0) -> Array:
    """Return each element rounded, halves to the even neighbour.

    Args:
        x: An array of any shape, a number, or a nested sequence of numbers.
        decimals: How many digits to keep after the point.

    Returns:
        An array of the same shape; float32 for integers, unless `decimals` is 0.

    Example:
        >>> round([0.5, 1.26], decimals=1)
        array([0.5, 1.3], dtype=float32)
    """
    if decimals == 0:
        return apply("round", x)
    xp, (array,) = together(x, kind=FLOAT)
    wide = astype(array, xp.float32) if is_half(array) else array
    scale = 10.0**decimals
    return astype(divide(apply("round", multiply(wide, scale)), scale), array.dtype)


def isnan(x: ArrayLike) -> Array:
    """Return where the elements are NaN.

    Example:
        >>> isnan([1.0, float("nan")])
        array([False,  True])
    """
    return apply("isnan", x, kind=FLOAT)


def isinf(x: ArrayLike) -> Array:
    """Return where the elements are infinite, of either sign.

    Example:
        >>> isinf([1.0, float("-inf")])
        array([False,  True])
    """
    return apply("isinf", x, kind=FLOAT)


def isfinite(x: ArrayLike) -> Array:
    """Return where the elements are neither infinite nor NaN.

    Example:
        >>> isfinite([1.0, float("nan")])
        array([ True, False])
    """
    return apply("isfinite", x, kind=FLOAT)
