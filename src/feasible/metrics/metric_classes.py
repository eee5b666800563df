"""Means of losses and accuracies as classes, by Keras's names."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any

from feasible.losses import loss_functions as losses
from feasible.metrics import accuracies
from feasible.metrics.means import MeanMetricWrapper
from feasible.metrics.metric_base import METRIC_CLASSES


def _class_of(
    class_name: str, function: Callable[..., Any], name: str | None = None
) -> type[MeanMetricWrapper]:
    """Make a class that takes a function's options, a name and a dtype."""
    own = [*inspect.signature(function).parameters.values()][2:]
    defaults = {one.name: one.default for one in own}
    all_defaults = {**defaults, "name": name or function.__name__, "dtype": None}
    # Keras has the name first, save where an option of top-k comes before it.
    order = sorted(all_defaults, key=lambda one: one not in ("k", "name", "dtype"))
    signature = inspect.Signature(
        [
            inspect.Parameter(
                one, inspect.Parameter.POSITIONAL_OR_KEYWORD, default=all_defaults[one]
            )
            for one in order
        ]
    )

    def __init__(self: MeanMetricWrapper, *values: Any, **options: Any) -> None:  # noqa: N807
        try:
            given = signature.bind(*values, **options)
        except TypeError as error:
            raise ValueError(
                f"{class_name}: {error}. Its arguments are: {', '.join(order)}."
            ) from error
        given.apply_defaults()
        MeanMetricWrapper.__init__(self, function, **given.arguments)

    made = type(
        class_name,
        (MeanMetricWrapper,),
        {
            "__init__": __init__,
            "__doc__": f"The mean of `{function.__name__}` over samples.",
            "__module__": __name__,
            "__signature__": signature,
        },
    )
    return METRIC_CLASSES.built_in()(made)


def _cosine(y_true: Any, y_pred: Any) -> Any:
    return -losses.cosine_similarity(y_true, y_pred)


Accuracy = _class_of("Accuracy", accuracies.equal_entries, "accuracy")
BinaryAccuracy = _class_of("BinaryAccuracy", accuracies.binary_accuracy)
CategoricalAccuracy = _class_of("CategoricalAccuracy", accuracies.categorical_accuracy)
SparseCategoricalAccuracy = _class_of(
    "SparseCategoricalAccuracy", accuracies.sparse_categorical_accuracy
)
TopKCategoricalAccuracy = _class_of(
    "TopKCategoricalAccuracy", accuracies.top_k_categorical_accuracy
)
SparseTopKCategoricalAccuracy = _class_of(
    "SparseTopKCategoricalAccuracy", accuracies.sparse_top_k_categorical_accuracy
)
MeanSquaredError = _class_of("MeanSquaredError", losses.mean_squared_error)
MeanAbsoluteError = _class_of("MeanAbsoluteError", losses.mean_absolute_error)
MeanAbsolutePercentageError = _class_of(
    "MeanAbsolutePercentageError", losses.mean_absolute_percentage_error
)
MeanSquaredLogarithmicError = _class_of(
    "MeanSquaredLogarithmicError", losses.mean_squared_logarithmic_error
)
CosineSimilarity = _class_of("CosineSimilarity", _cosine, "cosine_similarity")
LogCoshError = _class_of("LogCoshError", losses.log_cosh, "logcosh")
Hinge = _class_of("Hinge", losses.hinge)
SquaredHinge = _class_of("SquaredHinge", losses.squared_hinge)
CategoricalHinge = _class_of("CategoricalHinge", losses.categorical_hinge)
KLDivergence = _class_of("KLDivergence", losses.kl_divergence)
Poisson = _class_of("Poisson", losses.poisson)
BinaryCrossentropy = _class_of("BinaryCrossentropy", losses.binary_crossentropy)
CategoricalCrossentropy = _class_of("CategoricalCrossentropy", losses.categorical_crossentropy)
SparseCategoricalCrossentropy = _class_of(
    "SparseCategoricalCrossentropy", losses.sparse_categorical_crossentropy
)
