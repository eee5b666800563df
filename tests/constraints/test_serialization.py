from __future__ import annotations

import functools
import json
from typing import Any

import numpy as np
import pytest

from feasible.arguments import InvalidArgumentError
from feasible.constraints import (
    Constraint,
    MaxNorm,
    MinMaxNorm,
    NonNeg,
    NormConstraint,
    RadialConstraint,
    UnitNorm,
    deserialize,
    get,
    register,
    serialize,
)
from feasible.constraints.names import CONSTRAINTS


@pytest.fixture(autouse=True)
def _empty_registry(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CONSTRAINTS, "_registered", {})
    monkeypatch.setattr(CONSTRAINTS, "_written", dict(CONSTRAINTS._written))


class CenterAround(Constraint):
    """As on the Keras page."""

    def __init__(self, ref_value: Any) -> None:
        self.ref_value = ref_value

    def __call__(self, w: Any) -> Any:
        return w - w.mean() + self.ref_value

    def get_config(self) -> dict[str, Any]:
        return {"ref_value": self.ref_value}


class Undescribed(Constraint):
    def __init__(self, bound: float) -> None:
        self.largest = bound


class Elsewhere:
    """A class of another library, that serves as a constraint."""

    def __call__(self, w: Any) -> Any:
        return w

    def get_config(self) -> dict[str, Any]:
        return {}


def halve(w: Any) -> Any:
    return w / 2


NAMES = {
    Constraint: ["Constraint", "constraint"],
    MaxNorm: ["MaxNorm", "max_norm", "maxnorm"],
    MinMaxNorm: ["MinMaxNorm", "min_max_norm", "minmaxnorm"],
    NonNeg: ["NonNeg", "non_neg", "nonneg"],
    UnitNorm: ["UnitNorm", "unit_norm", "unitnorm"],
    RadialConstraint: ["RadialConstraint", "radial_constraint", "radialconstraint"],
}


@pytest.mark.parametrize(("kind", "name"), [(k, name) for k in NAMES for name in NAMES[k]])
def test_every_name_of_keras(kind: type, name: str) -> None:
    for found in (get(name), deserialize(name), get({"class_name": name, "config": {}})):
        assert found == kind()


def test_get_returns_what_is_a_constraint_already() -> None:
    assert get(None) is None
    constraint = MaxNorm(3)
    assert get(constraint) is constraint
    assert get(halve) is halve
    partial = functools.partial(np.clip, min=0)
    assert get(partial) is partial


def test_get_makes_an_instance_of_a_class() -> None:
    assert get(UnitNorm) == UnitNorm()
    assert isinstance(get(Elsewhere), Elsewhere)
    with pytest.raises(ValueError, match="CenterAround: missing a required argument: 'ref_value'"):
        get(CenterAround)


@pytest.mark.parametrize(
    "identifier", [2, 2.0, [MaxNorm()], (), b"max_norm", json.JSONDecoder, object()]
)
def test_get_of_what_is_no_constraint(identifier: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="get: "):
        get(identifier)


@pytest.mark.parametrize(
    ("name", "near"),
    [
        ("max_nrom", "Did you mean 'MaxNorm' or 'MinMaxNorm'"),
        ("Maxnorm", "Did you mean 'MaxNorm'"),
        ("UNIT_NORM", "Did you mean 'UnitNorm'"),
        ("nonnegative", "Did you mean 'NonNeg'"),
        ("radial_constrain", "Did you mean 'RadialConstraint'"),
        ("typo", "Known are Constraint, MaxNorm, MinMaxNorm, NonNeg, UnitNorm"),
        ("", "Known are"),
        ("mypkg>CentreAround", "Did you mean 'mypkg>CenterAround'"),
    ],
)
def test_unknown_name_lists_near_misses(name: str, near: str) -> None:
    register("mypkg")(CenterAround)
    with pytest.raises(ValueError, match="Unknown constraint") as caught:
        get(name)
    assert repr(name) in str(caught.value)
    assert near in str(caught.value)
    assert "feasible.constraints.register" in str(caught.value)
    assert "custom_objects" in str(caught.value)


