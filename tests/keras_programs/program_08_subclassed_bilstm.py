import keras
import numpy as np
from keras import layers


class Net(keras.Model):
    def __init__(self):
        super().__init__()
        c = lambda v: keras.constraints.MaxNorm(max_value=v)
        f = layers.LSTM(
            8, kernel_constraint=c(3), recurrent_constraint=c(3.5), return_sequences=True
        )
        b = layers.LSTM(
            8,
            kernel_constraint=c(3),
            recurrent_constraint=c(3.5),
            return_sequences=True,
            go_backwards=True,
        )
        self.bi = layers.Bidirectional(f, backward_layer=b, name="bi_one")
        self.drop = layers.GaussianDropout(0.01)
        self.flat = layers.Flatten()
        self.out = layers.Dense(3, activation="softmax")

    def call(self, inputs, training=None):
        x = self.bi(inputs)
        x = self.drop(x, training=training)
        return self.out(self.flat(x))


model = Net()
rng = np.random.RandomState(0)
x = rng.randn(64, 6, 5).astype("f")
y = rng.randint(0, 3, 64)
model(x[:2])
START(model)
model.compile(optimizer="rmsprop", loss="sparse_categorical_crossentropy", metrics=["accuracy"])
h = model.fit(x, y, epochs=2, batch_size=16, verbose=0, shuffle=False)
LOSS(h.history["loss"][-1])
