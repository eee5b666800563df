"""Sequential beside Keras's, and beside torch.nn's."""

from __future__ import annotations

import copy
import io
import pickle

import keras
import numpy as np
import pytest
import torch
from torch import nn

from feasible import MaxNorm, NonNeg, layers, max_norm, ops
from feasible.arguments import InvalidArgumentError
from feasible.constraints import Constraint
from feasible.layers import (
    BatchNormalization,
    Conv2D,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    Input,
    ReLU,
)
from feasible.models import Model, Sequential
from feasible.torch import constraints_of

X = np.random.default_rng(0).normal(size=(6, 5)).astype(np.float32)


def test_names_are_made_as_keras_makes_them():
    model = Sequential([Dense(4), Dense(3, name="middle"), nn.Linear(3, 3), Dense(2), ReLU()])
    assert model.layer_names == ["dense", "middle", "linear", "dense_1", "re_lu"]
    model(X)
    assert list(model.state_dict())[::2] == [
        "dense.weight",
        "middle.weight",
        "linear.weight",
        "dense_1.weight",
    ]
    assert model.get_layer("dense_1") is model.get_layer(index=3) is model[3]
    assert model.get_layer("dense_1").name == "dense_1"
    keras.utils.clear_session()
    theirs = keras.Sequential([keras.layers.Dense(4), keras.layers.Dense(4)])
    assert [layer.name for layer in theirs.layers] == Sequential([Dense(4), Dense(4)]).layer_names


def test_a_name_may_be_one_that_the_class_has():
    model = Sequential([Dense(2, name="fit"), Dense(1, name="summary")])
    model(X)
    assert next(iter(model.state_dict())) == "fit.weight"
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0)
    assert model.get_layer("fit").units == 2


def test_layers_keep_their_names_in_a_model_of_some_of_them():
    model = Sequential([Dense(4), Dense(3), Dense(2)])
    part = model[1:]
    assert isinstance(part, Sequential)
    assert part.layers == model.layers[1:]
    assert len(part) == 2


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: Sequential([Dense(1, name="a"), Dense(1, name="a")]), "names of layers must be"),
        (lambda: Sequential([Dense(1), Dense(1, name="dense")]), "names of layers must be unique"),
        (lambda: Sequential([Dense(1, name="a.b")]), "without a dot"),
        (lambda: Sequential([Dense(1, name="training")]), "none of the model's own attributes"),
        (lambda: Sequential([3]), "`layer` must be a layer"),
        (lambda: Sequential([Dense]), "`layer` must be a layer"),
        (lambda: Sequential([Dense(1), Input((3,))]), "an Input must come first"),
        (lambda: Sequential([Input((3,)), Input((3,))]), "an Input must come first"),
        (lambda: Sequential([Dense(1)]).get_layer("x"), "No layer named 'x'. There are dense"),
        (lambda: Sequential([Dense(1)]).get_layer(index=1), "`index` must be below 1"),
        (lambda: Sequential([Dense(1)]).get_layer(), "pass `name` or `index`"),
        (lambda: Sequential([Dense(1)]).count_params(), "is not built"),
        (lambda: Sequential([Dense(1)]).set_weights([X]), "must be 0 arrays.*not built"),
        (
            lambda: Sequential([Input((5,)), Dense(1)]).set_weights([X, X]),
            r"the weight for dense.weight must have shape \(5, 1\)",
        ),
        (lambda: Sequential([Input((5,)), Conv2D(1, 3)]), "axes"),
    ],
)
def test_errors_say_what_is_allowed(call, message):
    with pytest.raises(ValueError, match=message):
        call()


@pytest.mark.parametrize(
    "first",
    [[Input((5,)), Dense(4)], [Dense(4, input_shape=(5,))], [Dense(4, input_dim=5)]],
    ids=["Input", "input_shape", "input_dim"],
)
def test_parameters_are_made_where_the_input_is_known(first):
    model = Sequential(first)
    model.add(Dense(3))
    assert model.built
    assert model.input_shape == (None, 5)
    assert model.output_shape == (None, 3)
    assert model.count_params() == 5 * 4 + 4 + 4 * 3 + 3
    assert len(list(model.parameters())) == 4


def test_parameters_are_made_at_the_first_input_elsewhere():
    model = Sequential([Dense(4), nn.LazyLinear(3), Dense(2)])
    assert not model.built
    assert model.output_shape is None
    assert model(X).shape == (6, 2)
    assert model.built
    assert model.input_shape == (None, 5)
    model.add(Dense(1))
    assert model.output_shape == (None, 1)


