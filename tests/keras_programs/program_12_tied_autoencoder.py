import numpy as np
from keras import activations, ops
from keras.callbacks import EarlyStopping
from keras.constraints import UnitNorm
from keras.layers import Dense, Input, Layer
from keras.models import Sequential
from keras.regularizers import Regularizer


class Ortho(Regularizer):
    def __init__(self, n, weight=1.0):
        self.n, self.weight = n, weight

    def __call__(self, w):
        m = ops.matmul(ops.transpose(w), w) - ops.eye(self.n)
        return self.weight * ops.sqrt(ops.sum(ops.square(m)))


class DenseTranspose(Layer):
    def __init__(self, dense, activation=None, **kw):
        super().__init__(**kw)
        self.dense = dense
        self.activation = activations.get(activation)

    def build(self, input_shape):
        self.biases = self.add_weight(name="bias", shape=(6,), initializer="zeros")

    def call(self, x):
        return self.activation(ops.matmul(x, ops.transpose(self.dense.weights[0])) + self.biases)


enc = Dense(
    3,
    activation="linear",
    use_bias=True,
    kernel_regularizer=Ortho(3),
    kernel_constraint=UnitNorm(axis=0),
)
model = Sequential([Input((6,)), enc, DenseTranspose(enc, activation="linear")])
START(model)
model.compile(loss="mean_squared_error", optimizer="sgd")
rng = np.random.RandomState(0)
x = rng.randn(64, 6).astype("f")
h = model.fit(
    x,
    x,
    epochs=3,
    batch_size=16,
    verbose=0,
    shuffle=False,
    validation_split=0.1,
    callbacks=[EarlyStopping(monitor="val_loss", patience=5)],
)
LOSS(h.history["loss"][-1])
