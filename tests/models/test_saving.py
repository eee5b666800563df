"""Models come back from a file as they went, or not at all."""

from __future__ import annotations

import copy
import functools
import json
import operator
import sys
import tracemalloc
import zipfile
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st

import feasible
from feasible import InvalidArgumentError, MaxNorm, MinMaxNorm, NonNeg, Sequential, UnitNorm
from feasible.keras import ArchiveError, rules_from, write_archive
from feasible.layers import (
    LSTM,
    RNN,
    BatchNormalization,
    Bidirectional,
    Conv2D,
    Conv2DTranspose,
    Dense,
    Dropout,
    Embedding,
    Flatten,
    GlobalMaxPooling1D,
    GRUCell,
    Input,
    LayerNormalization,
    SeparableConv2D,
)
from feasible.models import load_model
from feasible.models.model_config import model_config


def images() -> Sequential:
    """A model with a constraint over units of every kind."""
    torch.manual_seed(0)
    return Sequential(
        [
            Input((6, 5, 2)),
            Conv2D(3, 2, kernel_constraint=MaxNorm(0.3, axis="unit"), name="first"),
            BatchNormalization(gamma_constraint=NonNeg()),
            SeparableConv2D(
                4,
                2,
                depthwise_constraint=UnitNorm(axis="unit"),
                pointwise_constraint=MaxNorm(axis="unit"),
                activation="relu",
            ),
            Dropout(0.5, seed=1),
            Conv2DTranspose(3, 2, kernel_constraint=MinMaxNorm(0.5, 1, 0.5, axis="unit")),
            LayerNormalization(trainable=False),
            Sequential([Flatten(), Dense(4, activation="tanh")], name="inner"),
            Dense(2, bias_constraint=MaxNorm(1, axis="unit"), kernel_initializer="he_normal"),
        ],
        name="images",
    )


def words() -> Sequential:
    torch.manual_seed(0)
    return Sequential(
        [
            Embedding(7, 3, embeddings_constraint=MaxNorm(axis="unit"), input_shape=(5,)),
            GlobalMaxPooling1D(),
            Dense(2, use_bias=False, bias_constraint=MaxNorm(axis="unit"), dtype="bfloat16"),
        ]
    )


INPUTS = {
    images: np.random.default_rng(0).normal(size=(3, 6, 5, 2)).astype(np.float32),
    words: np.array([[0, 1, 2, 6, 5]]),
}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "m.keras"


def files(path: Path) -> list[str]:
    return sorted(file.name for file in path.parent.iterdir())


@pytest.mark.parametrize("make", INPUTS)
def test_a_model_comes_back_bit_for_bit(make: Callable[[], Sequential], path: Path) -> None:
    model = make()
    model(INPUTS[make])  # in training, which moves averages
    model.save(path)
    loaded = load_model(str(path))
    assert not loaded.training
    torch.testing.assert_close(loaded(INPUTS[make]), model.eval()(INPUTS[make]), rtol=0, atol=0)
    assert (loaded.name, loaded.layer_names) == (model.name, model.layer_names)
    assert loaded.input_shape == model.input_shape
    assert list(loaded.state_dict()) == list(model.state_dict())
    assert [parameter.requires_grad for parameter in loaded.parameters()] == [
        parameter.requires_grad for parameter in model.parameters()
    ]


@pytest.mark.parametrize("make", INPUTS)
def test_constraints_come_back_and_act_the_same(make: Callable[[], Sequential], path: Path) -> None:
    model = make()
    model.save(path)
    loaded = load_model(path)
    bounds, of_loaded = (feasible.torch.constraints_of(one) for one in (model, loaded))
    assert len(bounds) >= 1
    assert {name: bound.constraint for name, bound in of_loaded.items()} == {
        name: bound.constraint for name, bound in bounds.items()
    }
    assert not any("unit" in repr(bound.declared) for bound in of_loaded.values())