BUILT_IN = [
    (Constraint(), "keras.constraints", {}),
    (MaxNorm(2), "keras.constraints", {"max_value": 2, "axis": 0}),
    (MaxNorm(2.5, axis=(0, 1)), "keras.constraints", {"max_value": 2.5, "axis": [0, 1]}),
    (MaxNorm(2, axis=None), "keras.constraints", {"max_value": 2, "axis": None}),
    (
        MinMaxNorm(0.5, 2, rate=0.5, axis=[-1]),
        "keras.constraints",
        {"min_value": 0.5, "max_value": 2, "rate": 0.5, "axis": [-1]},
    ),
    (NonNeg(), "keras.constraints", {}),
    (UnitNorm(axis=()), "keras.constraints", {"axis": []}),
    # What Keras does not have.
    (UnitNorm(axis="unit"), "feasible.constraints", {"axis": "unit"}),
    (
        NormConstraint(1, 2, 1, 0),
        "feasible.constraints",
        {"min_value": 1, "max_value": 2, "rate": 1, "axis": 0},
    ),
    (RadialConstraint(), "feasible.constraints", {"rings": "documented"}),
    (
        RadialConstraint("mean", metric="euclidean"),
        "feasible.constraints",
        {"rings": "mean", "metric": "euclidean"},
    ),
]


@pytest.mark.parametrize(("constraint", "module", "config"), BUILT_IN, ids=lambda one: str(one))
def test_built_in_constraints(constraint: Constraint, module: str, config: dict[str, Any]) -> None:
    written = serialize(constraint)
    name = type(constraint).__name__
    assert written == {
        "module": module,
        "class_name": name,
        "config": config,
        "registered_name": None if module == "keras.constraints" else f"feasible>{name}",
    }
    read = json.loads(json.dumps(written, allow_nan=False))
    assert read == written
    for found in (deserialize(read), get(read)):
        assert found == constraint
        assert type(found) is type(constraint)


def test_none() -> None:
    assert serialize(None) is None
    assert deserialize(None) is None


def test_bounds_of_numpy_are_written_as_numbers() -> None:
    written = serialize(MaxNorm(np.float32(0.5), axis=np.array([0, 1]).tolist()))
    assert json.dumps(written["config"]) == '{"max_value": 0.5, "axis": [0, 1]}'
    written = serialize(CenterAround({"at": (np.float32(0.5), np.int64(2))}))
    assert json.dumps(written["config"]) == '{"ref_value": {"at": [0.5, 2]}}'


def test_registered_class() -> None:
    register(package="mypkg")(CenterAround)
    written = serialize(CenterAround(0.5))
    assert written == {
        "module": __name__,
        "class_name": "CenterAround",
        "config": {"ref_value": 0.5},
        "registered_name": "mypkg>CenterAround",
    }
    assert deserialize(written) == CenterAround(0.5)
    # As Keras 2 wrote it.
    old = {"class_name": "mypkg>CenterAround", "config": {"ref_value": 0.5}}
    assert deserialize(old) == CenterAround(0.5)


def test_module_of_a_script_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CenterAround, "__module__", "__main__")
    assert serialize(CenterAround(1))["module"] is None


def test_registered_function() -> None:
    register(package="mypkg")(halve)
    written = serialize(halve)
    assert written == {
        "module": "builtins",
        "class_name": "function",
        "config": "mypkg>halve",
        "registered_name": "function",
    }
    assert deserialize(written) is halve


def test_custom_objects() -> None:
    written = serialize(CenterAround(0.5))
    assert written["registered_name"] == "CenterAround"
    with pytest.raises(ValueError, match=r"custom_objects=\{'CenterAround': \.\.\.\}"):
        deserialize(written)
    custom_objects = {"CenterAround": CenterAround, "halve": halve, "Elsewhere": Elsewhere}
    assert deserialize(written, custom_objects) == CenterAround(0.5)
    function = {"module": "builtins", "class_name": "function", "config": "halve"}
    assert deserialize(function, custom_objects) is halve
    assert deserialize("halve", custom_objects) is halve
    assert isinstance(deserialize(serialize(Elsewhere()), custom_objects), Elsewhere)
    register("mypkg")(CenterAround)
    other = type("Other", (CenterAround,), {})
    found = deserialize(serialize(CenterAround(1)), {"mypkg>CenterAround": other})
    assert type(found) is other


