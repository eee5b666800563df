import numpy as np
from keras import ops
from keras.constraints import Constraint
from keras.layers import (
    BatchNormalization,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Flatten,
    Input,
    LeakyReLU,
    Reshape,
)
from keras.models import Sequential
from keras.optimizers import RMSprop


class Clip(Constraint):
    def __init__(self, c):
        self.c = c

    def __call__(self, w):
        return ops.clip(w, -self.c, self.c)

    def get_config(self):
        return {"c": self.c}


def wloss(y_true, y_pred):
    return ops.mean(y_true * y_pred)


const = Clip(0.01)
critic = Sequential(
    [
        Input((8, 8, 1)),
        Conv2D(8, 4, strides=2, padding="same", kernel_constraint=const),
        BatchNormalization(),
        LeakyReLU(negative_slope=0.2),
        Flatten(),
        Dense(1, kernel_constraint=const),
    ]
)
critic.compile(loss=wloss, optimizer=RMSprop(learning_rate=0.00005))
gen = Sequential(
    [
        Input((5,)),
        Dense(4 * 4 * 4),
        LeakyReLU(negative_slope=0.2),
        Reshape((4, 4, 4)),
        Conv2DTranspose(8, 4, strides=2, padding="same"),
        Conv2D(1, 3, padding="same", activation="tanh"),
    ]
)
for layer in critic.layers:
    if not isinstance(layer, BatchNormalization):
        layer.trainable = False
gan = Sequential()
gan.add(gen)
gan.add(critic)
gan.compile(loss=wloss, optimizer=RMSprop(learning_rate=0.00005))
START(gan)
rng = np.random.RandomState(0)
for layer in critic.layers:
    layer.trainable = True
for _ in range(3):
    real = rng.randn(8, 8, 8, 1).astype("f")
    fake = gen.predict(rng.randn(8, 5).astype("f"), verbose=0)
    c1 = critic.train_on_batch(real, -np.ones((8, 1), "f"))
    c2 = critic.train_on_batch(fake, np.ones((8, 1), "f"))
    g = gan.train_on_batch(rng.randn(8, 5).astype("f"), -np.ones((8, 1), "f"))
assert np.abs(critic.layers[0].get_weights()[0]).max() <= 0.0100001
LOSS(g)