def test_arguments_come_back(path: Path) -> None:
    model = images()
    model.save(path)
    for pair in zip(load_model(path).layers, model.layers, strict=True):
        if not isinstance(pair[0], Sequential):
            loaded, saved = (
                {
                    name: value
                    for name, value in layer.get_config().items()
                    if name != "dtype" and not name.endswith("_constraint")
                }
                for layer in pair
            )
            assert loaded == saved


def test_what_was_loaded_can_be_trained_and_saved(path: Path) -> None:
    saved = images()
    saved.save(path)
    models = [saved, load_model(path)]
    for model in models:
        torch.manual_seed(0)
        model.compile("sgd", "mse")
        model.train_on_batch(INPUTS[images], np.ones((3, 2), np.float32))
    models[1].save(path)
    before, after = images().get_weights(), saved.get_weights()
    assert any((own != given_weight).any() for own, given_weight in zip(before, after, strict=True))
    for model in (models[1], load_model(path)):
        torch.testing.assert_close(model.get_weights(), after, rtol=0, atol=0)


def test_seeds_of_dropout_begin_anew(path: Path) -> None:
    model = Sequential([Dropout(0.5, seed=3), Dense(2, input_shape=(4,))])
    first = model(np.ones((2, 4), np.float32))
    model.save(path)
    torch.testing.assert_close(load_model(path).train()(np.ones((2, 4), np.float32)), first)


