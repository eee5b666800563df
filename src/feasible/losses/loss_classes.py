"""Losses as classes, by Keras's names: each holds the function of its name, and its options."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from feasible.losses import focal_losses as focal
from feasible.losses import loss_functions as plain
from feasible.losses.loss_base import LossFunctionWrapper
from feasible.near_misses import near_misses
from feasible.registry import Registry

LOSS_CLASSES = Registry(
    "loss",
    "keras.losses",
    base="Loss",
    decorator="feasible.losses.register",
)
_OF_ALL = {"reduction": "sum_over_batch_size", "name": None, "dtype": None}


def _class_of(
    class_name: str,
    function: Callable[..., Any],
    *,
    axis: bool = False,
    called: str | None = None,
) -> type[LossFunctionWrapper]:
    """Make a class that takes a function's options, and those of all losses, after each other."""
    own = [*inspect.signature(function).parameters.values()][2:]
    defaults = {one.name: one.default for one in own}
    if axis:
        defaults["axis"] = -1
    name = called or function.__name__
    all_defaults = {**defaults, **_OF_ALL, "name": name}
    signature = inspect.Signature(
        [
            inspect.Parameter(one, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=default)
            for one, default in all_defaults.items()
        ]
    )

    def __init__(self: LossFunctionWrapper, *values: Any, **options: Any) -> None:  # noqa: N807
        for one in options:
            if one not in all_defaults:
                known = near_misses(one, all_defaults, quote="`")
                allowed = ", ".join(defaults) or "none beside those of every loss"
                raise ValueError(
                    f"{class_name}: there is no argument `{one}`. {known} The options may be "
                    f"{allowed}. Received: {one}={options[one]!r}."
                )
        given = signature.bind(*values, **options)
        given.apply_defaults()
        LossFunctionWrapper.__init__(self, function, **given.arguments)

    made = type(
        class_name,
        (LossFunctionWrapper,),
        {
            "__init__": __init__,
            "__doc__": f"`{function.__name__}`, reduced to one number: see `Loss`.",
            "__module__": __name__,
            "__signature__": signature,
        },
    )
    return LOSS_CLASSES.built_in()(made)


MeanSquaredError = _class_of("MeanSquaredError", plain.mean_squared_error)
MeanAbsoluteError = _class_of("MeanAbsoluteError", plain.mean_absolute_error)
MeanAbsolutePercentageError = _class_of(
    "MeanAbsolutePercentageError", plain.mean_absolute_percentage_error
)
MeanSquaredLogarithmicError = _class_of(
    "MeanSquaredLogarithmicError", plain.mean_squared_logarithmic_error
)
CosineSimilarity = _class_of("CosineSimilarity", plain.cosine_similarity, axis=True)
Huber = _class_of("Huber", plain.huber, called="huber_loss")
LogCosh = _class_of("LogCosh", plain.log_cosh)
Hinge = _class_of("Hinge", plain.hinge)
SquaredHinge = _class_of("SquaredHinge", plain.squared_hinge)
CategoricalHinge = _class_of("CategoricalHinge", plain.categorical_hinge)
KLDivergence = _class_of("KLDivergence", plain.kl_divergence)
Poisson = _class_of("Poisson", plain.poisson)
BinaryCrossentropy = _class_of("BinaryCrossentropy", plain.binary_crossentropy, axis=True)
BinaryFocalCrossentropy = _class_of(
    "BinaryFocalCrossentropy", focal.binary_focal_crossentropy, axis=True
)
CategoricalCrossentropy = _class_of(
    "CategoricalCrossentropy", plain.categorical_crossentropy, axis=True
)
CategoricalFocalCrossentropy = _class_of(
    "CategoricalFocalCrossentropy", focal.categorical_focal_crossentropy, axis=True
)
SparseCategoricalCrossentropy = _class_of(
    "SparseCategoricalCrossentropy", plain.sparse_categorical_crossentropy, axis=True
)
CTC = _class_of("CTC", focal.ctc)
Dice = _class_of("Dice", focal.dice)
Tversky = _class_of("Tversky", focal.tversky)
