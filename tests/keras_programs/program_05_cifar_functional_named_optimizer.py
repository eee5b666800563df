import numpy as np
from keras.constraints import MaxNorm
from keras.layers import Conv2D, Dense, Dropout, Flatten, Input, MaxPooling2D
from keras.models import Model

visible = Input(shape=(16, 16, 3))
x = Conv2D(8, (3, 3), padding="same", activation="relu")(visible)
x = Dropout(0.0)(x)
x = MaxPooling2D(pool_size=(2, 2))(x)
x = Flatten()(x)
x = Dense(32, activation="relu", kernel_constraint=MaxNorm(3))(x)
x = Dense(10, activation="softmax")(x)
m2 = START(Model(inputs=visible, outputs=x))
m2.compile(loss="sparse_categorical_crossentropy", optimizer="adam", metrics=["accuracy"])
rng = np.random.RandomState(0)
X = rng.rand(64, 16, 16, 3).astype("f")
Y = rng.randint(0, 10, 64)
m2.fit(X, Y, validation_data=(X, Y), epochs=2, batch_size=16, verbose=0, shuffle=False)
LOSS(m2.evaluate(X, Y, verbose=0)[0])
