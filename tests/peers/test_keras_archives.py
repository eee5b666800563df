"""Archives go to Keras and come from Keras, and predict the same there and here."""

from __future__ import annotations

import io
import json
import zipfile
from pathlib import Path
from typing import Any

import h5py
import keras
import numpy as np
import pytest
import torch

import feasible
from feasible import constraints, layers, load_model
from feasible import layers as feasible_layers
from feasible.keras import ArchiveError, rules_from

FILTERS = {"axis": [0, 1, 2]}
FIRST = {"data_format": "channels_first"}

# Sizes of an input, and layers by class and arguments, constraints among them likewise.
Rows = list[tuple[str, dict[str, Any]]]
STACKS: dict[str, tuple[tuple[int, ...], Rows]] = {
    "dense": (
        (5,),
        [
            (
                "Dense",
                {
                    "units": 6,
                    "activation": "relu",
                    "kernel_constraint": ("MaxNorm", {"max_value": 0.7, "axis": 0}),
                    "bias_constraint": ("NonNeg", {}),
                },
            ),
            (
                "BatchNormalization",
                {"gamma_constraint": ("NonNeg", {}), "beta_constraint": ("NonNeg", {})},
            ),
            ("Activation", {"activation": "tanh"}),
            ("Dropout", {"rate": 0.5}),
            ("Dropout", {"rate": 0.2, "seed": 3}),
            (
                "Dense",
                {
                    "units": 4,
                    "use_bias": False,
                    "kernel_initializer": "he_normal",
                    "kernel_constraint": ("MinMaxNorm", {"min_value": 0.5, "rate": 0.5, "axis": 1}),
                },
            ),
            ("LayerNormalization", {"gamma_constraint": ("MaxNorm", {"axis": []}), "epsilon": 0.1}),
            ("ReLU", {"max_value": 2.0, "negative_slope": 0.1}),
            ("Dense", {"units": 3, "kernel_constraint": ("UnitNorm", {"axis": [0, 1]})}),
            ("Softmax", {}),
        ],
    ),
    "images": (
        (11, 9, 3),
        [
            (
                "Conv2D",
                {
                    "filters": 4,
                    "kernel_size": (3, 2),
                    "strides": (2, 1),
                    "padding": "same",
                    "kernel_constraint": ("MaxNorm", FILTERS),
                    "bias_constraint": ("MaxNorm", {"axis": 0}),
                },
            ),
            ("BatchNormalization", {"momentum": 0.9}),
            (
                "DepthwiseConv2D",
                {
                    "kernel_size": 2,
                    "depth_multiplier": 2,
                    "depthwise_constraint": ("UnitNorm", {"axis": [0, 1]}),
                },
            ),
            ("Conv2D", {"filters": 4, "kernel_size": 2, "groups": 2, "dilation_rate": 2}),
            (
                "SeparableConv2D",
                {
                    "filters": 3,
                    "kernel_size": 2,
                    "activation": "elu",
                    "depthwise_constraint": ("NonNeg", {}),
                    "pointwise_constraint": ("MaxNorm", {"axis": [2]}),
                },
            ),
            (
                "Conv2DTranspose",
                {
                    "filters": 2,
                    "kernel_size": 3,
                    "strides": 2,
                    "output_padding": 1,
                    "kernel_constraint": ("MaxNorm", {"max_value": 1.5, "axis": [0, 1, 3]}),
                },
            ),
            ("MaxPooling2D", {"pool_size": 2, "padding": "same"}),
            ("AveragePooling2D", {"pool_size": (2, 1)}),
            ("Flatten", {}),
            ("Reshape", {"target_shape": (-1, 2)}),
            ("GlobalMaxPooling1D", {}),
        ],
    ),
    "images, channels first": (
        (3, 9, 8),
        [
            (
                "Conv2D",
                {
                    "filters": 4,
                    "kernel_size": 3,
                    "kernel_constraint": ("MaxNorm", FILTERS),
                    **FIRST,
                },
            ),
            ("BatchNormalization", {"axis": 1}),
            ("DepthwiseConv2D", {"kernel_size": 2, **FIRST}),
            ("SeparableConv2D", {"filters": 3, "kernel_size": 2, **FIRST}),
            ("Conv2DTranspose", {"filters": 2, "kernel_size": 3, **FIRST}),
            ("MaxPooling2D", FIRST),
            ("GlobalAveragePooling2D", {"keepdims": True, **FIRST}),
            ("Flatten", FIRST),
        ],
    ),
    "sequences": (
        (12, 3),
        [
            (
                "Conv1D",
                {
                    "filters": 4,
                    "kernel_size": 3,
                    "padding": "causal",
                    "kernel_constraint": ("UnitNorm", {"axis": [0, 1]}),
                },
            ),
            ("DepthwiseConv1D", {"kernel_size": 2, "depthwise_constraint": ("NonNeg", {})}),
            (
                "SeparableConv1D",
                {"filters": 3, "kernel_size": 2, "pointwise_constraint": "non_neg"},
            ),
            ("Conv1DTranspose", {"filters": 2, "kernel_size": 3, "strides": 2}),
            ("AveragePooling1D", {"pool_size": 2}),
            ("MaxPooling1D", {"pool_size": 3, "strides": 1}),
            ("GlobalAveragePooling1D", {}),
        ],
    ),
    "volumes": (
        (5, 6, 5, 2),
        [
            (
                "Conv3D",
                {
                    "filters": 3,
                    "kernel_size": 2,
                    "kernel_constraint": ("MaxNorm", {"axis": [0, 1, 2, 3]}),
                },
            ),
            ("Conv3DTranspose", {"filters": 2, "kernel_size": 2, "kernel_constraint": "non_neg"}),
            ("MaxPooling3D", {}),
            ("AveragePooling3D", {"pool_size": 1}),
            ("GlobalMaxPooling3D", {}),
        ],
    ),
    "words": (
        (7,),
        [
            (
                "Embedding",
                {
                    "input_dim": 10,
                    "output_dim": 4,
                    "embeddings_constraint": ("MaxNorm", {"max_value": 1, "axis": 1}),
                },
            ),
            ("GlobalAveragePooling1D", {}),
            ("Dense", {"units": 2, "trainable": False}),
        ],
    ),
    "words, reversible": (
        (7,),
        [
            (
                "ReversibleEmbedding",
                {
                    "input_dim": 10,
                    "output_dim": 4,
                    "tie_weights": False,
                    "logit_soft_cap": 30.0,
                    "embeddings_constraint": ("UnitNorm", {"axis": 1}),
                },
            ),
            ("GlobalAveragePooling1D", {}),
        ],
    ),
    "parts of transformers": (
        (5, 6),
        [
            (
                "EinsumDense",
                {
                    "equation": "abc,cde->abde",
                    "output_shape": (5, 2, 4),
                    "bias_axes": "de",
                    "activation": "gelu",
                    "kernel_constraint": ("MaxNorm", {"max_value": 0.8, "axis": [0]}),
                    "bias_constraint": ("NonNeg", {}),
                },
            ),
            ("RMSNormalization", {"axis": [-2, -1]}),
            (
                "EinsumDense",
                {
                    "equation": "abde,dec->abc",
                    "output_shape": (5, 6),
                    "kernel_constraint": ("UnitNorm", {"axis": [0, 1]}),
                },
            ),
            (
                "GroupNormalization",
                {
                    "groups": 3,
                    "gamma_constraint": ("MaxNorm", {"axis": []}),
                    "beta_constraint": ("NonNeg", {}),
                },
            ),
            ("PReLU", {"shared_axes": [1], "alpha_constraint": ("NonNeg", {})}),
            ("LeakyReLU", {"negative_slope": 0.2}),
            ("ELU", {"alpha": 0.5}),
            ("EinsumDense", {"equation": "ab...,bc->ac...", "output_shape": 3, "bias_axes": "c"}),
        ],
    ),
    "recurrent": (
        (6, 5),
        [
            (
                "LSTM",
                {
                    "units": 4,
                    "return_sequences": True,
                    "recurrent_activation": "hard_sigmoid",
                    "kernel_constraint": ("MaxNorm", {"max_value": 0.7}),
                    "recurrent_constraint": ("UnitNorm", {}),
                    "bias_constraint": ("NonNeg", {}),
                },
            ),
            (
                "Bidirectional",
                {
                    "layer": (
                        "GRU",
                        {
                            "units": 3,
                            "return_sequences": True,
                            "kernel_constraint": ("MinMaxNorm", {"rate": 0.5}),
                            "bias_constraint": ("MaxNorm", {"axis": []}),
                        },
                    ),
                    "merge_mode": "sum",
                },
            ),
            (
                "Bidirectional",
                {
                    "layer": ("SimpleRNN", {"units": 3, "return_sequences": True}),
                    "backward_layer": (
                        "LSTM",
                        {
                            "units": 3,
                            "go_backwards": True,
                            "return_sequences": True,
                            "recurrent_constraint": ("NonNeg", {}),
                        },
                    ),
                },
            ),
            (
                "TimeDistributed",
                {"layer": ("Dense", {"units": 4, "kernel_constraint": ("UnitNorm", {})})},
            ),
            (
                "RNN",
                {
                    "cell": ("GRUCell", {"units": 3, "kernel_constraint": ("MaxNorm", {})}),
                    "return_sequences": True,
                    "go_backwards": True,
                },
            ),
            (
                "RNN",
                {
                    "cell": [
                        ("LSTMCell", {"units": 4, "recurrent_constraint": ("UnitNorm", {})}),
                        ("SimpleRNNCell", {"units": 2}),
                        ("LSTMCell", {"units": 3}),
                    ],
                    "return_sequences": True,
                },
            ),
            ("GRU", {"units": 2, "reset_after": False, "trainable": False, "dropout": 0.2}),
        ],
    ),
    "films": (
        (3, 6, 5, 2),
        [
            (
                "ConvLSTM2D",
                {
                    "filters": 3,
                    "kernel_size": (3, 2),
                    "return_sequences": True,
                    "kernel_constraint": ("MaxNorm", FILTERS),
                    "recurrent_constraint": ("UnitNorm", FILTERS),
                    "bias_constraint": ("NonNeg", {}),
                },
            ),
            (
                "TimeDistributed",
                {
                    "layer": (
                        "Conv2D",
                        {"filters": 2, "kernel_size": 2, "bias_constraint": "non_neg"},
                    )
                },
            ),
            (
                "Bidirectional",
                {
                    "layer": (
                        "ConvLSTM2D",
                        {
                            "filters": 2,
                            "kernel_size": 2,
                            "padding": "same",
                            "kernel_constraint": ("NonNeg", {}),
                        },
                    )
                },
            ),
        ],
    ),
    "double precision": (
        (3,),
        [
            ("Flatten", {}),
            ("Dense", {"units": 4, "dtype": "float64"}),
            ("BatchNormalization", {"dtype": "float64"}),
            ("ReLU", {"dtype": "float64"}),
            ("Dense", {"units": 2, "dtype": "float32"}),
        ],
    ),
    "half precision": (
        (3,),
        [("Dense", {"units": 4, "dtype": "float16", "kernel_constraint": ("UnitNorm", {})})],
    ),
}