def test_custom_object_takes_the_place_of_a_built_in_one() -> None:
    mine = type("MaxNorm", (MaxNorm,), {})
    written = serialize(mine(2))
    assert written["registered_name"] == "MaxNorm"
    assert type(deserialize(written, {"MaxNorm": mine})) is mine
    # Without it, it is not taken for the built-in one.
    with pytest.raises(ValueError, match="Unknown constraint 'MaxNorm'"):
        deserialize(written)


@pytest.mark.parametrize("found", [3, "CenterAround", None])
def test_custom_object_that_is_no_constraint(found: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="must be callable"):
        deserialize("CenterAround", {"CenterAround": found})


def test_function_takes_no_config() -> None:
    with pytest.raises(ValueError, match="is not a class, and cannot take the config"):
        deserialize({"class_name": "halve", "config": {"by": 2}}, {"halve": halve})


KERAS = [
    # Keras 3, of each version: None or the name itself was the registered name.
    (
        {
            "module": "keras.constraints",
            "class_name": "MaxNorm",
            "config": {"max_value": 3, "axis": 0},
            "registered_name": None,
        },
        MaxNorm(3),
    ),
    (
        {
            "module": "keras.constraints",
            "class_name": "UnitNorm",
            "config": {"axis": [0, 1]},
            "registered_name": "UnitNorm",
            "shared_object_id": 7,
        },
        UnitNorm(axis=(0, 1)),
    ),
    # Keras 2 and tf.keras, and the tuples of the latter's JSON.
    ({"class_name": "MaxNorm", "config": {"max_value": 3, "axis": 0}}, MaxNorm(3)),
    ({"class_name": "NonNeg"}, NonNeg()),
    ({"class_name": "NonNeg", "config": None}, NonNeg()),
    ({"class_name": "RadialConstraint", "config": {}}, RadialConstraint()),
    (
        {
            "class_name": "MinMaxNorm",
            "config": {
                "min_value": 0.0,
                "max_value": 1.0,
                "rate": 0.5,
                "axis": {"class_name": "__tuple__", "items": [0, 1, 2]},
            },
        },
        MinMaxNorm(0.0, 1.0, rate=0.5, axis=(0, 1, 2)),
    ),
]


@pytest.mark.parametrize(("written", "constraint"), KERAS)
def test_configs_that_keras_wrote(written: dict[str, Any], constraint: Constraint) -> None:
    before = json.dumps(written)
    assert deserialize(written) == constraint
    assert json.dumps(written) == before


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({}, "a name or a dict"),
        ({"config": {}}, "class_name"),
        ({"class_name": 3}, "class_name"),
        ({"class_name": ["MaxNorm"]}, "class_name"),
        ([], "a name or a dict"),
        (3, "a name or a dict"),
        ({"class_name": "MaxNorm", "config": [2]}, "`config` must be a dict"),
        ({"class_name": "MaxNorm", "config": "2"}, "`config` must be a dict"),
        ({"class_name": "MaxNorm", "module": 3}, "`module` must be a string"),
        ({"class_name": "MaxNorm", "registered_name": ["a"]}, "`registered_name` must be"),
        ({"class_name": "function", "config": {}}, "must be the name of the function"),
        ({"class_name": "function"}, "must be the name of the function"),
        ({"class_name": "__lambda__", "config": {"value": "4wEA"}}, "which is never run"),
    ],
)
def test_malformed_configs(config: Any, words: str) -> None:
    with pytest.raises(
        InvalidArgumentError, match="deserialize: `config` must be that of"
    ) as error:
        deserialize(config)
    assert words in str(error.value)
    assert repr(config) in str(error.value)


@pytest.mark.parametrize(
    ("config", "words"),
    [
        ({"max_value": 2, "axes": 0}, "MaxNorm: got an unexpected keyword argument 'axes'"),
        ({"axes": 0}, "Its arguments are: max_value, axis"),
        ({"max_value": -2}, "MaxNorm: `max_value` must be"),
        ({"axis": {"class_name": "__tuple__", "items": 3.5}}, "MaxNorm: `axis` must be"),
        ({"axis": {"class_name": "__tuple__"}, "max_value": "2"}, "MaxNorm: `max_value` must be"),
        ({"max_value": {"class_name": "MaxNorm"}}, "MaxNorm: `max_value` must be"),
        ({3: 4}, "MaxNorm: keywords must be strings"),
    ],
)
def test_arguments_that_the_class_does_not_have(config: dict[str, Any], words: str) -> None:
    with pytest.raises(ValueError, match=words):
        deserialize({"class_name": "MaxNorm", "config": config})


