"""What is to be done once a package is imported is done once, in either order."""

from __future__ import annotations

import importlib
import importlib.resources
import importlib.util
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest

from feasible.importing import when_imported


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    folder = tmp_path / "watched"
    folder.mkdir()
    (folder / "__init__.py").write_text("value = 3\n")
    (folder / "inner.py").write_text("")
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(sys, "meta_path", list(sys.meta_path))
    monkeypatch.setattr(sys, "modules", dict(sys.modules))
    return "watched"


def test_before_and_after(package: str) -> None:
    seen: list[ModuleType] = []
    finders = len(sys.meta_path)
    when_imported(package, seen.append)
    assert importlib.util.find_spec(package) is not None
    assert seen == []
    module = importlib.import_module(f"{package}.inner")
    assert [one.value for one in seen] == [3]
    when_imported(package, seen.append)
    assert len(seen) == 2
    assert len(sys.meta_path) == finders
    assert importlib.resources.files(package).joinpath("inner.py").is_file()
    importlib.reload(sys.modules[package])
    assert len(seen) == 2
    assert module.__name__ == "watched.inner"


def test_a_package_that_is_not_there(package: str) -> None:
    when_imported("not_there", pytest.fail)
    with pytest.raises(ModuleNotFoundError, match="No module named 'not_there'"):
        importlib.import_module("not_there")


def test_a_package_that_fails(package: str, tmp_path: Path) -> None:
    (tmp_path / package / "__init__.py").write_text("raise RuntimeError('no backend')\n")
    when_imported(package, pytest.fail)
    with pytest.raises(RuntimeError, match="no backend"):
        importlib.import_module(package)


def test_reading_needs_no_keras(tmp_path: Path) -> None:
    golden = Path(__file__).with_name("keras") / "golden" / "eegnet.h5"
    code = (
        "import sys\n"
        "import importlib.util as u\n"
        "real = u.find_spec\n"
        "gone = ('keras', 'torch', 'h5py', 'jax', 'tensorflow')\n"
        "u.find_spec = lambda name, *a: None if name in gone else real(name, *a)\n"
        "from feasible.keras import rules_from\n"
        f"print(len(rules_from({str(golden)!r})))\n"
        "print([name for name in gone if name in sys.modules])\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.split("\n")[:2] == ["2", "[]"]