def stack(library: Any, limits: Any, rows: Rows) -> list[Any]:
    """The layers of one library, with its own constraints."""

    def made(argument: str, value: Any) -> Any:
        if argument.endswith("_constraint") and isinstance(value, tuple):
            return getattr(limits, value[0])(**value[1])
        if argument in ("layer", "backward_layer", "cell"):
            found = stack(library, limits, value if isinstance(value, list) else [value])
            return found if isinstance(value, list) else found[0]
        return value

    return [
        getattr(library, name)(**{argument: made(argument, of) for argument, of in given.items()})
        for name, given in rows
    ]


def filled(model: Any) -> Any:
    """The model with weights that are not those it begins with; variances are positive."""
    rng = np.random.default_rng(0)
    model.set_weights([rng.uniform(0.1, 1, weight.shape) for weight in model.get_weights()])
    return model


def ours(name: str) -> feasible.Sequential:
    shape, rows = STACKS[name]
    return filled(
        feasible.Sequential([layers.Input(shape), *stack(layers, constraints, rows)]).eval()
    )


def theirs(name: str) -> keras.Sequential:
    shape, rows = STACKS[name]
    return filled(
        keras.Sequential([keras.Input(shape), *stack(keras.layers, keras.constraints, rows)])
    )


def inputs(name: str) -> np.ndarray:
    rng = np.random.default_rng(1)
    shape = (4, *STACKS[name][0])
    if name.startswith("words"):
        return rng.integers(0, 10, shape)
    return rng.normal(size=shape).astype(np.float32)


