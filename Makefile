# Everything on a machine that has only Python, make and git: each target makes .venv first.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

.PHONY: demo test lint format clean

demo: $(INSTALLED)
	$(BIN)/python examples/digits.py

test: $(INSTALLED)
	$(BIN)/python -m pytest

lint: $(INSTALLED)
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

format: $(INSTALLED)
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

# They also hold for the build's own environment, through PIP_CONSTRAINT.
$(INSTALLED): pyproject.toml pip-constraints.txt
	$(PYTHON) -m venv .venv
	PIP_CONSTRAINT=pip-constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
		$(BIN)/python -m pip install --quiet -c pip-constraints.txt -e '.[dev]'
	touch $@

clean:
	rm -rf .venv
