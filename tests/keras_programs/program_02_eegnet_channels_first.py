import numpy as np
from keras.constraints import max_norm
from keras.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Flatten,
    Input,
    SpatialDropout2D,
)
from keras.models import Sequential

model = Sequential(
    [
        Input((1, 8, 32)),
        Conv2D(4, (1, 8), padding="same", use_bias=False, data_format="channels_first"),
        BatchNormalization(axis=1),
        DepthwiseConv2D(
            (8, 1),
            use_bias=False,
            depth_multiplier=2,
            depthwise_constraint=max_norm(1.0),
            data_format="channels_first",
        ),
        BatchNormalization(axis=1),
        Activation("elu"),
        AveragePooling2D((1, 4), data_format="channels_first"),
        SpatialDropout2D(0.1, data_format="channels_first"),
        Flatten(),
        Dense(3, activation="softmax", kernel_constraint=max_norm(0.25)),
    ]
)
START(model)
model.compile(loss="sparse_categorical_crossentropy", optimizer="adam")
rng = np.random.RandomState(0)
x = rng.randn(64, 1, 8, 32).astype("f")
y = rng.randint(0, 3, 64)
h = model.fit(x, y, batch_size=16, epochs=3, verbose=0, shuffle=False)
LOSS(h.history["loss"][-1])
