import numpy as np
from keras.constraints import max_norm
from keras.layers import Dense, Dropout
from keras.models import Sequential
from keras.wrappers import SKLearnClassifier
from sklearn.model_selection import GridSearchCV


def create_model(X, y, weight_constraint=1.0):
    model = Sequential()
    model.add(
        Dense(
            12,
            input_dim=8,
            kernel_initializer="uniform",
            activation="linear",
            kernel_constraint=max_norm(weight_constraint),
        )
    )
    model.add(Dropout(0.0))
    model.add(
        Dense(y.shape[1] if y.ndim > 1 else 1, kernel_initializer="uniform", activation="sigmoid")
    )
    model.compile(loss="binary_crossentropy", optimizer="adam", metrics=["accuracy"])
    return model


rng = np.random.RandomState(0)
X = rng.randn(60, 8).astype("f")
Y = (X[:, 0] > 0).astype(int)
clf = SKLearnClassifier(
    model=create_model,
    model_kwargs={"weight_constraint": 1.0},
    fit_kwargs={"epochs": 2, "verbose": 0},
)
grid = GridSearchCV(
    clf, {"model_kwargs": [{"weight_constraint": 1.0}, {"weight_constraint": 3.0}]}, cv=2
)
r = grid.fit(X, Y)
LOSS(r.best_score_)