def assert_predict_the_same(own: feasible.Sequential, of_keras: Any, name: str) -> None:
    x = inputs(name)
    with torch.no_grad():
        predicted, wanted = own(x), of_keras(x, training=False)
    assert predicted.shape == wanted.shape
    assert predicted.isfinite().all()
    tolerance = 1e-3 if name == "half precision" else 1e-5
    scale = max(1.0, float(wanted.abs().max()))
    torch.testing.assert_close(predicted / scale, wanted / scale, rtol=0, atol=tolerance)


def assert_holds(config: Any, part: Any, where: str = "") -> None:
    """A config of Keras's says whatever one of ours says."""
    if isinstance(part, dict):
        for name, value in part.items():
            # Keras forgets the seed of a SimpleRNN.
            if (name, value) != ("seed", None):
                assert_holds(config[name], value, f"{where}/{name}")
    elif isinstance(part, list):
        assert len(config) == len(part), where
        for index, value in enumerate(part):
            assert_holds(config[index], value, f"{where}/{index}")
    else:
        # Keras keeps the axis of a LayerNormalization as a list once it is built.
        assert config in (part, [part]), where


def member(path: Path, name: str) -> bytes:
    with zipfile.ZipFile(path) as archive:
        return archive.read(name)


def config_of(path: Path) -> Any:
    return json.loads(member(path, "config.json"))


