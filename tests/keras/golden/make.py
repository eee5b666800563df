"""Writes what Keras 2 writes: run it where tf_keras 2 is installed, with the folder as argument."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import numpy as np
import tf_keras as keras

layers, constraints = keras.layers, keras.constraints


def eegnet() -> keras.Model:
    """EEGNet (Lawhern et al. 2018), as its authors wrote it, for 4 channels and 64 samples."""
    inputs = layers.Input((4, 64, 1))
    x = layers.Conv2D(4, (1, 16), padding="same", use_bias=False)(inputs)
    x = layers.BatchNormalization()(x)
    x = layers.DepthwiseConv2D(
        (4, 1), use_bias=False, depth_multiplier=2, depthwise_constraint=constraints.max_norm(1.0)
    )(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.5)(layers.AveragePooling2D((1, 4))(layers.Activation("elu")(x)))
    x = layers.SeparableConv2D(8, (1, 8), use_bias=False, padding="same")(x)
    x = layers.BatchNormalization()(x)
    x = layers.Dropout(0.5)(layers.AveragePooling2D((1, 8))(layers.Activation("elu")(x)))
    x = layers.Flatten(name="flatten")(x)
    x = layers.Dense(3, name="dense", kernel_constraint=constraints.max_norm(0.25))(x)
    return keras.Model(inputs, layers.Activation("softmax", name="softmax")(x))


def stack() -> keras.Model:
    """A Sequential in a Sequential, with states and a layer that is not trained."""
    inner = [layers.Dense(3), layers.BatchNormalization(), layers.LayerNormalization()]
    return keras.Sequential(
        [
            layers.Dense(4, input_shape=(5,), kernel_constraint="non_neg", name="first"),
            keras.Sequential(inner, name="inner"),
            layers.PReLU(alpha_constraint=constraints.MaxNorm(1.0), name="alphas"),
            layers.Dense(2, trainable=False, activation="tanh", name="last"),
        ]
    )


def main(folder: Path) -> None:
    """Train each model a little, save it, and write down what it predicts."""
    keras.utils.set_random_seed(0)
    generator = np.random.default_rng(0)
    predicted = {}
    for model in (eegnet(), stack()):
        name = "eegnet" if len(model.input_shape) > 2 else "stack"
        x = generator.normal(size=(16, *model.input_shape[1:]))
        model.compile("adam", "mse")
        model.fit(x, generator.normal(size=(16, model.output_shape[-1])), epochs=3, verbose=0)
        model.save(folder / f"{name}.h5", include_optimizer=False)
        x = np.linspace(-1, 1, 2 * np.prod(model.input_shape[1:]))
        outputs = model.predict(x.reshape(2, *model.input_shape[1:]), verbose=0)
        predicted[name] = {"keras": keras.__version__, "outputs": outputs.tolist()}
    (folder / "predicted.json").write_text(json.dumps(predicted, indent=1) + "\n")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
