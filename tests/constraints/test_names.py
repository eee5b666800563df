from __future__ import annotations

from typing import Any

import pytest

from feasible.arguments import InvalidArgumentError
from feasible.constraints import (
    Constraint,
    MaxNorm,
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


class Mine(Constraint):
    pass


def halve(w: Any) -> Any:
    return w / 2


def test_register_returns_what_it_decorates() -> None:
    assert register(package="mypkg")(Mine) is Mine
    assert register()(halve) is halve
    assert CONSTRAINTS.name_of(Mine) == "mypkg>Mine"
    assert CONSTRAINTS.name_of(halve) == "Custom>halve"
    assert CONSTRAINTS.name_of(MaxNorm) == "MaxNorm"
    assert CONSTRAINTS.name_of([]) is None


def test_registered_names_are_found() -> None:
    register("mypkg", name="Other")(Mine)
    register("mypkg")(halve)
    assert get("mypkg>Other") == Mine()
    assert get("mypkg>halve") is halve
    with pytest.raises(ValueError, match="Did you mean 'mypkg>Other'"):
        get("Other")


def test_registering_again_replaces() -> None:
    register("mypkg")(Mine)
    before = Mine()
    again = type("Mine", (Constraint,), {})
    register("mypkg")(again)
    assert type(get("mypkg>Mine")) is again
    # What was made before is still saved under its name.
    assert type(deserialize(serialize(before))) is again


def test_lambda_with_a_name_of_its_own() -> None:
    doubled = register(name="doubled")(lambda w: w * 2)
    assert deserialize(serialize(doubled)) is doubled


def test_a_subclass_of_what_is_registered_is_not() -> None:
    register("mypkg")(Mine)
    assert CONSTRAINTS.name_of(type("Derived", (Mine,), {})) is None


@pytest.mark.parametrize("name", ["MaxNorm", "max_norm", "maxnorm", "RadialConstraint", "nonneg"])
def test_names_of_built_in_constraints_are_taken(name: str) -> None:
    with pytest.raises(InvalidArgumentError, match="that names no built-in") as caught:
        register("mypkg", name=name)(Mine)
    assert f"name={name!r}" in str(caught.value)
    with pytest.raises(InvalidArgumentError, match="names no built-in"):
        register("mypkg")(MaxNorm)


@pytest.mark.parametrize("name", ["", "a b", "a>b", 5])
def test_names_that_cannot_be_registered(name: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="register: `name` must be an identifier"):
        register(name=name)(Mine)


@pytest.mark.parametrize("decorated", [Mine(), dict, 3, [halve]])
def test_what_cannot_be_registered(decorated: Any) -> None:
    with pytest.raises(InvalidArgumentError, match="a subclass of Constraint or a function"):
        register(name="mine")(decorated)


def test_lambda_needs_a_name() -> None:
    with pytest.raises(InvalidArgumentError, match="name='<lambda>'"):
        register()(lambda w: w)


def test_decorating_without_parentheses() -> None:
    with pytest.raises(InvalidArgumentError, match=r"decorate with @register\(\)"):
        register(Mine)
