"""Each recipe shows what it says, beside the same model without constraints."""

from __future__ import annotations

import importlib.util
import re
import sys
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

RECIPES = Path(__file__).parents[1] / "examples" / "recipes"


def eegnet(without: Any, constrained: Any) -> None:
    assert constrained["largest spatial filter"] <= 1 + 1e-6
    assert constrained["largest class weights"] <= 0.25 + 1e-6
    assert without["largest class weights"] > 1
    # A quarter of the labels is wrong, and can only be memorized.
    assert constrained["accuracy on its labels"] < without["accuracy on its labels"] - 0.05
    assert constrained["loss on new data"] < without["loss on new data"]


def sparse_autoencoder(without: Any, constrained: Any) -> None:
    assert constrained["smallest direction"] == pytest.approx(1, abs=1e-5)
    assert constrained["largest direction"] == pytest.approx(1, abs=1e-5)
    assert without["largest direction"] > 3
    assert without["L1 of the codes"] < constrained["L1 of the codes"] / 2
    assert constrained["active codes a sample"] < 0.8 * without["active codes a sample"]
    assert constrained["true directions found"] > without["true directions found"] + 8


def monotone(without: Any, constrained: Any) -> None:
    assert constrained["grid steps"] == 2 * 100 * 101
    assert constrained["where it falls"] == 0
    assert without["where it falls"] > 1000
    assert constrained["error on the samples"] > without["error on the samples"]
    assert constrained["error from the truth"] < 0.8 * without["error from the truth"]


def normalized_transformer(without: Any, constrained: Any) -> None:
    assert constrained["violated constraints"] == 0
    assert constrained["shortest vector"] == pytest.approx(1, abs=1e-5)
    assert constrained["longest vector"] == pytest.approx(1, abs=1e-5)
    assert constrained["largest output"] <= 1 + 1e-5
    assert without["violated constraints"] == 11
    assert without["longest vector"] > 3
    # Guessing among 16 tokens costs 2.77.
    assert constrained["loss on new sequences"] < 0.5


def wgan(without: Any, constrained: Any) -> None:
    assert constrained["critic's largest weight"] == pytest.approx(0.2)
    assert without["critic's largest weight"] > 1
    assert constrained["critic's steepest slope"] < 10
    assert without["critic's steepest slope"] > 100
    assert constrained["critic's largest loss"] < 10
    assert without["critic's largest loss"] > 100
    name = "distance, in the second half"
    assert constrained[name] < 0.8 * without[name]


def input_convex(without: Any, constrained: Any) -> None:
    assert constrained["chords"] == 10_000
    assert constrained["where it is above"] == 0
    assert without["where it is above"] > 1000
    assert constrained["error on the samples"] > without["error on the samples"]
    assert constrained["error from the truth"] < 0.8 * without["error from the truth"]


def embeddings(without: Any, constrained: Any) -> None:
    assert constrained["shortest vector"] == pytest.approx(1, abs=1e-5)
    assert constrained["longest vector"] == pytest.approx(1, abs=1e-5)
    assert without["longest vector"] > 2
    name = "of the nearest, of one kind"
    assert constrained[name] > without[name] + 0.05
    assert constrained["most often among the nearest"] < 20
    assert without["most often among the nearest"] > 100
    assert constrained["items never among them"] < without["items never among them"] - 20


def nonnegative_factors(without: Any, constrained: Any) -> None:
    assert constrained["smallest entry"] == 0
    assert without["smallest entry"] < -1
    assert constrained["bars found, of 8"] == 8
    assert without["bars found, of 8"] == 0
    assert constrained["nearest part to a bar"] > 0.99
    assert without["error"] < constrained["error"] < 0.06


def mixing_weights(without: Any, constrained: Any) -> None:
    assert constrained["sum of the weights"] == pytest.approx(1, abs=1e-5)
    name = "distance from the true weights"
    assert constrained[name] < without[name]
    name = "squared error on new samples"
    assert constrained[name] < without[name]


def two_of_four(without: Any, constrained: Any) -> None:
    assert without["part of the weights that is zero"] == pytest.approx(0.5, abs=1e-3)
    assert constrained["part of the weights that is zero"] == pytest.approx(0.5, abs=1e-3)
    assert without["accuracy of the sparse network"] < 0.85
    assert constrained["accuracy of the sparse network"] > 0.9


def orthogonal_rnn(without: Any, constrained: Any) -> None:
    assert constrained["smallest singular value"] == pytest.approx(1, abs=1e-5)
    assert constrained["largest singular value"] == pytest.approx(1, abs=1e-5)
    assert without["largest singular value"] > 1.03


def lipschitz_classifier(without: Any, constrained: Any) -> None:
    assert constrained["product of spectral norms"] <= 1 + 1e-6
    assert without["product of spectral norms"] > 3
    assert constrained["accuracy"] > 0.9
    name = "certified accuracy at radius 0.25"
    assert constrained[name] > without[name] + 0.5


def calibration(without: Any, constrained: Any) -> None:
    assert constrained["steps down"] == 0
    assert without["steps down"] > 5
    assert constrained["largest difference from scikit-learn"] < 1e-4
    assert constrained["error from the truth"] < 0.7 * without["error from the truth"]


def covariance(without: Any, constrained: Any) -> None:
    assert constrained["smallest eigenvalue"] >= 0.05 - 1e-5
    assert constrained["asymmetry"] == 0
    assert constrained["is a precision matrix"] == 1
    assert without["is a precision matrix"] == 0


def physical_parameters(without: Any, constrained: Any) -> None:
    assert constrained["is physical"] == 1
    assert constrained["damping"] >= 0
    assert constrained["error over twenty seconds"] < 0.6


SHOWN = {
    check.__name__: check
    for check in (
        *(eegnet, sparse_autoencoder, monotone, normalized_transformer, wgan),
        *(input_convex, embeddings, nonnegative_factors),
        *(mixing_weights, two_of_four, orthogonal_rnn, lipschitz_classifier),
        *(calibration, covariance, physical_parameters),
    )
}


def load(name: str, monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """The recipe as a module, which its dataclasses look for."""
    spec = importlib.util.spec_from_file_location(name, RECIPES / f"{name}.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, name, module)
    spec.loader.exec_module(module)
    return module


def test_every_recipe_is_here() -> None:
    assert {path.stem for path in RECIPES.glob("*.py")} == {*SHOWN}


@pytest.mark.parametrize("name", SHOWN)
def test_a_recipe_shows_what_it_says(
    name: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    recipe = load(name, monkeypatch)
    found = {constrained: recipe.measure(constrained) for constrained in (False, True)}
    SHOWN[name](found[False], found[True])

    monkeypatch.setattr(recipe, "measure", found.get)
    recipe.main()
    header, *rows = capsys.readouterr().out.splitlines()
    assert re.search("(without|pruned once) +(trained )?with ", header)
    assert [row[: len(quantity)] for row, quantity in zip(rows, found[True], strict=True)] == [
        *found[True]
    ]
    assert list(tmp_path.iterdir()) == []
