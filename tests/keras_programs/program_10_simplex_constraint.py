import numpy as np
from keras import ops
from keras.constraints import Constraint
from keras.layers import Dense, Input
from keras.models import Sequential


class Simplex(Constraint):
    def __init__(self, axis=0):
        self.axis = axis

    def __call__(self, w):
        w = w * ops.cast(ops.greater_equal(w, 0.0), "float32")
        return w / ops.sum(w, axis=self.axis, keepdims=True)

    def get_config(self):
        return {"axis": self.axis}


model = Sequential(
    [Input((6,)), Dense(1, use_bias=False, kernel_initializer="ones", kernel_constraint=Simplex())]
)
START(model)
model.compile(optimizer="adam", loss="mse")
rng = np.random.RandomState(0)
x = rng.rand(64, 6).astype("f")
y = (x @ np.array([0.5, 0.5, 0, 0, 0, 0])).astype("f")
h = model.fit(x, y, epochs=20, batch_size=16, verbose=0, shuffle=False)
assert abs(model.get_weights()[0].sum() - 1) < 1e-5
LOSS(h.history["loss"][-1])