def tree_of(path: Path) -> dict[str, Any]:
    """What is in a file of weights: names of groups, and shapes, dtypes and values of arrays."""
    found: dict[str, Any] = {}

    def visit(name: str, node: Any) -> None:
        is_array = isinstance(node, h5py.Dataset)
        found[name] = (node.dtype, node[()].tolist()) if is_array else dict(node.attrs)

    with h5py.File(io.BytesIO(member(path, "model.weights.h5"))) as root:
        root.visititems(visit)
    return found


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.keras"


@pytest.mark.parametrize("name", STACKS)
def test_keras_opens_ours(name: str, path: Path) -> None:
    model = ours(name)
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert_predict_the_same(model, loaded, name)
    assert [layer.trainable for layer in loaded.layers] == [
        layer.trainable for layer in model.layers
    ]
    # What Keras writes of it is what we wrote.
    again = path.with_name("again.keras")
    loaded.save(again)
    assert tree_of(again) == tree_of(path)
    assert_holds(config_of(again), config_of(path))


@pytest.mark.parametrize("name", STACKS)
def test_we_open_keras_own(name: str, path: Path) -> None:
    model = theirs(name)
    model.save(path)
    loaded = load_model(path)
    assert not loaded.training
    assert_predict_the_same(loaded, model, name)
    again = path.with_name("again.keras")
    loaded.save(again)
    assert tree_of(again) == tree_of(path)
    # Constraints are those that the same arguments make here.
    parts = [
        [part for part in whole.modules() if not isinstance(part, feasible_layers.InputLayer)]
        for whole in (loaded, ours(name))
    ]
    for layer, own in zip(*parts, strict=True):
        assert getattr(layer, "trainable", None) == getattr(own, "trainable", None)
        for argument in dir(type(own)):
            if argument.endswith("_constraint"):
                assert getattr(layer, argument) == getattr(own, argument)


# Layers, the constraint of which argument is over units, and the axes that this means.
UNITS = [
    ("Dense", {"units": 2}, "kernel", (4,), [0]),
    ("Dense", {"units": 2}, "bias", (4,), []),
    ("Conv1D", {"filters": 2, "kernel_size": 2}, "kernel", (5, 4), [0, 1]),
    ("Conv2D", {"filters": 2, "kernel_size": 2}, "kernel", (5, 5, 4), [0, 1, 2]),
    ("Conv3D", {"filters": 2, "kernel_size": 2}, "kernel", (5, 5, 5, 4), [0, 1, 2, 3]),
    ("Conv1DTranspose", {"filters": 2, "kernel_size": 2}, "kernel", (5, 4), [0, 2]),
    ("Conv2DTranspose", {"filters": 2, "kernel_size": 2}, "kernel", (5, 5, 4), [0, 1, 3]),
    ("DepthwiseConv2D", {"kernel_size": 2}, "depthwise", (5, 5, 4), [0, 1]),
    ("SeparableConv2D", {"filters": 2, "kernel_size": 2}, "depthwise", (5, 5, 4), [0, 1]),
    ("SeparableConv2D", {"filters": 2, "kernel_size": 2}, "pointwise", (5, 5, 4), [0, 1, 2]),
    ("Embedding", {"input_dim": 5, "output_dim": 2}, "embeddings", (4,), [1]),
    ("LayerNormalization", {}, "gamma", (4,), []),
    ("LSTM", {"units": 2}, "kernel", (5, 4), [0]),
    ("GRU", {"units": 2}, "recurrent", (5, 4), [0]),
    ("GRU", {"units": 2}, "bias", (5, 4), []),
    ("ConvLSTM1D", {"filters": 2, "kernel_size": 2}, "recurrent", (3, 5, 4), [0, 1]),
    ("GroupNormalization", {"groups": 2}, "gamma", (4,), []),
    ("PReLU", {}, "alpha", (5, 4), []),
    ("ReversibleEmbedding", {"input_dim": 5, "output_dim": 2}, "embeddings", (4,), [1]),
    ("EinsumDense", {"equation": "ab,bc->ac", "output_shape": 2}, "kernel", (4,), [0]),
    (
        "EinsumDense",
        {"equation": "ab,bc->ac", "output_shape": 2, "bias_axes": "c"},
        "bias",
        (4,),
        [],
    ),
    (
        "EinsumDense",
        {"equation": "abc,dbce->ade", "output_shape": (2, 3)},
        "kernel",
        (5, 4),
        [1, 2],
    ),
]


