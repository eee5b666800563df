import numpy as np
from keras.constraints import max_norm as maxnorm
from keras.layers import Conv2D, Dense, Dropout, Flatten, MaxPooling2D
from keras.models import Sequential
from keras.optimizers import SGD

model = Sequential()
model.add(
    Conv2D(
        8,
        (3, 3),
        input_shape=(16, 16, 3),
        padding="same",
        activation="relu",
        kernel_constraint=maxnorm(3),
    )
)
model.add(Dropout(0.0))
model.add(Conv2D(8, (3, 3), activation="relu", padding="same", kernel_constraint=maxnorm(3)))
model.add(MaxPooling2D(pool_size=(2, 2)))
model.add(Flatten())
model.add(Dense(32, activation="relu", kernel_constraint=maxnorm(3)))
model.add(Dense(10, activation="softmax"))
START(model)
sgd = SGD(learning_rate=0.01, momentum=0.9, nesterov=False)
model.compile(loss="categorical_crossentropy", optimizer=sgd, metrics=["accuracy"])
rng = np.random.RandomState(0)
x = rng.rand(64, 16, 16, 3).astype("f")
y = np.eye(10)[rng.randint(0, 10, 64)].astype("f")
h = model.fit(x, y, validation_data=(x, y), epochs=3, batch_size=16, verbose=0, shuffle=False)
scores = model.evaluate(x, y, verbose=0)
print("Accuracy: %.2f%%" % (scores[1] * 100))
LOSS(scores[0])