def test_our_own_are_read_as_keras_writes_them() -> None:
    entry = {
        "module": "feasible.constraints.sets.norms",
        "class_name": "MaxNorm",
        "config": {"max_value": 2, "axis": "unit"},
        "registered_name": "feasible>MaxNorm",
    }
    assert deserialize(entry) == MaxNorm(2, axis="unit")
    with pytest.raises(ValueError, match="Unknown constraint 'feasible>Evil'"):
        deserialize({**entry, "registered_name": "feasible>Evil"})


HOSTILE = [
    {"module": "os", "class_name": "system", "config": {"command": "false"}},
    {"module": "builtins", "class_name": "eval", "config": {}, "registered_name": "eval"},
    {"module": "builtins", "class_name": "function", "config": "eval"},
    {"module": "os", "class_name": "function", "config": "getcwd", "registered_name": "getcwd"},
    {"module": "nowhere.to.be.found", "class_name": "MaxNorm", "config": {}},
    {"module": "keras.constraints", "class_name": "deserialize", "config": {}},
    {"module": "keras.layers", "class_name": "Dense", "config": {"units": 1}},
    {"module": "keras.constraints", "class_name": "MaxNorm", "registered_name": "a>Other"},
    {"module": None, "class_name": "MaxNorm", "config": {}, "registered_name": "MaxNorm"},
]


@pytest.mark.parametrize("written", HOSTILE, ids=lambda written: written["class_name"])
def test_nothing_that_a_file_names_is_imported(
    written: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    imported = []
    real = __import__
    monkeypatch.setattr(
        "builtins.__import__", lambda name, *rest: imported.append(name) or real(name, *rest)
    )
    with pytest.raises(ValueError, match="Unknown constraint"):
        deserialize(written)
    assert written["module"] not in imported


@pytest.mark.parametrize(
    "constraint",
    [halve, lambda w: w, functools.partial(halve), MaxNorm, CenterAround, "max_norm", 3, len],
)
def test_what_cannot_be_written(constraint: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="serialize: `constraint` must be an instance"):
        serialize(constraint)
    register("mypkg")(CenterAround)
    with pytest.raises(InvalidArgumentError, match=r"registered with @feasible\.constraints"):
        serialize(constraint)


def test_constraint_that_does_not_describe_itself() -> None:
    for constraint in (Undescribed(2), register("mypkg")(Undescribed)(2)):
        with pytest.raises(InvalidArgumentError, match="override `get_config` in Undescribed") as e:
            serialize(constraint)
        assert "arguments for largest" in str(e.value)


def test_config_that_does_not_fit_the_constructor() -> None:
    class Renamed(CenterAround):
        def get_config(self) -> dict[str, Any]:
            return {"reference": self.ref_value}

    with pytest.raises(ValueError, match=r"Renamed: .*'ref_value'"):
        serialize(Renamed(1))


def test_constructor_that_from_config_replaces() -> None:
    class FromText(CenterAround):
        def get_config(self) -> dict[str, Any]:
            return {"text": str(self.ref_value)}

        @classmethod
        def from_config(cls, config: dict[str, Any]) -> FromText:
            return cls(float(config.pop("text")))

    written = serialize(FromText(0.5))
    for _ in range(2):  # what from_config does to its argument is its own affair
        assert deserialize(written, {"FromText": FromText}) == FromText(0.5)


@pytest.mark.parametrize(
    "value", [np.ones(2, complex), np.array(["a"]), b"bytes", {1, 2}, object()]
)
def test_values_that_json_cannot_hold(value: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="CenterAround: `ref_value` must be what JSON"):
        serialize(CenterAround(value))


def test_constraint_in_a_config() -> None:
    register("mypkg")(halve)
    written = serialize(CenterAround([MaxNorm(2), halve, None, True]))
    assert written["config"]["ref_value"] == [serialize(MaxNorm(2)), serialize(halve), None, True]
    with pytest.raises(InvalidArgumentError, match="an instance of a subclass of Constraint"):
        serialize(CenterAround(MaxNorm))