@pytest.mark.parametrize(("name", "arguments", "role", "shape", "axes"), UNITS)
def test_units_are_written_as_the_axes_that_keras_has(
    name: str, arguments: Any, role: str, shape: Any, axes: list[int], path: Path
) -> None:
    argument = f"{role}_constraint"
    limit = constraints.MaxNorm(0.3, axis="unit")
    layer = getattr(layers, name)(**arguments, **{argument: limit})
    model = filled(feasible.Sequential([layers.Input(shape), layer]))
    model.save(path)
    of_keras = getattr(keras.saving.load_model(path).layers[0], argument)
    assert type(of_keras) is keras.constraints.MaxNorm
    assert of_keras.get_config() == {"max_value": 0.3, "axis": axes}
    # It means the same to Keras, up to its inexactness.
    roles = [layout.role for layout, _ in layer.all_weight_views()]
    place = roles.index(next(one for one in roles if one.startswith(role)))
    wanted = of_keras(torch.as_tensor(layer.get_weights()[place]))
    feasible.torch.project(model)
    np.testing.assert_allclose(layer.get_weights()[place], wanted, rtol=1e-5, atol=1e-6)


def nested(library: Any, model: Any) -> Any:
    inner = model([library.Dense(3, activation="relu"), library.Dense(4)], name="inner")
    return filled(
        model([library.Input((5,)), library.Dense(2), inner, library.Dense(2), library.ReLU()])
    )


def test_models_in_models_go_both_ways(path: Path) -> None:
    own, of_keras = nested(layers, feasible.Sequential), nested(keras.layers, keras.Sequential)
    x = np.random.default_rng(0).normal(size=(4, 5)).astype(np.float32)
    own.save(path)
    opened = keras.saving.load_model(path)
    torch.testing.assert_close(opened(x), own(x))
    assert opened.layers[1].name == "inner"
    of_keras.save(path)
    torch.testing.assert_close(load_model(path)(x), of_keras(x))


def eegnet() -> keras.Model:
    """EEGNet (Lawhern et al. 2018), as its authors wrote it, for 4 channels and 64 samples."""
    of_keras, max_norm = keras.layers, keras.constraints.MaxNorm
    inputs = of_keras.Input((4, 64, 1))
    x = of_keras.Conv2D(4, (1, 16), padding="same", use_bias=False)(inputs)
    x = of_keras.BatchNormalization()(x)
    x = of_keras.DepthwiseConv2D(
        (4, 1), use_bias=False, depth_multiplier=2, depthwise_constraint=max_norm(1.0), name="space"
    )(x)
    x = of_keras.BatchNormalization()(x)
    x = of_keras.AveragePooling2D((1, 4))(of_keras.Activation("elu")(x))
    x = of_keras.SeparableConv2D(8, (1, 8), use_bias=False, padding="same")(
        of_keras.Dropout(0.5)(x)
    )
    x = of_keras.BatchNormalization()(x)
    x = of_keras.AveragePooling2D((1, 8))(of_keras.Activation("elu")(x))
    x = of_keras.Flatten()(of_keras.Dropout(0.5)(x))
    x = of_keras.Dense(3, name="dense", kernel_constraint=max_norm(0.25))(x)
    return keras.Model(inputs, of_keras.Activation("softmax")(x))


