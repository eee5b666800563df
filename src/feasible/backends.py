"""Which array library an array belongs to, found without importing one."""

from __future__ import annotations

import sys
from types import SimpleNamespace
from typing import Any

# Arrays and namespaces are Any throughout: the array API standard has no static types yet.
Array = Any
Namespace = Any

_namespaces: dict[type, Namespace] = {}


def namespace(array: Array) -> Namespace:
    """Return the array API namespace whose functions take this array.

    PyTorch and TensorFlow are found through `sys.modules`, never imported: a tensor cannot exist
    before its library does. Namespaces are remembered by the array's type, so that a call costs one
    look-up. TensorFlow's has what the constraints use, under the names of the standard.

    Args:
        array: An array of NumPy, PyTorch, JAX, TensorFlow or any library of the array API standard.

    Returns:
        A namespace such as `numpy`, `jax.numpy` or `array_api_compat.torch`.

    Raises:
        TypeError: If it is not an array.

    Example:
        >>> import numpy as np
        >>> namespace(np.ones(3)).__name__
        'numpy'
    """
    kind = type(array)
    found = _namespaces.get(kind)
    if found is None:
        found = _namespaces[kind] = _find(array)
    return found


def _find(array: Array) -> Namespace:
    torch = sys.modules.get("torch")
    if torch is not None and isinstance(array, torch.Tensor):
        from array_api_compat import (
            torch as compatible,
        )  # traced by torch.compile, as a call is not

        return compatible
    if hasattr(array, "__array_namespace__"):
        return array.__array_namespace__()
    tensorflow = sys.modules.get("tensorflow")
    if tensorflow is not None and isinstance(array, tensorflow.Tensor | tensorflow.Variable):
        names = vars(tensorflow.experimental.numpy)
        return SimpleNamespace(**{**names, **_in_tensorflow(tensorflow)})
    raise TypeError(
        "expected an array of NumPy, PyTorch, JAX or the array API standard. "
        f"Received: {array!r} of type {type(array).__name__}. "
        "`feasible.ops.convert_to_tensor` makes an array of numbers and sequences."
    )


def _in_tensorflow(tensorflow: Any) -> dict[str, Any]:
    """Return what the standard calls otherwise than TensorFlow's version of NumPy does."""
    as_numpy = tensorflow.experimental.numpy

    def svd(matrices: Array, full_matrices: bool = True) -> tuple[Array, Array, Array]:
        values, left, right = tensorflow.linalg.svd(matrices, full_matrices=full_matrices)
        return left, values, tensorflow.linalg.adjoint(right)

    return {
        "__name__": "tensorflow",
        "astype": tensorflow.cast,
        "bfloat16": tensorflow.bfloat16,
        "bool": tensorflow.bool,
        "concat": as_numpy.concatenate,
        "cumulative_sum": tensorflow.cumsum,
        "linalg": SimpleNamespace(svd=svd, eigh=tensorflow.linalg.eigh),
        "matrix_transpose": tensorflow.linalg.matrix_transpose,
        "permute_dims": as_numpy.transpose,
        "pow": as_numpy.power,
    }


def value_of(weight: Array) -> Array:
    """Return the array that a Keras variable holds, and any array as it is.

    Args:
        weight: A variable of Keras 3 on any of its backends, or an array.

    Returns:
        An array.

    Example:
        >>> import numpy as np
        >>> value_of(np.ones(2))
        array([1., 1.])
    """
    keras: Any = sys.modules.get("keras")
    # Half imported, it has no variables yet.
    is_variable = isinstance(weight, getattr(keras, "Variable", ()))
    return weight.value if is_variable else weight


def wide_dtype(array: Array) -> Any:
    """Return the dtype that holds an array's entries while they are computed with.

    Args:
        array: A floating or complex array of any library.

    Returns:
        That of sums; for complex entries, the complex dtype of two such numbers.

    Example:
        >>> import numpy as np
        >>> wide_dtype(np.ones(3, np.complex64)) == np.complex128
        True
    """
    dtype = accumulation_dtype(array)
    if not is_complex(array):
        return dtype
    xp = namespace(array)
    return xp.complex64 if dtype == xp.float32 else xp.complex128


