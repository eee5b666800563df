import numpy as np
from keras.constraints import MaxNorm as maxnorm
from keras.layers import LSTM, Dense, Input
from keras.models import Model
from keras.optimizers import Nadam

ipt = Input(batch_shape=(16, 20, 4))
x = LSTM(
    12,
    activation="relu",
    return_sequences=False,
    recurrent_dropout=0.0,
    kernel_constraint=maxnorm(0.5, axis=0),
    recurrent_constraint=maxnorm(0.5, axis=0),
)(ipt)
out = Dense(1, activation="sigmoid")(x)
model = START(Model(ipt, out))
model.compile(optimizer=Nadam(learning_rate=4e-4, clipnorm=1), loss="binary_crossentropy")
rng = np.random.RandomState(0)
for i in range(5):
    x = rng.randn(16, 20, 4).astype("f")
    y = np.array([1] * 5 + [0] * 11).astype("f")
    rng.shuffle(y)
    loss = model.train_on_batch(x, y.reshape(-1, 1))
LOSS(loss)
