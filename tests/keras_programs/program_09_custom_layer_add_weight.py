import numpy as np
from keras import ops
from keras.constraints import Constraint
from keras.layers import Conv2D, Dense, Flatten, Input, Layer
from keras.models import Sequential


class AtLeastEps(Constraint):
    def __call__(self, w):
        return w * ops.cast(ops.greater_equal(w, 1e-7), "float32")


class Gate(Layer):
    def build(self, input_shape):
        self.kernel = self.add_weight(
            name="kernel",
            shape=(1,) + tuple(input_shape[1:]),
            initializer="ones",
            trainable=True,
            constraint=AtLeastEps(),
        )
        super().build(input_shape)

    def call(self, x):
        return x * self.kernel

    def compute_output_shape(self, input_shape):
        return input_shape


model = Sequential(
    [
        Input((8, 8, 1)),
        Conv2D(4, 3, activation="relu", trainable=False),
        Gate(),
        Flatten(),
        Dense(3, activation="softmax", trainable=False),
    ]
)
START(model)
model.compile(optimizer="adam", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
rng = np.random.RandomState(0)
x = rng.randn(64, 8, 8, 1).astype("f")
y = rng.randint(0, 3, 64)
h = model.fit(x, y, epochs=3, batch_size=16, verbose=0, shuffle=False)
LOSS(h.history["loss"][-1])
