"""Rules select what they name, and say so when they do not."""

from __future__ import annotations

import re
from typing import Any

import numpy as np
import pytest

from feasible import MaxNorm, NonNeg
from feasible.rules import as_rules, match
from feasible.selectors import Role, Target, describe, is_name, select, selects


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
        (
            "encodr.0.weight",
            r"'encodr\.0\.weight' selects no parameter\. Did you mean 'encoder\.0\.weight'",
        ),
        ("weight", "selects no parameter"),
        (re.compile("weight"), r"re\.compile\('weight'\) selects no parameter"),
        (
            (Wide, "bias"),
            r"\(Wide, 'bias'\) selects no .* \(Linear, 'bias'\), \(Linear, 'kernel'\)",
        ),
        (lambda name, module, parameter: False, "Known are encoder.0.weight, encoder.0.bias"),
    ],
)
def test_a_selector_that_selects_nothing_is_an_error(selector: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select(selector, TARGETS)


def test_nothing_to_select_from() -> None:
    with pytest.raises(ValueError, match="None is known"):
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
        (
            {"*": MaxNorm},
            r"`constraint` must be an instance, such as MaxNorm\(\.\.\.\), not the class",
        ),
        (NonNeg(), r"`rules` must be a mapping from selector to constraint.*rules=NonNeg"),
        ({("a", 1): NonNeg()}, "`selector` must be"),
        ({(Linear, "kernel", 1): NonNeg()}, "`selector` must be"),
        (
            {"*": 3},
            r"`constraint` must be a constraint or callable, or None .* Received: constraint=3",
        ),
        (["*"], "`rule` must be a pair"),
    ],
)
def test_a_rule_of_another_form_is_refused(rules: Any, message: str) -> None:
    with pytest.raises(TypeError, match=message):
        as_rules(rules)


def test_a_parameter_with_two_names_is_matched_once() -> None:
    matched = match(as_rules({"*.weight": MaxNorm(2)}), TARGETS).chosen
    assert [target.name for target, _ in matched] == ["encoder.0.weight", "encoder.10.weight"]
    [(target, constraint)] = match(as_rules({"head.*": NonNeg()}), TARGETS).chosen
    assert (target.name, constraint) == ("head.weight", NonNeg())


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
    with pytest.raises(ValueError, match=r"There is no such module\. Did you mean 'encoder\.0'"):
        match(as_rules({("encode", "kernel"): NonNeg()}), targets)


TYPED = [
    Target("a.weight", Linear(), "kernel", object()),
    Target("a.bias", Linear(), "bias", object()),
    Target("b.weight", Wide(), "recurrent_kernel", object()),
    Target("c.qkv", Wide(), "kernel", SHARED, "query"),
    Target("c.qkv", Wide(), "kernel", SHARED, "q"),
    Target("d.gamma", Linear(), None, object()),
    Target("d.scale", Linear(), None, np.ones((3, 2))),
]


@pytest.mark.parametrize(
    ("selector", "names"),
    [
        # A module type alone means its kernels, of whatever kind.
        (Linear, ["a.weight", "b.weight", "c.qkv[query]", "c.qkv[q]"]),
        (Wide, ["b.weight", "c.qkv[query]", "c.qkv[q]"]),
        # Parts, also with globs.
        ("c.qkv[query]", ["c.qkv[query]"]),
        ("*.qkv[query]", ["c.qkv[query]"]),
        ("?.q*[q]", ["c.qkv[q]"]),
        ("c.qkv", ["c.qkv[query]", "c.qkv[q]"]),
        ("[ab].weight", ["a.weight", "b.weight"]),
        # A parameter's own name is no role, unless it is asked for in its module.
        (Role("kernel"), ["a.weight", "c.qkv[query]", "c.qkv[q]"]),
        (("d", "gamma"), ["d.gamma"]),
        ((Linear, "gamma"), ["d.gamma"]),
    ],
)
def test_what_types_parts_and_roles_select(selector: Any, names: list[str]) -> None:
    assert [target.full_name for target in select(selector, TYPED)] == names


@pytest.mark.parametrize(
    ("selector", "message"),
    [
        (Role("gamma"), r"gamma= selects no .* Roles here: bias, kernel, recu.* Not known: .*Lin"),
        (
            "a.weight*[reset]",
            r"\[reset\] is read as a part .* here are: c\.qkv\[q\], c\.qkv\[query",
        ),
        (int, r"int selects no parameter\. Known here: \(Linear, 'bias'\)"),
    ],
)
def test_what_types_parts_and_roles_do_not_select(selector: Any, message: str) -> None:
    with pytest.raises(ValueError, match=message):
        select(selector, TYPED)


@pytest.mark.parametrize(
    ("rules", "chosen"),
    [
        ({"*.weight": MaxNorm(1), "a.weight": NonNeg()}, {"a.weight": NonNeg()}),
        ({"a.weight": NonNeg(), (Linear, "kernel"): MaxNorm(1)}, {"a.weight": NonNeg()}),
        ({"c.qkv[query]": NonNeg(), "*": MaxNorm(1)}, {"c.qkv[query]": NonNeg()}),
        ({"a.weight": None, "*.weight": MaxNorm(1)}, {"a.weight": None}),
        ({"a.*": None, "*.weight": MaxNorm(1)}, {"a.weight": None, "a.bias": None}),
        ({"*.weight": MaxNorm(1), re.compile(r"a\..*"): None}, {"a.weight": None}),
        # A name comes before an exclusion that is none.
        ({"a.*": None, "a.weight": NonNeg()}, {"a.weight": NonNeg(), "a.bias": None}),
    ],
)
def test_names_come_before_all_and_none_leaves_out(rules: Any, chosen: dict[str, Any]) -> None:
    found = {target.full_name: one for target, one in match(as_rules(rules), TYPED).chosen}
    assert {name: found.get(name) for name in chosen} == chosen
    assert found.get("b.weight") in (None, MaxNorm(1))


def test_notes_say_which_rule_counts_and_what_is_left_out() -> None:
    rules = as_rules({"*.weight": MaxNorm(1), "a.weight": NonNeg(), Wide: None})
    assert match(rules, TYPED).notes == (
        "a.weight: its own rule comes before '*.weight': MaxNorm(max_value=1, axis=0)",
        "Wide: None leaves out b.weight",
    )


def test_a_role_says_what_it_passes_over() -> None:
    (note,) = match(as_rules({}, {"kernel": NonNeg()}), TYPED).notes
    assert note.startswith("kernel= passes over d.scale of Linear: their roles are not known.")
    named = as_rules({"d.scale": MaxNorm(1)}, {"kernel": NonNeg()})
    assert match(named, TYPED).notes == ()
    assert match(as_rules({}, {"kernel": NonNeg(), "bias": None}), TYPED).notes == (note,)


def test_two_rules_that_rank_alike_are_an_error_that_says_how_to_leave_out() -> None:
    for rules in ({"a.*": NonNeg(), "*.weight": MaxNorm(1)}, [("a.weight", NonNeg())] * 2):
        with pytest.raises(
            ValueError, match=r"a\.weight can have one .*\{'a\.weight': None\} to leav"
        ):
            match(as_rules(rules), TYPED)


def test_a_parameter_is_named_under_any_of_its_names() -> None:
    rules = as_rules({"*.weight": MaxNorm(2), "head.weight": NonNeg()})
    found = {target.name: one for target, one in match(rules, TARGETS).chosen}
    assert found == {"encoder.0.weight": MaxNorm(max_value=2), "head.weight": NonNeg()}
    assert is_name("head.weight", TARGETS[-1])
    assert not is_name("head.*", TARGETS[-1])
