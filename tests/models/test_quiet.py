"""Lightning is kept quiet, and nothing else is."""

from __future__ import annotations

import logging
import signal
import sys
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
    level, handler = logger.level, signal.getsignal(signal.SIGINT)
    filters = list(warnings.filters)

    @quiet()
    def fail():
        logging.getLogger("lightning.pytorch.trainer").warning("a hint")
        signal.signal(signal.SIGINT, signal.SIG_IGN)
        raise error

    with pytest.raises(error):
        fail()
    assert logger.level == level
    assert signal.getsignal(signal.SIGINT) is handler
    assert warnings.filters == filters
    assert not caplog.records


def test_leaving_is_leaving_unless_it_was_an_interrupt():
    with pytest.raises(SystemExit), quiet():
        sys.exit(3)

    def leave():
        try:
            raise KeyboardInterrupt
        except KeyboardInterrupt:
            sys.exit(1)

    with pytest.raises(KeyboardInterrupt), quiet():
        leave()
