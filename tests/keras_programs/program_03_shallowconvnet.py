import numpy as np
from keras import ops as K
from keras.constraints import max_norm
from keras.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Flatten,
    Input,
)
from keras.models import Model


def square(v):
    return K.square(v)


def log(v):
    return K.log(K.clip(v, 1e-7, 10000.0))


inp = Input((6, 64, 1))
b = Conv2D(8, (1, 13), kernel_constraint=max_norm(2.0, axis=(0, 1, 2)))(inp)
b = Conv2D(8, (6, 1), use_bias=False, kernel_constraint=max_norm(2.0, axis=(0, 1, 2)))(b)
b = BatchNormalization(epsilon=1e-5, momentum=0.9)(b)
b = Activation(square)(b)
b = AveragePooling2D(pool_size=(1, 35), strides=(1, 7))(b)
b = Activation(log)(b)
b = Flatten()(Dropout(0.0)(b))
out = Activation("softmax")(Dense(4, kernel_constraint=max_norm(0.5))(b))
model = START(Model(inputs=inp, outputs=out))
model.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
rng = np.random.RandomState(0)
x = rng.randn(64, 6, 64, 1).astype("f")
y = rng.randint(0, 4, 64)
h = model.fit(x, y, batch_size=16, epochs=3, verbose=0, shuffle=False)
LOSS(h.history["loss"][-1])
