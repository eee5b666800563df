"""One clear line where an optional package is missing."""

from __future__ import annotations

from importlib.util import find_spec

# Import name -> what people call it, where that differs.
_NAMES = {"torch": "PyTorch", "jax": "JAX", "keras": "Keras"}


def require(owner: str, extra: str, *modules: str) -> None:
    """Raise if a package that a part of feasible needs is not installed.

    Args:
        owner: The part, such as ``"feasible.layers"``.
        extra: The extra of feasible that installs it.
        *modules: The packages' import names.

    Raises:
        ImportError: If one is missing; it says how to install it.

    Example:
        >>> require("feasible", "report", "numpy")
    """
    for module in modules:
        if find_spec(module) is None:
            raise ImportError(
                f"{owner} needs {_NAMES.get(module, module)}: pip install 'feasible[{extra}]'",
                name=module,
            )
