"""Lightning is kept quiet, and nothing else is."""

from __future__ import annotations

import logging
import warnings

import pytest

from feasible.models.quiet import quiet


def warn_from(module: str) -> None:
    warnings.warn_explicit("a hint", UserWarning, "file.py", 1, module=module)


def test_warnings_of_lightning_are_dropped_and_others_get_through():
    with quiet():
        warn_from("lightning.pytorch.trainer")
        with pytest.raises(UserWarning, match="a hint"):
            warn_from("some.module")
    with pytest.raises(UserWarning, match="a hint"):
        warn_from("lightning.pytorch.trainer")


@pytest.mark.parametrize("error", [OSError, KeyboardInterrupt])
def test_everything_is_afterwards_as_it_was(error, caplog):
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    filters = list(warnings.filters)

    @quiet()
    def fail():
        logging.getLogger("lightning.pytorch.trainer").warning("a hint")
        raise error

    with pytest.raises(error):
        fail()
    assert logger.level == level
    assert warnings.filters == filters
    assert not caplog.records