def is_complex(array: Array) -> bool:
    """Return whether an array's entries are complex numbers.

    Args:
        array: An array of any library.

    Returns:
        Whether they are.

    Example:
        >>> import numpy as np
        >>> is_complex(np.ones(3))
        False
    """
    return dtype_name(array).startswith("complex")


def dtype_name(array: Array) -> str:
    """Return the name of an array's dtype, the same in every library.

    Args:
        array: An array of any library.

    Returns:
        A name such as ``"float32"`` or ``"bfloat16"``.

    Example:
        >>> import numpy as np
        >>> dtype_name(np.ones(3))
        'float64'
    """
    dtype = array.dtype
    # The string of TensorFlow's says more than the name.
    return str(getattr(dtype, "name", dtype)).rpartition(".")[2]


def astype(array: Array, dtype: Any) -> Array:
    """Return an array in another dtype of its own library, or itself if it has that dtype.

    Args:
        array: An array of any library.
        dtype: A dtype of that library.

    Returns:
        The array, copied only where the dtype differs.

    Example:
        >>> import numpy as np
        >>> astype(np.ones(2), np.float32).dtype
        dtype('float32')
    """
    return array if array.dtype == dtype else namespace(array).astype(array, dtype)


def beside(values: Any, array: Array, dtype: Any) -> Array:
    """Return numbers as an array that can be computed with together with another.

    Args:
        values: Nested sequences of numbers, or a NumPy array.
        array: An array of any library.
        dtype: A dtype of that library, or None for the values' own.

    Returns:
        An array of its library, where it is.

    Example:
        >>> import numpy as np
        >>> beside([1, 2], np.ones(3), np.float32)
        array([1., 2.], dtype=float32)
    """
    xp = namespace(array)
    # Elsewhere arrays go where they are needed, and JAX's have no device while it traces.
    device = {"device": array.device} if xp.__name__ == "array_api_compat.torch" else {}
    return xp.asarray(values, dtype=dtype, **device)


def cumulative_sum(array: Array, axis: int) -> Array:
    """Return the sums of entries up to each along an axis.

    Args:
        array: An array of any library.
        axis: The axis.

    Returns:
        An array of the same shape.

    Example:
        >>> import numpy as np
        >>> cumulative_sum(np.array([1, 2, 3]), 0)
        array([1, 3, 6])
    """
    # PyTorch's compiler follows its own method, and not the standard's function.
    if hasattr(array, "cumsum"):
        return array.cumsum(axis)
    return namespace(array).cumulative_sum(array, axis=axis)


def is_compiling() -> bool:
    """Return whether PyTorch's compiler follows what is called here.

    Returns:
        Whether it does.

    Example:
        >>> is_compiling()
        False
    """
    torch = sys.modules.get("torch")
    return torch is not None and bool(torch.compiler.is_compiling())


def is_of_jax(array: Array) -> bool:
    """Return whether an array is one of JAX's, which may be traced.

    Args:
        array: An array of any library.

    Returns:
        Whether it is.

    Example:
        >>> import numpy as np
        >>> is_of_jax(np.ones(3))
        False
    """
    return bool(namespace(array).__name__ == "jax.numpy")


def _is_of_tensorflow(array: Array) -> bool:
    return bool(namespace(array).__name__ == "tensorflow")


def without_gradient(array: Array) -> Array:
    """Return an array through which no derivative is taken.

    Args:
        array: An array of any library.

    Returns:
        An array of the same entries.

    Example:
        >>> import numpy as np
        >>> without_gradient(np.ones(2))
        array([1., 1.])
    """
    if is_of_jax(array):
        return sys.modules["jax"].lax.stop_gradient(array)
    if _is_of_tensorflow(array):
        return sys.modules["tensorflow"].stop_gradient(array)
    return array.detach() if hasattr(array, "detach") else array