@pytest.mark.filterwarnings("ignore::UserWarning:keras")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_eegnet_trains_here_with_its_constraints_held_and_goes_back(
    suffix: str, path: Path
) -> None:
    keras.utils.set_random_seed(0)
    rng = np.random.default_rng(0)
    x = rng.normal(size=(32, 4, 64, 1)).astype(np.float32)
    y = np.eye(3, dtype=np.float32)[rng.integers(0, 3, 32)]
    model = eegnet()
    model.compile(keras.optimizers.Adam(0.05), "categorical_crossentropy", metrics=["accuracy"])
    model.fit(x, y, epochs=1, verbose=0)
    model.save(path.with_suffix(suffix))

    loaded = load_model(path.with_suffix(suffix))
    torch.testing.assert_close(loaded(x), model(x, training=False), rtol=0, atol=1e-5)
    torch.manual_seed(0)
    if suffix == ".h5":  # where how a model was compiled is not read
        optimizer = torch.optim.Adam(loaded.parameters(), lr=0.05)
        loaded.compile(optimizer, "categorical_crossentropy")
    loaded.fit(x, y, batch_size=2, epochs=4, verbose=0)
    assert feasible.torch.check(loaded).ok
    for name, bound in (("space", 1.0), ("dense", 0.25)):
        kernel = loaded.get_layer(name).get_weights()[0]
        assert np.linalg.norm(kernel, axis=0).max() == pytest.approx(bound, rel=1e-6)

    loaded.save(path)
    again = keras.saving.load_model(path)
    torch.testing.assert_close(again(x, training=False), loaded.eval()(x), rtol=0, atol=1e-5)
    assert again.get_layer("space").depthwise_constraint.get_config() == {
        "max_value": 1.0,
        "axis": 0,
    }


def block(library: Any) -> Any:
    """A layer of a user's that holds others, written for one library."""

    class Block(library.Layer):  # type: ignore[misc]
        def __init__(self, **arguments: Any) -> None:
            super().__init__(**arguments)
            rules = constraints if library is layers else keras.constraints
            limits = {"kernel_constraint": rules.UnitNorm([0]), "bias_constraint": "non_neg"}
            self.heads = library.MultiHeadAttention(2, 3, use_gate=True, **limits)
            self.groups = library.GroupQueryAttention(4, 4, 2, use_gate=True, **limits)
            self.mix = library.Attention(use_scale=True)
            self.sums = library.AdditiveAttention()

        def build(self, input_shape: Any) -> None:
            both = [input_shape, input_shape]
            if library is layers:
                self.heads.build_once(input_shape)
                self.groups.build_once(input_shape)
                self.mix.build_once(both)
                self.sums.build_once(both)
            else:
                self.heads.build(*both)
                self.groups.build(*both)
                self.mix.build(both)
                self.sums.build(both)
            self.built = True

        def call(self, x: Any) -> Any:
            x = x + self.heads(x, x)
            x = x + self.groups(x, x, use_causal_mask=True)
            return self.sums([x, self.mix([x, x])])

    return Block


def test_layers_in_layers_of_a_users_own_go_both_ways(path: Path) -> None:
    of_keras, own = block(keras.layers), block(layers)
    x = np.random.default_rng(0).normal(size=(4, 5, 6)).astype(np.float32)

    model = filled(keras.Sequential([keras.Input((5, 6)), of_keras(), keras.layers.Dense(2)]))
    model.save(path)
    loaded = load_model(path, custom_objects={"Block": own})
    torch.testing.assert_close(loaded(x), model(x))
    for part in (loaded.layers[0].heads, loaded.layers[0].groups):
        assert part.kernel_constraint == feasible.UnitNorm([0])
        assert part.bias_constraint == feasible.NonNeg()

    again = path.with_name("again.keras")
    loaded.save(again)
    opened = keras.saving.load_model(again, custom_objects={"Block": of_keras})
    torch.testing.assert_close(opened(x), model(x))


def test_bfloat16_goes_to_keras(path: Path) -> None:
    model = filled(feasible.Sequential([layers.Dense(2, dtype="bfloat16", input_shape=(3,))]))
    model.save(path)
    loaded = keras.saving.load_model(path)
    torch.testing.assert_close(loaded.layers[0].kernel.value, model.layers[0].kernel)


def test_a_model_that_keras_built_on_a_batch_takes_others(path: Path) -> None:
    model = keras.Sequential([keras.layers.Dense(2)])
    model(np.zeros((4, 3)))
    model.save(path)
    assert load_model(path)(np.zeros((7, 3), np.float32)).shape == (7, 2)


def test_a_model_that_keras_did_not_build_is_built_by_the_first_input(path: Path) -> None:
    with pytest.warns(UserWarning, match="not yet been built"):
        keras.Sequential([keras.layers.Dense(2, name="only")]).save(path)
    model = load_model(path)
    assert model(np.zeros((7, 3), np.float32)).shape == (7, 2)
    assert model.layers[0].name == "only"


def trained(**arguments: Any) -> keras.Sequential:
    model = keras.Sequential([keras.Input((3,)), keras.layers.Dense(2, activation="softmax")])
    model.compile(**arguments)
    return model