def test_building_goes_through_modules_of_pytorch():
    model = Sequential(
        [
            Input((8, 8, 1)),
            Conv2D(4, 3),
            Flatten(),
            nn.Linear(144, 10),
            nn.BatchNorm1d(10),
            nn.Dropout(),
            Dense(2),
        ]
    )
    assert model.built
    assert model.output_shapes() == [
        (None, 6, 6, 4),
        (None, 144),
        (None, 10),
        (None, 10),
        (None, 10),
        (None, 2),
    ]
    assert model.get_layer("batch_norm1d").num_batches_tracked == 0
    assert all(module.training for module in model.modules())
    embedding = Sequential([Input((7,)), nn.Embedding(10, 3), Flatten(), Dense(1)])
    assert embedding.output_shape == (None, 1)


def test_building_stops_where_sizes_are_not_known():
    model = Sequential([Input((None, 4)), Dense(3), nn.Linear(3, 2), Dense(1)])
    assert model.output_shapes() == [(None, None, 3), None, None]
    assert not model.built
    assert model(np.ones((2, 9, 4), np.float32)).shape == (2, 9, 1)
    assert model.built
    assert model.output_shapes() == [(None, None, 3), None, None]  # 9 is but this batch's


def test_what_a_module_of_pytorch_cannot_take_is_said():
    with pytest.raises(RuntimeError) as caught:
        Sequential([Input((5,)), nn.Linear(4, 3)])
    assert "trying Linear on zeros of shape (2, 5)" in caught.value.__notes__[0]


def test_it_is_a_stack_as_of_torch():
    parts = [Dense(4), ReLU(), Dense(2)]
    model = Sequential(parts)
    assert (len(model), list(model), model[-1]) == (3, parts, parts[-1])
    assert model.pop() is parts[2]
    assert model.layers == parts[:2]
    assert len(list(model.children())) == 2
    with pytest.raises(IndexError):
        Sequential().pop()


def test_one_layer_may_stand_in_several_places():
    shared = Dense(5)
    model = Sequential([shared, ReLU(), shared])
    assert model(X).shape == (6, 5)
    assert len(model) == 3
    assert len(model.get_weights()) == 2
    assert model.pop() is shared
    assert model.layers[0] is shared
    assert model.get_layer("dense") is shared


def test_models_are_layers():
    inner = Sequential([Dense(4, kernel_constraint="max_norm"), Dense(3)], name="inner")
    model = Sequential([Input((5,)), inner, Dense(1)])
    assert model.output_shapes() == [(None, 3), (None, 1)]
    assert list(constraints_of(model)) == ["inner.dense.weight"]
    weights = model.get_weights()
    assert [weight.shape for weight in weights] == [(5, 4), (4,), (4, 3), (3,), (3, 1), (1,)]
    inner.trainable = False
    model.compile("sgd", "mse")
    model.fit(X, X[:, :1], verbose=0)
    np.testing.assert_array_equal(model.get_weights()[2], weights[2])


def test_weights_are_those_of_keras_in_its_order():
    ours = Sequential(
        [
            Input((12,), dtype="int32"),
            Embedding(20, 6),
            Dense(4),
            BatchNormalization(),
            Dropout(0.5),
            Flatten(),
            Dense(2, use_bias=False),
        ]
    )
    theirs = keras.Sequential(
        [
            keras.Input((12,), dtype="int32"),
            keras.layers.Embedding(20, 6),
            keras.layers.Dense(4),
            keras.layers.BatchNormalization(),
            keras.layers.Dropout(0.5),
            keras.layers.Flatten(),
            keras.layers.Dense(2, use_bias=False),
        ]
    )
    rng = np.random.default_rng(0)
    weights = [rng.uniform(0.5, 1, size=weight.shape) for weight in theirs.get_weights()]
    ours.set_weights(weights)
    theirs.set_weights(weights)
    for own, given in zip(ours.get_weights(), theirs.get_weights(), strict=True):
        np.testing.assert_array_equal(own, given)
    assert ours.count_params() == theirs.count_params()
    x = rng.integers(0, 20, size=(3, 12))
    np.testing.assert_allclose(ours.predict(x, verbose=0), theirs.predict(x, verbose=0), rtol=1e-5)


def test_weights_of_pytorch_modules_are_in_keras_layout():
    model = Sequential([nn.Conv2d(2, 4, 3), nn.Flatten(), nn.Linear(16, 3), nn.BatchNorm1d(3)])
    shapes = [weight.shape for weight in model.get_weights()]
    assert shapes == [(3, 3, 2, 4), (4,), (16, 3), (3,), (3,), (3,), (3,), (3,)]
    model.set_weights([2 * weight for weight in model.get_weights()])


def test_wrong_weights_change_nothing():
    model = Sequential([Input((5,)), Dense(4), Dense(3)])
    before = model.get_weights()
    with pytest.raises(ValueError, match="the weight for dense_1"):
        model.set_weights([before[0] + 1, before[1], before[1], before[3]])
    for own, wanted in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, wanted)


