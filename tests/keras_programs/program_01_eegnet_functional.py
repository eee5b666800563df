import numpy as np
from keras.callbacks import ModelCheckpoint
from keras.constraints import max_norm
from keras.layers import (
    Activation,
    AveragePooling2D,
    BatchNormalization,
    Conv2D,
    Dense,
    DepthwiseConv2D,
    Dropout,
    Flatten,
    Input,
    SeparableConv2D,
)
from keras.models import Model


def build(n=4, ch=8, t=64):
    inp = Input(shape=(ch, t, 1))
    b = Conv2D(4, (1, 16), padding="same", use_bias=False)(inp)
    b = BatchNormalization()(b)
    b = DepthwiseConv2D(
        (ch, 1), use_bias=False, depth_multiplier=2, depthwise_constraint=max_norm(1.0)
    )(b)
    b = BatchNormalization()(b)
    b = Activation("elu")(b)
    b = AveragePooling2D((1, 4))(b)
    b = Dropout(0.0)(b)
    b = SeparableConv2D(8, (1, 8), use_bias=False, padding="same")(b)
    b = BatchNormalization()(b)
    b = Activation("elu")(b)
    b = AveragePooling2D((1, 8))(b)
    b = Flatten(name="flatten")(b)
    b = Dense(n, name="dense", kernel_constraint=max_norm(0.25))(b)
    return Model(inputs=inp, outputs=Activation("softmax", name="softmax")(b))


model = START(build())
model.compile(loss="categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
rng = np.random.RandomState(0)
x = rng.randn(64, 8, 64, 1).astype("f")
y = np.eye(4)[rng.randint(0, 4, 64)].astype("f")
cp = ModelCheckpoint(
    filepath=TMP + "/cp.weights.h5", save_weights_only=True, save_best_only=True, monitor="val_loss"
)
h = model.fit(
    x,
    y,
    batch_size=16,
    epochs=3,
    verbose=0,
    shuffle=False,
    validation_data=(x, y),
    callbacks=[cp],
    class_weight={0: 1, 1: 1, 2: 1, 3: 2},
)
model.load_weights(TMP + "/cp.weights.h5")
LOSS(h.history["loss"][-1])
