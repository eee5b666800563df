"""Models as estimators of scikit-learn: for grid search, cross-validation and pipelines."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any, Self

from feasible.requirements import require

require("feasible.wrappers", "fit", "torch", "sklearn")

# ruff: noqa: E402
import numpy as np
from numpy.typing import NDArray
from sklearn.base import BaseEstimator, ClassifierMixin, RegressorMixin
from sklearn.preprocessing import OneHotEncoder
from sklearn.utils.validation import check_array, check_is_fitted, check_X_y

from feasible.arguments import InvalidArgumentError


class _Estimator(BaseEstimator):  # type: ignore[misc]
    """What the estimators share: a model that is made anew, or copied, for each fit.

    Args:
        model: A compiled model; or a function ``(X, y, **model_kwargs)`` that returns one.
        warm_start: Whether `fit` goes on with the model of the one before.
        model_kwargs: Further arguments of the function.
        fit_kwargs: Arguments of the model's `fit`.
    """

    def __init__(
        self,
        model: Any,
        warm_start: bool = False,
        model_kwargs: dict[str, Any] | None = None,
        fit_kwargs: dict[str, Any] | None = None,
    ) -> None:
        self.model = model
        self.warm_start = warm_start
        self.model_kwargs = model_kwargs
        self.fit_kwargs = fit_kwargs

    def _made(self, x: NDArray[Any], y: NDArray[Any]) -> Any:
        if self.warm_start and hasattr(self, "model_"):
            return self.model_
        is_model = hasattr(self.model, "train_on_batch")
        make: Callable[..., Any] = self.model
        made = copy.deepcopy(self.model) if is_model else make(x, y, **(self.model_kwargs or {}))
        if getattr(made, "_compiled", None) is None:
            raise InvalidArgumentError(
                type(self).__name__, "model", self.model, "a compiled model, or what returns one"
            )
        return made

    def fit(self, X: Any, y: Any, **options: Any) -> Self:  # noqa: N803  scikit-learn's name
        """Train the model.

        Args:
            X: Inputs, of shape (samples, features).
            y: Labels.
            **options: Arguments of the model's `fit`, beside `fit_kwargs`.

        Returns:
            The estimator.
        """
        x, y = check_X_y(X, y, multi_output=True, y_numeric=self._is_numeric)
        target = self._encoded(y)
        self.model_ = self._made(x, target)
        self.n_features_in_ = x.shape[1]
        history = self.model_.fit(x, target, **{**(self.fit_kwargs or {}), **options})
        self.history_ = history.history
        return self

    _is_numeric = True

    def _encoded(self, y: NDArray[Any]) -> NDArray[Any]:
        return y

    def _raw_predictions(self, inputs: Any) -> NDArray[Any]:
        check_is_fitted(self, "model_")
        return np.asarray(self.model_.predict(check_array(inputs), verbose=0))


class SKLearnRegressor(RegressorMixin, _Estimator):  # type: ignore[misc]
    """A model as a regressor of scikit-learn.

    Args:
        model: A compiled model; or a function ``(X, y, **model_kwargs)`` that returns one.
        warm_start: Whether `fit` goes on with the model of the one before.
        model_kwargs: Further arguments of the function.
        fit_kwargs: Arguments of the model's `fit`.

    Attributes:
        model_: The trained model.
        history_: The loss and the metrics of its epochs.

    Example:
        >>> import feasible
        >>> def make(X, y):
        ...     model = feasible.Sequential([feasible.layers.Dense(1)])
        ...     model.compile("sgd", "mse")
        ...     return model
        >>> regressor = SKLearnRegressor(make, fit_kwargs={"verbose": 0})
        >>> regressor.fit(np.ones((8, 2)), np.ones(8)).predict(np.ones((3, 2))).shape
        (3,)
    """

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803  scikit-learn's name
        """Return predictions.

        Args:
            X: Inputs, of shape (samples, features).

        Returns:
            Numbers, of the labels' shape.
        """
        found = self._raw_predictions(X)
        return found[:, 0] if found.ndim == 2 and found.shape[1] == 1 else found


class SKLearnClassifier(ClassifierMixin, _Estimator):  # type: ignore[misc]
    """A model as a classifier of scikit-learn: it sees labels one-hot, as Keras's wrapper does.

    Args:
        model: A compiled model; or a function ``(X, y, **model_kwargs)`` that returns one.
        warm_start: Whether `fit` goes on with the model of the one before.
        model_kwargs: Further arguments of the function.
        fit_kwargs: Arguments of the model's `fit`.

    Attributes:
        model_: The trained model.
        classes_: The classes.
        history_: The loss and the metrics of its epochs.

    Example:
        >>> import feasible
        >>> def make(X, y):
        ...     model = feasible.Sequential([feasible.layers.Dense(y.shape[1], "softmax")])
        ...     model.compile("sgd", "categorical_crossentropy")
        ...     return model
        >>> classifier = SKLearnClassifier(make, fit_kwargs={"verbose": 0})
        >>> x, y = np.eye(4), np.array(["a", "b", "a", "b"])
        >>> classifier.fit(x, y).predict(x).shape
        (4,)
    """

    _is_numeric = False

    def _encoded(self, y: NDArray[Any]) -> NDArray[Any]:
        self._encoder = OneHotEncoder(sparse_output=False, dtype=np.float32)
        found: NDArray[Any] = self._encoder.fit_transform(y.reshape(len(y), -1))
        self.classes_ = self._encoder.categories_[0]
        if len(self.classes_) < 2:
            raise ValueError(
                f"SKLearnClassifier: `y` must hold 2 classes at least. Received: {self.classes_}."
            )
        return found

    def predict_proba(self, X: Any) -> NDArray[Any]:  # noqa: N803  scikit-learn's name
        """Return the model's outputs: the classes' probabilities, if it ends in a softmax.

        Args:
            X: Inputs, of shape (samples, features).

        Returns:
            An array of shape (samples, classes).
        """
        return self._raw_predictions(X)

    def predict(self, X: Any) -> NDArray[Any]:  # noqa: N803  scikit-learn's name
        """Return the likeliest classes.

        Args:
            X: Inputs, of shape (samples, features).

        Returns:
            One class a sample.
        """
        return np.asarray(self.classes_[self._raw_predictions(X).argmax(axis=-1)])
