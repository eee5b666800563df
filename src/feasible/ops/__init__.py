"""Array functions with which a constraint is written once, for every array library.

They have Keras's names and arguments. Each is carried out by the library that its arguments belong
to, so that it runs on any device, under `torch.compile`, and under JAX's transformations. The
result belongs to that library too; functions of nothing but numbers and sequences of numbers give
NumPy arrays. An array's dtype stays what it is, also beside numbers: float16 is not promoted by
2.0, nor by the int64 of a count. Arrays are never modified.

What is made out of nothing, by `zeros`, `ones`, `full`, `eye`, `arange` and `linspace`, is an array
of NumPy until it meets one of another library; `zeros_like`, `ones_like` and `full_like` know the
library and the device from the array that they are given.

Example:
    >>> import numpy as np
    >>> from feasible import ops
    >>> def soft_threshold(w):
    ...     return ops.sign(w) * ops.relu(ops.abs(w) - 1)
    >>> soft_threshold(np.array([-3.0, 0.5, 1.5]))
    array([-2. ,  0. ,  0.5])
"""

# ruff: noqa: A004  # Keras's names, some of which Python uses too

from feasible.ops.arithmetic import (
    add,
    clip,
    divide,
    maximum,
    minimum,
    multiply,
    power,
    subtract,
)
from feasible.ops.arrangement import (
    broadcast_to,
    expand_dims,
    flip,
    moveaxis,
    ravel,
    repeat,
    reshape,
    roll,
    squeeze,
    tile,
    transpose,
    tril,
    triu,
)
from feasible.ops.comparison import (
    equal,
    greater,
    greater_equal,
    less,
    less_equal,
    logical_and,
    logical_not,
    logical_or,
    logical_xor,
    not_equal,
    where,
)
from feasible.ops.conversion import (
    cast,
    convert_to_numpy,
    convert_to_tensor,
    dtype,
    full_like,
    ndim,
    ones_like,
    shape,
    size,
    zeros_like,
)
from feasible.ops.creation import arange, eye, full, linspace, ones, zeros
from feasible.ops.elementwise import (
    abs,
    absolute,
    ceil,
    cos,
    exp,
    expm1,
    floor,
    isfinite,
    isinf,
    isnan,
    log,
    log1p,
    log2,
    negative,
    reciprocal,
    relu,
    round,
    rsqrt,
    sigmoid,
    sign,
    sin,
    softplus,
    sqrt,
    square,
    tanh,
)
from feasible.ops.linear import (
    diagonal,
    eigh,
    inv,
    matmul,
    norm,
    normalize,
    qr,
    svd,
    trace,
)
from feasible.ops.recording import recorded
from feasible.ops.reduction import (
    all,
    any,
    argmax,
    argmin,
    count_nonzero,
    cumprod,
    cumsum,
    max,
    mean,
    min,
    prod,
    std,
    sum,
    var,
)
from feasible.ops.selection import (
    argsort,
    concatenate,
    sort,
    split,
    stack,
    take,
    take_along_axis,
)

__all__ = [
    "abs",
    "absolute",
    "add",
    "all",
    "any",
    "arange",
    "argmax",
    "argmin",
    "argsort",
    "broadcast_to",
    "cast",
    "ceil",
    "clip",
    "concatenate",
    "convert_to_numpy",
    "convert_to_tensor",
    "cos",
    "count_nonzero",
    "cumprod",
    "cumsum",
    "diagonal",
    "divide",
    "dtype",
    "eigh",
    "equal",
    "exp",
    "expand_dims",
    "expm1",
    "eye",
    "flip",
    "floor",
    "full",
    "full_like",
    "greater",
    "greater_equal",
    "inv",
    "isfinite",
    "isinf",
    "isnan",
    "less",
    "less_equal",
    "linspace",
    "log",
    "log1p",
    "log2",
    "logical_and",
    "logical_not",
    "logical_or",
    "logical_xor",
    "matmul",
    "max",
    "maximum",
    "mean",
    "min",
    "minimum",
    "moveaxis",
    "multiply",
    "ndim",
    "negative",
    "norm",
    "normalize",
    "not_equal",
    "ones",
    "ones_like",
    "power",
    "prod",
    "qr",
    "ravel",
    "reciprocal",
    "relu",
    "repeat",
    "reshape",
    "roll",
    "round",
    "rsqrt",
    "shape",
    "sigmoid",
    "sign",
    "sin",
    "size",
    "softplus",
    "sort",
    "split",
    "sqrt",
    "square",
    "squeeze",
    "stack",
    "std",
    "subtract",
    "sum",
    "svd",
    "take",
    "take_along_axis",
    "tanh",
    "tile",
    "trace",
    "transpose",
    "tril",
    "triu",
    "var",
    "where",
    "zeros",
    "zeros_like",
]

# What is known of a tensor without its values is told at once.
_TOLD_AT_ONCE = ("dtype", "ndim", "shape")
for _name in __all__:
    if _name not in _TOLD_AT_ONCE:
        globals()[_name] = recorded(globals()[_name])
