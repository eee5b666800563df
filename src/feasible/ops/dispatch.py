"""How arguments become arrays of one library, whose own functions are then called.

The library is that of the first argument that is an array; NumPy's arrays give way to any other.
Dtypes follow Keras: of the kinds bool, int, float and complex, the highest among the arguments
counts. Arrays of lower kinds, single numbers, and sequences of numbers take the dtype of the first
array of that kind, or int32 or float32 where there is none. What arrays of one kind promote to is
their library's affair.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from feasible.backends import Array, Namespace, astype, dtype_name, namespace, value_of

# An array of any library, a number, or a nested sequence of these.
ArrayLike = Any

BOOL, INTEGER, FLOAT, _COMPLEX = range(4)
_DEFAULTS = ("bool", "int32", "float32", "complex64")
DTYPES = {
    "bool": BOOL,
    **dict.fromkeys(("int8", "int16", "int32", "int64"), INTEGER),
    **dict.fromkeys(("uint8", "uint16", "uint32", "uint64"), INTEGER),
    **dict.fromkeys(("float16", "bfloat16", "float32", "float64"), FLOAT),
    **dict.fromkeys(("complex64", "complex128"), _COMPLEX),
}

_NUMBERS = (bool, int, float, complex)
_SEQUENCES = (list, tuple, range)
_PYTHON = (*_NUMBERS, *_SEQUENCES)
# Libraries that move what is made here to the other arguments by themselves; JAX's tracers have no
# device.
_PLACING = ("jax.numpy", "tensorflow")
# What decides the library: the highest of these, and among equals the first.
_NUMBER, _NUMPY_SCALAR, _NUMPY_ARRAY, _ARRAY = range(4)


def apply(function: str, *values: ArrayLike, kind: int = BOOL, **options: Any) -> Array:
    """Call a function of the library that the arguments belong to.

    Args:
        function: Its name in the array API standard.
        *values: The arguments that are arrays, numbers or sequences.
        kind: The lowest kind of dtype that it is called with.
        **options: Further arguments, by name.

    Returns:
        An array, also where NumPy would return a scalar.

    Example:
        >>> apply("sqrt", [4, 9], kind=FLOAT)
        array([2., 3.], dtype=float32)
    """
    xp, arrays = together(*values, kind=kind)
    result = getattr(xp, function)(*arrays, **options)
    return np.asanyarray(result) if xp is np else result


def apply_wide(function: str, *values: ArrayLike, kind: int = BOOL, **options: Any) -> Array:
    """Call a function of the library, with float32 for NumPy's floats of 16 bits, and round after.

    PyTorch and JAX see to that themselves. NumPy adds numbers of 16 bits in 16 bits, so that 5,000
    ones make 2048 in float16 and 256 in bfloat16, for which it lacks some functions altogether.

    Args:
        function: Its name in the array API standard.
        *values: The arguments that are arrays, numbers or sequences.
        kind: The lowest kind of dtype that it is called with.
        **options: Further arguments, by name.

    Returns:
        An array of the dtype that the arguments have.

    Example:
        >>> int(apply_wide("sum", np.ones((5000, 1), np.float16), axis=0)[0])
        5000
    """
    xp, arrays = together(*values, kind=kind)
    if xp is not np or not all(map(is_half, arrays)):
        return apply(function, *arrays, **options)
    wide = apply(function, *(astype(array, np.float32) for array in arrays), **options)
    return astype(wide, arrays[0].dtype)


def is_half(array: Array) -> bool:
    """Return whether an array holds floats of 16 bits.

    Args:
        array: An array of any library.

    Returns:
        True for float16 and bfloat16.

    Example:
        >>> is_half(np.ones(2, np.float16))
        True
    """
    return dtype_name(array) in ("float16", "bfloat16")


def together(
    *values: ArrayLike, kind: int = BOOL, beside: ArrayLike = ()
) -> tuple[Namespace, list[Array]]:
    """Return arguments as arrays of one library and one kind, and that library's namespace.

    Args:
        *values: Arrays, numbers and sequences.
        kind: The lowest kind of dtype that the arrays are to have.
        beside: An array that has a say in the library, but not in the dtype.

    Returns:
        The namespace and the arrays.

    Raises:
        TypeError: If an argument is neither an array nor a number nor a sequence.

    Example:
        >>> together(np.ones(2, np.float16), 2.0)[1]
        [array([1., 1.], dtype=float16), array(2., dtype=float16)]
    """
    values = tuple(_stacked(value_of(value)) for value in values)
    like = _leading(*values, beside)
    xp = namespace(like) if _standing(like) == _ARRAY else np
    placed = xp is not np and xp.__name__ not in _PLACING
    place = {"device": like.device} if placed else {}
    if xp is not np:  # copied, because PyTorch warns of arrays that are read-only
        values = tuple(
            xp.asarray(np.array(value), **place) if isinstance(value, np.ndarray) else value
            for value in values
        )
    kinds = [_kind(value) for value in values]
    kind = max(kind, *kinds)
    arrays = [value for value in values if _standing(value) >= _NUMPY_ARRAY]
    if len(arrays) == len(values) and min(kinds) == kind:
        return xp, arrays
    model = _leading(0, *(value for value, own in zip(values, kinds, strict=True) if own == kind))
    dtype = dtype_in(xp, dtype_name(model) if _standing(model) else _DEFAULTS[kind])

    def converted(value: ArrayLike, own: int) -> Array:
        if _standing(value) >= _NUMPY_ARRAY:
            return value if own == kind else astype(value, dtype)
        if isinstance(value, _SEQUENCES):
            return xp.asarray(value, dtype=dtype, **place)
        number = value.item() if isinstance(value, np.generic) else value
        return xp.full((), number, dtype=dtype, **place)  # a copy would have to wait for the GPU

    return xp, [converted(value, own) for value, own in zip(values, kinds, strict=True)]


def dtype_in(xp: Namespace, name: str) -> Any:
    """Return a library's dtype of some name.

    Args:
        xp: The library's namespace.
        name: A name such as ``"float32"``.

    Returns:
        The dtype.

    Example:
        >>> dtype_in(np, "float32")
        dtype('float32')
    """
    if xp is not np:
        return getattr(xp, name)
    if name == "bfloat16":
        import ml_dtypes  # noqa: F401  # its import is what makes the name known to NumPy
    return np.dtype(name)


def _stacked(value: ArrayLike) -> ArrayLike:
    """Return a sequence that holds arrays as one array, and anything else as it is."""
    if not isinstance(value, list | tuple):
        return value
    items = [_stacked(item) for item in value]
    if all(_standing(item) < _NUMPY_ARRAY for item in items):
        return value
    xp, arrays = together(*items)
    return xp.stack(arrays)


def _leading(*values: ArrayLike) -> ArrayLike:
    first = values[0]
    for value in values[1:]:  # torch.compile cannot trace `max` with a key
        first = value if _standing(value) > _standing(first) else first
    return first


def _standing(value: ArrayLike) -> int:
    if isinstance(value, np.generic):
        return _NUMPY_SCALAR
    if isinstance(value, np.ndarray):
        return _NUMPY_ARRAY
    return _NUMBER if isinstance(value, _PYTHON) else _ARRAY


def _kind(value: ArrayLike) -> int:
    """Return the kind of an array, of a number, or the highest in a sequence."""
    if isinstance(value, _SEQUENCES):
        return max([_kind(item) for item in value]) if value else FLOAT
    if _standing(value) == _NUMBER:
        return next(kind for kind, number in enumerate(_NUMBERS) if isinstance(value, number))
    return DTYPES.get(dtype_name(value), FLOAT)