def test_numbers_in_another_order_of_bytes_are_read(path: Path) -> None:
    model = Sequential([Dense(2, input_shape=(3,))])
    swapped = [weight.astype(">f4") for weight in model.get_weights()]
    with path.open("wb") as file:
        config = model_config(model)
        write_archive(file, config, {"layers/dense": swapped}, {"layers/dense": "dense"})
    for own, given_weight in zip(load_model(path).get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(own, given_weight)


@pytest.mark.parametrize("place", ["zipfile.ZipFile.writestr", "os.fsync", "os.replace"])
def test_the_old_file_stays_if_saving_fails_halfway(
    place: str, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    images().save(path)
    before = path.read_bytes()
    original = zipfile.ZipFile.writestr

    def fail(*args: Any, **kwargs: Any) -> None:
        if place == "zipfile.ZipFile.writestr" and args[1] != "model.weights.h5":
            return original(*args, **kwargs)
        raise OSError("disk full")

    monkeypatch.setattr(place, fail)
    monkeypatch.setattr(Path, "replace", fail) if place == "os.replace" else None
    with pytest.raises(OSError, match="disk full"):
        words().save(path)
    assert path.read_bytes() == before
    assert files(path) == ["m.keras"]


@feasible.constraints.register(package="test_saving")
class AtMost(feasible.Constraint):
    def __init__(self, bound: float) -> None:
        self.bound = bound

    def __call__(self, w: Any) -> Any:
        return w.clip(max=self.bound)

    def get_config(self) -> dict[str, Any]:
        return {"bound": self.bound}


class Undescribed(feasible.Constraint):
    """Its argument cannot be found again: it is kept under another name."""

    def __init__(self, bound: float) -> None:
        self.largest = bound

    def __call__(self, w: Any) -> Any:
        return w.clip(max=self.largest)


class AtLeast(AtMost):
    def __call__(self, w: Any) -> Any:
        return w.clip(min=self.bound)


@feasible.constraints.register(package="test_saving")
def halve(w: Any) -> Any:
    return w / 2


def constrained(constraint: Any) -> Sequential:
    return Sequential([Dense(2, kernel_constraint=constraint, input_shape=(3,))])


def test_constraints_that_keras_lacks_come_back(path: Path) -> None:
    radial = feasible.RadialConstraint("mean", metric="euclidean")
    Sequential([Input((5, 5, 2)), Conv2D(3, 3, kernel_constraint=radial)]).save(path)
    assert load_model(path).layers[0].kernel_constraint == radial


@pytest.mark.parametrize("constraint", [AtMost(0.5), halve])
def test_registered_constraints_come_back(constraint: Any, path: Path) -> None:
    constrained(constraint).save(path)
    assert load_model(path).layers[0].kernel_constraint == constraint


def test_other_constraints_are_passed_as_custom_objects(path: Path) -> None:
    constrained(AtLeast(0.5)).save(path)
    with pytest.raises(ArchiveError, match=r"custom_objects=\{'AtLeast': \.\.\.\}"):
        load_model(path)
    loaded = load_model(path, custom_objects={"AtLeast": AtLeast})
    assert loaded.layers[0].kernel_constraint == AtLeast(0.5)


def in_both_directions(constraint: Any) -> Sequential:
    recurrent = LSTM(2, kernel_constraint=constraint, recurrent_constraint=constraint)
    return Sequential([Input((4, 3)), Bidirectional(recurrent)])


@pytest.mark.parametrize("constraint", [AtMost(0.5), halve, AtLeast(0.5)])
def test_constraints_in_both_directions_come_back(constraint: Any, path: Path) -> None:
    model = in_both_directions(constraint)
    model.save(path)
    if type(constraint) is AtLeast:
        with pytest.raises(ArchiveError, match=r"custom_objects=\{'AtLeast': \.\.\.\}"):
            load_model(path)
    loaded = load_model(path, custom_objects={"AtLeast": AtLeast})
    for direction in (loaded.layers[0].forward_layer, loaded.layers[0].backward_layer):
        assert direction.kernel_constraint == constraint
        assert direction.cell.recurrent_constraint == constraint
    for own, saved in zip(loaded.get_weights(), model.get_weights(), strict=True):
        np.testing.assert_array_equal(own, saved)


class Sums(feasible.layers.Layer):
    """A cell of a user's, without weights."""

    state_size = 3

    def call(self, inputs: torch.Tensor, states: list[torch.Tensor]) -> Any:
        return inputs + states[0], [inputs + states[0]]


def test_a_cell_of_a_users_own_comes_back(path: Path) -> None:
    Sequential([Input((4, 3)), RNN([Sums(), GRUCell(2, bias_constraint="non_neg")])]).save(path)
    with pytest.raises(ArchiveError, match=r"is a Sums, unknown here.*custom_objects=\{'Sums'"):
        load_model(path)
    cells = load_model(path, custom_objects={"Sums": Sums}).layers[0].cell.cells
    assert [type(cell) for cell in cells] == [Sums, GRUCell]
    assert cells[1].bias_constraint == feasible.NonNeg()


def test_states_are_kept_for_batches_of_one_size(path: Path) -> None:
    Sequential([Input(batch_shape=(2, 4, 3)), LSTM(2, stateful=True)]).save(path)
    assert load_model(path).input_shape == (2, 4, 3)


class Scale(feasible.layers.Layer):
    """A layer of a user's, with an argument and without weights."""

    def __init__(self, factor: float, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.factor = factor

    def call(self, inputs: torch.Tensor) -> torch.Tensor:
        return self.factor * inputs


def twice(x: Any) -> Any:
    return 2 * x


def test_layers_and_functions_of_a_users_own_come_back(path: Path) -> None:
    feasible.layers.activations.register(package="test_saving")(twice)
    model = Sequential([Scale(3.0, input_shape=(2,)), Dense(2, activation=twice)])
    model.save(path)
    with pytest.raises(ArchiveError, match=r"is a Scale, unknown here.*custom_objects=\{'Scale'"):
        load_model(path)
    loaded = load_model(path, custom_objects={"Scale": Scale})
    assert loaded.layers[0].factor == 3.0
    assert loaded.layers[1].activation is twice


def parametrized() -> Sequential:
    model = constrained(None)
    torch.nn.utils.parametrizations.weight_norm(model.layers[0])
    return model


def with_native_axes(model: Sequential | None = None) -> Sequential:
    model = model or constrained(None)
    feasible.torch.constrain(model, kernel=MaxNorm(axis=0), layout="native")
    return model


def with_one_layer_twice() -> Sequential:
    layer = Dense(3)
    return Sequential([Input((3,)), layer, layer])


class Own(feasible.Model):
    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return x


class Subclass(Sequential):
    """Code that a file does not hold."""


UNSAVABLE: dict[str, tuple[Callable[[], Any], str]] = {
    "a lambda": (lambda: constrained(lambda w: w), "dense: .*register"),
    "a lambda in both directions": (
        lambda: in_both_directions(lambda w: w),
        "bidirectional: forward_lstm: .*register",
    ),
    "axes as they are stored, in a cell": (
        lambda: with_native_axes(Sequential([Input((4, 3)), LSTM(2)])),
        "lstm: Keras has no argument for .*MaxNorm",
    ),
    "a constraint without a config": (
        lambda: constrained(Undescribed(1)),
        "dense: .*get_config",
    ),
    "another activation": (
        lambda: Sequential([Dense(2, activation=lambda x: x, input_shape=(3,))]),
        "dense: .*register",
    ),
    "another module": (
        lambda: Sequential([Input((3,)), torch.nn.Linear(3, 2)]),
        "A Linear cannot be saved as Keras saves layers.*save_weights",
    ),
    "a parametrized weight": (parametrized, "dense: Keras would not know its parametrizations"),
    "axes as they are stored": (with_native_axes, "dense: Keras has no argument for .*MaxNorm"),
    "one layer twice": (with_one_layer_twice, "a layer stands in several places"),
    "a model of one's own": (Own, "A Own cannot be saved as a Keras archive.*save_weights"),
    "a subclass": (lambda: Subclass([Dense(2, input_shape=(3,))]), "A Subclass cannot be saved"),
    "no sizes": (lambda: Sequential([Dense(2)]), r"Call the model on an input first\. .*dense"),
    "no layers": (Sequential, "only a built Sequential and a Model"),
}


@pytest.mark.parametrize("name", UNSAVABLE)
def test_what_could_not_be_loaded_is_not_saved(name: str, path: Path) -> None:
    make, problem = UNSAVABLE[name]
    with pytest.raises(ValueError, match=problem):
        make().save(path)
    assert files(path) == []


@pytest.mark.parametrize("name", ["m.h5", "m", "m.keras.zip"])
def test_the_suffix_says_what_the_file_is(name: str, path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match=r"`path` must be one that ends in \.keras"):
        words().save(path.with_name(name))
    assert files(path) == []


def test_the_folder_must_exist(path: Path) -> None:
    with pytest.raises(InvalidArgumentError, match="in a folder that exists"):
        words().save(path.parent / "missing" / path.name)


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("saved") / "m.keras"
    images().save(path)
    return path


def config_in(saved: Path) -> Any:
    with zipfile.ZipFile(saved) as archive:
        return json.loads(archive.read("config.json"))


def load_changed(saved: Path, config: Any, path: Path) -> Sequential:
    """Load what was saved, with another config."""
    with zipfile.ZipFile(saved) as archive, zipfile.ZipFile(path, "w") as changed:
        changed.writestr("config.json", json.dumps(config))
        changed.writestr("model.weights.h5", archive.read("model.weights.h5"))
    return load_model(path)


def dense_entry(config: Any) -> dict[str, Any]:
    return config["config"]["layers"][-1]


def change(**arguments: Any) -> Callable[[Any], Any]:
    return lambda config: dense_entry(config)["config"].update(arguments)


def change_entry(**items: Any) -> Callable[[Any], Any]:
    return lambda config: dense_entry(config).update(items)


def change_model(**arguments: Any) -> Callable[[Any], Any]:
    return lambda config: config["config"].update(arguments)


def of_function(name: str) -> dict[str, Any]:
    return {"module": "os", "class_name": "function", "config": name, "registered_name": name}


LAMBDA = {"class_name": "__lambda__", "config": {"value": "4wEAAAA="}}
TEXTS = {"class_name": "__numpy__", "config": {"value": "a", "dtype": f"U{10**8}"}}
# What is changed in the config, and what is said of it.
HOSTILE: dict[str, tuple[Callable[[Any], Any], str]] = {
    "huge": (change(units=2**50), rf"dense: its kernel must have shape \(4, {2**50}\)"),
    "beyond huge": (change(units=10**30), "cannot be built"),
    "negative": (change(units=-1), "the Dense 'dense': .*`units` must be an integer"),
    "no number": (change(units="many"), "the Dense 'dense': .*`units` must be an integer"),
    "another size": (change(units=3), r"its kernel must have shape \(4, 3\)"),
    "no bias": (change(use_bias=False), r"it must have 1 weights \(kernel\)"),
    "another dtype": (change(dtype="float16"), "and dtype float16, and has .* float32"),
    "an unknown argument": (change(unit=3), "no argument `unit`. Did you mean `units`"),
    "a regularizer": (change(kernel_regularizer={"class_name": "L7"}), "Unknown regularizer .L7."),
    "another layer": (change_entry(class_name="Dens"), "is a Dens, unknown .* mean 'Dense"),
    "a layer of another module": (change_entry(module="this"), "is a Dense, unknown"),
    "a function as a layer": (change_entry(class_name="system", module="os"), "is a system"),
    "a lambda as a layer": (change_entry(class_name="Lambda"), "holds code, which is never run"),
    "a registered layer": (change_entry(registered_name="this>Dense"), "is a Dense, unknown"),
    "a lambda as an activation": (change(activation=LAMBDA), "code, which is never run"),
    "a function as an activation": (change(activation=of_function("abort")), "activation 'abort'"),
    "a module as an activation": (
        change(activation={"class_name": "Popen", "module": "subprocess", "config": {}}),
        "activation 'Popen'",
    ),
    "a lambda as a constraint": (change(kernel_constraint=LAMBDA), "code, which is never run"),
    "a function as a constraint": (
        change(kernel_constraint=of_function("abort")),
        "constraint 'abort'",
    ),
    "an axis that is none": (
        change(kernel_constraint={"class_name": "MaxNorm", "config": {"axis": 7}}),
        "axis=7",
    ),
    "a huge text": (
        change(bias_initializer={"class_name": "Constant", "config": {"value": TEXTS}}),
        "array of 'U100000000' is none",
    ),
    "an initial value of another shape": (
        change(bias_initializer={"class_name": "Constant", "config": {"value": [1.0, 2.0, 3.0]}}),
        "cannot be built: .*shape",
    ),
    "a name with a slash": (change(name="../dense"), "`name` must be a string without slashes"),
    "a name that is taken": (change(name="first"), "names of layers must be unique"),
    "no layers": (change_model(layers=None), "must be a Sequential, .* with its layers"),
    "no layer": (change_model(layers=[1]), "each layer must be a dict with a class_name"),
    "too many layers": (change_model(layers=[{}] * 3000), "3000 layers, more than the 2048"),
    "a huge input": (
        lambda config: config["config"]["layers"][0]["config"].update(batch_shape=[None, 2**60]),
        "cannot be built",
    ),
    "an input of texts": (
        lambda config: config["config"]["layers"][0]["config"].update(batch_shape=["a"]),
        "the InputLayer 'input_layer': .*`batch_shape` must be an integer",
    ),
    "a functional model": (
        lambda config: config.update(class_name="Functional"),
        "its inputs and outputs must be listed",
    ),
    "an odd way to compile": (
        lambda config: config.update(compile_config={"optimizer": "this"}),
        "cannot be compiled as it was .* Pass compile=False",
    ),
    "no way to compile": (lambda config: config.update(compile_config=[1]), "Pass compile=False"),
}


@pytest.mark.parametrize("name", HOSTILE)
def test_hostile_configs_are_refused(name: str, saved: Path, path: Path) -> None:
    how, problem = HOSTILE[name]
    config = config_in(saved)
    how(config)
    with pytest.raises(ArchiveError, match=rf"(?s)m\.keras.*{problem}"):
        load_changed(saved, config, path)
    assert "this" not in sys.modules


def test_what_a_config_implies_is_checked_before_memory_is_taken(
    saved: Path, path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = config_in(saved)
    change(units=10**6)(config)
    made = []
    empty = torch.empty
    monkeypatch.setattr(torch, "empty", lambda *a, **k: made.append(empty(*a, **k)) or made[-1])
    with pytest.raises(ArchiveError, match=r"must have shape \(4, 1000000\)"):
        load_changed(saved, config, path)
    assert {tensor.device.type for tensor in made} == {"meta"}


def test_a_text_in_place_of_numbers_takes_no_memory(saved: Path, path: Path) -> None:
    config = config_in(saved)
    change(bias_initializer={"class_name": "Constant", "config": {"value": TEXTS}})(config)
    tracemalloc.start()
    try:
        with pytest.raises(ArchiveError, match="array of 'U100000000' is none"):
            load_changed(saved, config, path)
        assert tracemalloc.get_traced_memory()[1] < 2**25
    finally:
        tracemalloc.stop()


def test_random_numbers_are_drawn_only_once(saved: Path) -> None:
    torch.manual_seed(0)
    images()
    drawn = torch.rand(1)
    torch.manual_seed(0)
    load_model(saved)
    assert torch.rand(1) == drawn


def test_a_doubtful_constraint_is_warned_of_once(path: Path) -> None:
    with pytest.warns(UserWarning, match="norms along axis 0 only"):
        model = Sequential([Input((5, 5, 2)), Conv2D(3, 2, kernel_constraint=MaxNorm(axis=0))])
    model.save(path)
    with pytest.warns(UserWarning, match="norms along axis 0 only") as caught:
        load_model(path)
    assert len(caught) == 1


def places(node: Any, place: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Paths to everything in a config."""
    if isinstance(node, dict | list):
        for name, child in node.items() if isinstance(node, dict) else enumerate(node):
            yield (*place, name)
            yield from places(child, (*place, name))


leaves = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(-3, 5),
    st.sampled_from([2**31, 2**63, 10**30, 10**400, -(2**63)]),
    st.floats(),
    st.sampled_from(["", "Dense", "relu", "MaxNorm", "float32", "channels_first", "\ud800", "/"]),
    st.text(max_size=5),
)
values = st.recursive(
    leaves,
    lambda inner: st.one_of(
        st.lists(inner, max_size=3),
        st.dictionaries(st.sampled_from(["class_name", "config", "module"]), inner, max_size=3),
    ),
    max_leaves=6,
)


fractions = st.floats(0, 1, exclude_max=True)
mutations = st.tuples(fractions, st.sampled_from(["replace", "remove", "repeat"]), values)


@settings(max_examples=300)
@given(st.lists(mutations, min_size=1, max_size=3))
def test_any_config_loads_or_is_an_archive_error(
    tmp_path_factory: pytest.TempPathFactory, saved: Path, changes: list[Any]
) -> None:
    config = config_in(saved)
    for where, how, value in changes:
        found = [*places(config)]
        *parents, last = found[int(where * len(found))]
        node = functools.reduce(operator.getitem, parents, config)
        if how == "repeat" and isinstance(node, list):
            node.insert(last, copy.deepcopy(node[last]))
        elif how == "remove":
            del node[last]
        else:
            node[last] = copy.deepcopy(value)
    path = tmp_path_factory.getbasetemp() / "changed.keras"
    with suppress(ArchiveError):
        assert isinstance(load_changed(saved, config, path), Sequential)
    with suppress(ArchiveError):
        assert isinstance(rules_from(path), dict)