def trained() -> Sequential:
    torch.manual_seed(0)
    model = Sequential([Dense(4, kernel_constraint=MaxNorm(0.3)), nn.ReLU(), Dense(1)])
    model.compile("adam", "mse", metrics=["mae"])
    model.fit(X, X[:, :1], verbose=0)
    model.train_on_batch(X, X[:, :1])
    return model


def stored(model):
    file = io.BytesIO()
    torch.save(model, file)
    file.seek(0)
    return torch.load(file, weights_only=False)


@pytest.mark.parametrize(
    "copied", [copy.deepcopy, lambda model: pickle.loads(pickle.dumps(model)), stored]
)
def test_copies_train_on_by_themselves(copied):
    model = trained()
    twin = copied(model)
    before = model.get_weights()
    for own, given in zip(twin.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, given)
    history = twin.fit(X, X[:, :1], epochs=3, shuffle=False, verbose=0)
    for own, given in zip(model.get_weights(), before, strict=True):
        np.testing.assert_array_equal(own, given)
    again = model.fit(X, X[:, :1], epochs=3, shuffle=False, verbose=0)
    assert history.history == again.history  # the optimizer's state came along
    bound = constraints_of(twin)["dense.weight"]
    assert bound.constraint.violations(bound.view).max() == 0
    assert float(bound.view.norm(dim=0).max()) == pytest.approx(0.3)


def test_trainable_goes_for_all_layers():
    model = Sequential([Dense(4), nn.Linear(4, 4), Dense(1)], trainable=False)
    model(X)
    assert not model.trainable
    assert not any(parameter.requires_grad for parameter in model.parameters())
    model.trainable = True
    assert all(parameter.requires_grad for parameter in model.parameters())
    frozen = Sequential([Dense(4, trainable=False), Dense(1)])
    frozen(X)
    assert [parameter.requires_grad for parameter in frozen.parameters()] == [False] * 2 + [
        True
    ] * 2


def test_the_snippets_of_the_pages_run():
    class CenterAround(Constraint):
        """Constrains weight tensors to be centered around `ref_value`."""

        def __init__(self, ref_value):
            self.ref_value = ref_value

        def __call__(self, w):
            mean = ops.mean(w)
            return w - mean + self.ref_value

        def get_config(self):
            return {"ref_value": self.ref_value}

    class NonNegative(Constraint):
        def __call__(self, w):
            return w * ops.cast(ops.greater_equal(w, 0.0), dtype=w.dtype)

    model = Sequential()
    model.add(Dense(64, kernel_constraint=max_norm(2.0)))
    model.add(layers.Dense(4, kernel_constraint=NonNegative()))
    model.add(Dense(1, kernel_constraint=CenterAround(0.5), bias_constraint=NonNeg()))
    model.compile("adam", "mse")
    model.fit(X, X[:, :1], epochs=3, verbose=0)
    first, second, third = (model[place].kernel.detach() for place in range(3))
    assert float(first.norm(dim=0).max()) <= 2 + 1e-6
    assert float(second.min()) >= 0
    assert float(third.mean()) == pytest.approx(0.5, abs=1e-6)
    assert float(model[2].bias.detach().min()) >= 0


def test_a_model_of_ones_own_lists_its_layers():
    class Net(Model):
        def __init__(self):
            super().__init__()
            self.hidden = Dense(3)
            self.out = nn.Linear(3, 1)

        def forward(self, x):
            return self.out(torch.relu(self.hidden(x)))

    model = Net()
    assert model.name == "net"
    assert model.layer_names == ["hidden", "out"]
    assert model.get_layer("hidden") is model.hidden
    model(torch.tensor(X))
    assert model.output_shapes() == [(None, 3), None]
    assert [weight.shape for weight in model.get_weights()] == [(5, 3), (3,), (3, 1), (1,)]


@pytest.mark.parametrize("name", ["layers", "loss", "metrics", "built"])
def test_attributes_that_tell_of_a_model_cannot_be_replaced(name):
    with pytest.raises(AttributeError, match=f"`own_{name}`"):
        setattr(Model(), name, nn.ModuleList())


def test_a_layer_of_keras_itself_with_a_constraint_is_refused() -> None:
    free = keras.layers.Dense(2)
    assert Sequential([free]).layers == [free]
    with pytest.raises(InvalidArgumentError, match=r"kernel_constraint of a Dense of Keras itself"):
        Sequential([keras.layers.Dense(2, kernel_constraint="max_norm")])
    with pytest.raises(InvalidArgumentError, match=r"feasible\.layers\.LSTMCell takes the same"):
        Sequential([keras.layers.LSTM(2, recurrent_constraint="max_norm")])