def test_a_model_is_compiled_as_keras_had_it(path: Path) -> None:
    rng = np.random.default_rng(0)
    x, y = rng.normal(size=(32, 3)).astype(np.float32), rng.integers(0, 2, 32)
    model = trained(
        optimizer=keras.optimizers.SGD(0.5, momentum=0.9),
        loss="sparse_categorical_crossentropy",
        metrics=["accuracy", keras.metrics.SparseCategoricalAccuracy()],
    )
    model.fit(x, y, epochs=2, verbose=0)  # the file then holds the optimizer's momenta
    model.save(path)
    loaded = load_model(path)
    values = loaded.evaluate(x, y, verbose=0)
    np.testing.assert_allclose(values, model.evaluate(x, y, verbose=0), rtol=1e-5)
    loaded.train_on_batch(x, y)
    [group] = loaded.optimizer.param_groups
    assert (group["lr"], loaded.optimizer.momentum) == (0.5, 0.9)


@pytest.mark.parametrize(
    ("loss", "y"),
    [
        (keras.losses.CategoricalCrossentropy(from_logits=True), [[0, 1]]),
        (keras.losses.mean_squared_error, [[0, 1]]),
        ("mae", [[0, 1]]),
    ],
    ids=["object", "function", "name"],
)
def test_losses_are_those_of_keras(loss: Any, y: Any, path: Path) -> None:
    x, y = np.ones((1, 3), np.float32), np.array(y, np.float32)
    model = trained(optimizer="adam", loss=loss)
    model.save(path)
    own = load_model(path).evaluate(x, y, verbose=0)
    assert own == pytest.approx(model.evaluate(x, y, verbose=0), rel=1e-5)


# How Keras compiles a model, what is then an attribute of the optimizer here, and its value.
COMPILED = {
    "optimizer": ({"optimizer": "ftrl"}, "name", "ftrl"),
    "argument": ({"optimizer": keras.optimizers.Adam(clipnorm=1.0)}, "clipnorm", 1.0),
    "schedule": (
        # Not of 1, in whose whole numbers Keras takes 3 for pi.
        {"optimizer": keras.optimizers.SGD(keras.optimizers.schedules.CosineDecay(0.5, 9))},
        "learning_rate",
        0.5,
    ),
    "loss": ({"optimizer": "sgd", "loss": keras.losses.Tversky()}, "learning_rate", 0.01),
}


@pytest.mark.parametrize("name", COMPILED)
def test_optimizers_and_losses_are_those_of_keras(name: str, path: Path) -> None:
    arguments, attribute, wanted = COMPILED[name]
    model = trained(**{"loss": "mse", **arguments})
    model.save(path)
    loaded = load_model(path)
    found = getattr(loaded.optimizer, attribute)
    assert found == (wanted if isinstance(wanted, str) else pytest.approx(wanted))
    x, y = np.ones((2, 3), np.float32), np.array([[0, 1], [1, 0]], np.float32)
    for _ in range(2):
        own, theirs = loaded.train_on_batch(x, y), model.train_on_batch(x, y)
    for own, theirs in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_allclose(own, theirs, atol=1e-5)


UNKNOWN_COMPILED = {
    "optimizer": {"optimizer": keras.optimizers.Muon()},
    "loss": {"loss": keras.losses.Circle()},
    "metric": {"metrics": [keras.metrics.Precision(thresholds=0.9)]},
    "weighted": {"weighted_metrics": ["accuracy"], "loss": "mse"},
}


@pytest.mark.parametrize("name", UNKNOWN_COMPILED)
def test_what_cannot_be_compiled_here_says_so(name: str, path: Path) -> None:
    trained(**UNKNOWN_COMPILED[name]).save(path)
    with pytest.raises(ArchiveError, match="Pass compile=False, and compile it yourself"):
        load_model(path)
    assert load_model(path, compile=False).loss is None


@keras.saving.register_keras_serializable(package="peers")
class AtMost(keras.constraints.Constraint):
    """A constraint of a user's, which both libraries call."""

    def __init__(self, bound: float) -> None:
        self.bound = bound

    def __call__(self, w: Any) -> Any:
        return w.clip(max=self.bound)

    def get_config(self) -> dict[str, Any]:
        return {"bound": self.bound}


