"""Rules select what they name, and say so when they do not."""

from __future__ import annotations

import re
from typing import Any

import pytest

from feasible import MaxNorm, NonNeg
from feasible.rules import Target, as_rules, describe, match, select, selects


class Linear:
    pass


class Wide(Linear):
    pass


SHARED = object()
TARGETS = [
    Target("encoder.0.weight", Linear(), "kernel", object()),
    Target("encoder.0.bias", Linear(), "bias", object()),
    Target("encoder.10.weight", Wide(), "kernel", SHARED),
    Target("head.weight", None, None, SHARED),
]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        ("encoder.*.weight", ["encoder.0.weight", "encoder.10.weight"]),
        ("*.bias", ["encoder.0.bias"]),
        ("encoder.?.weight", ["encoder.0.weight"]),
        (re.compile(r"encoder\.\d+\.weight"), ["encoder.0.weight", "encoder.10.weight"]),
        ((Linear, "kernel"), ["encoder.0.weight", "encoder.10.weight"]),
        ((Wide, "kernel"), ["encoder.10.weight"]),
        (lambda name, module, parameter: parameter is SHARED, ["encoder.10.weight", "head.weight"]),
    ],
)
def test_a_selector_selects(selector: Any, names: list[str]) -> None:
    assert [target.name for target in select(selector, TARGETS)] == names


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        ("encodr.0.weight", r"'encodr\.0\.weight' selects no parameter\. Near: encoder\.0\.weight"),
        ("weight", "selects no parameter"),
        (re.compile("weight"), r"re\.compile\('weight'\) selects no parameter"),
        (
            (Wide, "bias"),
            r"\(Wide, 'bias'\) selects no .* \(Linear, 'bias'\), \(Linear, 'kernel'\)",
        ),
        (lambda name, module, parameter: False, "There are: encoder.0.weight, encoder.0.bias"),
    ],
)
def test_a_selector_that_selects_nothing_is_an_error(selector: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select(selector, TARGETS)


def test_nothing_to_select_from() -> None:
    with pytest.raises(ValueError, match="There are: no parameters"):
        select("*", [])
    with pytest.raises(ValueError, match="no module with known roles"):
        select((Linear, "kernel"), [])


@pytest.mark.parametrize("rules", [{"*.bias": NonNeg()}, [("*.bias", NonNeg())]])
def test_rules_are_a_mapping_or_pairs(rules: Any) -> None:
    [rule] = as_rules(rules)
    assert rule == ("*.bias", NonNeg())
    assert str(rule) == "'*.bias': NonNeg()"


@pytest.mark.parametrize(
    ("rules", "message"),
    [
        ({3: NonNeg()}, r"`selector` must be a glob .* selector=3"),
        ({("a", 1): NonNeg()}, "`selector` must be"),
        ({(Linear, "kernel", 1): NonNeg()}, "`selector` must be"),
        ({"*": 3}, r"`constraint` must be a constraint or callable\. Received: constraint=3"),
        (["*"], "`rule` must be a pair"),
    ],
)
def test_a_rule_of_another_form_is_refused(rules: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        as_rules(rules)


def test_a_parameter_with_two_names_is_matched_once() -> None:
    matched = match(as_rules({"*.weight": MaxNorm(2)}), TARGETS)
    assert [target.name for target, _ in matched] == ["encoder.0.weight", "encoder.10.weight"]
    [(target, rule)] = match(as_rules({"head.*": NonNeg()}), TARGETS)
    assert (target.name, rule.constraint) == ("head.weight", NonNeg())


def test_two_rules_for_one_parameter_are_an_error_that_names_both() -> None:
    rules = as_rules({"encoder.*": MaxNorm(2), (Linear, "bias"): NonNeg()})
    with pytest.raises(
        ValueError, match=r"encoder\.0\.bias .*MaxNorm\(.*\(Linear, 'bias'\): NonNeg"
    ):
        match(rules, TARGETS)


def test_a_predicate_is_described_by_its_name() -> None:
    def square_ones(name: str, module: Any, parameter: Any) -> bool:
        return False

    assert describe(square_ones) == "square_ones"


@pytest.mark.parametrize(
    ("selector", "name", "selected"),
    [
        (("encoder.0", "kernel"), "encoder.0.weight", True),
        (("encoder", "kernel"), "encoder.0.weight", True),
        (("encoder", "k*l"), "encoder.0.weight", True),
        (("encoder", "kernel"), "encoder/layer/kernel", True),
        (("enc*r.0", "kernel"), "encoder.0.weight", True),
        (("encoder", "bias"), "encoder.0.weight", False),
        (("encoder.0", "kernel"), "encoder.01.weight", False),
        (("0", "kernel"), "encoder.0.weight", False),
    ],
)
def test_a_module_and_a_role_by_their_names(selector: Any, name: str, selected: bool) -> None:
    assert selects(selector, Target(name, None, "kernel", None)) is selected


def test_what_is_near_a_module_and_a_role() -> None:
    targets = [Target("encoder.0.weight", None, "kernel", object())]
    with pytest.raises(ValueError, match=r"'bias'\) selects no parameter\. Roles there: kernel"):
        match(as_rules({("encoder", "bias"): NonNeg()}), targets)
    with pytest.raises(ValueError, match=r"There is no such module\. Near: encoder\.0\."):
        match(as_rules({("encode", "kernel"): NonNeg()}), targets)