def repeat_while(condition: Any, step: Any, state: tuple[Array, ...]) -> tuple[Array, ...]:
    """Repeat a step as long as a condition holds, inside a compiled program of JAX, too.

    Args:
        condition: From arrays to a bool, or an array of one.
        step: From arrays to arrays of the same shapes and dtypes.
        state: The arrays to begin with.

    Returns:
        The arrays of which the condition does not hold.

    Example:
        >>> import numpy as np
        >>> int(repeat_while(lambda n: n < 10, lambda n: (2 * n,), (np.asarray(3),))[0])
        12
    """
    if is_of_jax(state[0]):
        found: tuple[Array, ...] = sys.modules["jax"].lax.while_loop(
            lambda held: condition(*held), lambda held: step(*held), state
        )
        return found
    if _is_of_tensorflow(state[0]):
        return tuple(sys.modules["tensorflow"].while_loop(condition, step, state))
    if is_compiling():  # which follows no loop whose length the entries decide
        repeat: Any = sys.modules["torch"].compiler.disable(_repeated)
        return tuple(repeat(condition, step, state))
    return _repeated(condition, step, state)


def repeat_times(times: int, step: Any, state: tuple[Array, ...]) -> tuple[Array, ...]:
    """Repeat a step a number of times, inside a compiled program of JAX as a loop.

    Args:
        times: How often.
        step: From arrays to arrays of the same shapes and dtypes.
        state: The arrays to begin with.

    Returns:
        The arrays after the last step.

    Example:
        >>> import numpy as np
        >>> repeat_times(3, lambda n: (2 * n,), (np.ones(1),))[0]
        array([8.])
    """
    if is_of_jax(state[0]):
        found: tuple[Array, ...] = sys.modules["jax"].lax.fori_loop(
            0, times, lambda _, held: step(*held), state
        )
        return found
    for _ in range(times):
        state = step(*state)
    return state


def _repeated(condition: Any, step: Any, state: tuple[Array, ...]) -> tuple[Array, ...]:
    while condition(*state):
        state = step(*state)
    return state


def choose(condition: Array, if_true: Any, if_false: Any, *operands: Array) -> Any:
    """Compute one of two things, inside a compiled program of JAX, too.

    Args:
        condition: A bool, or an array of one.
        if_true: From the operands to an array.
        if_false: From the operands to an array of the same shape and dtype.
        *operands: The arrays.

    Returns:
        What was computed.

    Example:
        >>> import numpy as np
        >>> choose(np.asarray(True), np.sqrt, np.square, np.ones(2) * 4)
        array([2., 2.])
    """
    if is_of_jax(operands[0]):
        return sys.modules["jax"].lax.cond(condition, if_true, if_false, *operands)
    if _is_of_tensorflow(operands[0]):
        return sys.modules["tensorflow"].cond(
            condition, lambda: if_true(*operands), lambda: if_false(*operands)
        )
    if is_compiling():  # into one graph, that does both
        return namespace(operands[0]).where(condition, if_true(*operands), if_false(*operands))
    return if_true(*operands) if condition else if_false(*operands)


def accumulation_dtype(array: Array) -> Any:
    """Return the widest float dtype in which this array's library can sum on its device.

    Args:
        array: A floating array of any library.

    Returns:
        float64, or float32 where there is no float64: JAX without x64, Apple's GPUs.

    Example:
        >>> import numpy as np
        >>> accumulation_dtype(np.ones(3, np.float32)) == np.float64
        True
    """
    xp = namespace(array)
    if is_of_jax(array):
        return sys.modules["jax"].dtypes.canonicalize_dtype("float64")
    # Tensors of Apple's GPUs cannot be float64.
    on_mps = getattr(getattr(array, "device", None), "type", None) == "mps"
    return xp.float32 if on_mps else xp.float64