def test_constraints_of_a_users_own_are_passed_as_custom_objects(path: Path) -> None:
    keras.Sequential(
        [keras.Input((3,)), keras.layers.Dense(2, kernel_constraint=AtMost(0.25))]
    ).save(path)
    with pytest.raises(ArchiveError, match="Unknown constraint 'peers>AtMost'"):
        load_model(path)
    loaded = load_model(path, custom_objects={"AtMost": AtMost})
    assert loaded.layers[0].kernel_constraint.bound == 0.25
    loaded.save(path)
    again = keras.saving.load_model(path, custom_objects={"AtMost": AtMost})
    assert again.layers[0].kernel_constraint.bound == 0.25


def test_constraints_that_keras_lacks_are_registered_with_it(path: Path) -> None:
    radial = feasible.RadialConstraint("mean")
    model = feasible.Sequential(
        [layers.Input((5, 5, 2)), layers.Conv2D(3, 3, kernel_constraint=radial)]
    )
    model.save(path)
    loaded = keras.saving.load_model(path)
    assert loaded.layers[0].kernel_constraint == radial


def branched() -> keras.Model:
    x = keras.Input((3,), name="start")
    side = keras.layers.Dense(3, name="side")(x)
    return keras.Model(x, keras.layers.Add(name="joined")([x, side]))


def regularized() -> keras.Model:
    dense = keras.layers.Dense(2, kernel_regularizer="l2", name="last")
    return keras.Sequential([keras.Input((3,)), dense])


def masked() -> keras.Model:
    return keras.Sequential([keras.Input((3, 2)), keras.layers.Masking(name="masked")])


@pytest.mark.parametrize("make", [branched, regularized, masked])
def test_branches_regularizers_and_masks_come_from_keras(make: Any, path: Path) -> None:
    model = make()
    model.save(path)
    loaded = load_model(path)
    x = np.linspace(-1, 1, 6, dtype=np.float32).reshape(1, *model.input_shape[1:-1], -1)
    x = x if x.shape[1:] == model.input_shape[1:] else x.reshape(2, 3)
    np.testing.assert_allclose(loaded.predict(x, verbose=0), model.predict(x, verbose=0), atol=1e-6)
    own, theirs = (sum(map(float, map(_number, one.losses))) for one in (loaded, model))
    assert own == pytest.approx(theirs, rel=1e-6)


def _number(loss: Any) -> Any:
    return loss.detach()


@keras.saving.register_keras_serializable(package="peers")
class Largest(keras.regularizers.Regularizer):
    """A regularizer of a user's, which Keras alone knows."""

    def __call__(self, x: Any) -> Any:
        return keras.ops.max(x)

    def get_config(self) -> dict[str, Any]:
        return {}


REFUSED = {
    "a regularizer": (
        lambda: keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(2, kernel_regularizer=Largest(), name="last")]
        ),
        "Unknown regularizer 'peers>Largest'",
    ),
    "another layer": (
        lambda: keras.Sequential(
            [keras.Input((3, 2, 1)), keras.layers.RandomContrast(0.1, name="odd")]
        ),
        "the layer 'odd' is a RandomContrast, unknown here",
    ),
    "a lambda": (
        lambda: keras.Sequential([keras.Input((3,)), keras.layers.Lambda(lambda x: 2 * x)]),
        "is a Lambda, unknown here. It holds code, which is never run",
    ),
    "mixed precision": (
        lambda: keras.Sequential(
            [keras.Input((3,)), keras.layers.Dense(2, dtype="mixed_bfloat16")]
        ),
        "`dtype` must be a floating dtype",
    ),
}


@pytest.mark.parametrize("name", REFUSED)
def test_what_is_not_known_here_is_named(name: str, path: Path) -> None:
    make, problem = REFUSED[name]
    make().save(path)
    with pytest.raises(ArchiveError, match=rf"m\.keras: config\.json: .*{problem}"):
        load_model(path)


@pytest.mark.filterwarnings("ignore::UserWarning:keras")
@pytest.mark.parametrize("suffix", [".keras", ".h5"])
def test_code_in_a_file_is_never_run(
    suffix: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    ran, path = Path("ran"), Path(f"m{suffix}")
    code = keras.layers.Lambda(lambda x: __import__("pathlib").Path("ran").touch() or x)
    limited = keras.layers.Dense(2, kernel_constraint="non_neg", name="last")
    keras.Sequential([keras.Input((3,)), code, limited]).save(path)
    ran.unlink()
    with pytest.raises(ArchiveError, match=r"is a Lambda, unknown here\. It holds code"):
        load_model(path)
    assert rules_from(path) == {("last", "kernel"): feasible.NonNeg()}
    assert not ran.exists()
