# Everything on a machine that has only Python, make and git: each target makes .venv first.
PYTHON ?= python3
BIN := .venv/bin
INSTALLED := .venv/.installed

TENSORFLOW := .venv-tensorflow/.installed

.PHONY: bench demo docs test test-tensorflow lint format clean

demo: $(INSTALLED)
	$(BIN)/python examples/digits.py

test: $(INSTALLED)
	$(BIN)/python -m pytest

# Keras on TensorFlow, which nothing here depends on, in an environment of its own.
test-tensorflow: $(TENSORFLOW)
	KERAS_BACKEND=tensorflow TF_CPP_MIN_LOG_LEVEL=3 .venv-tensorflow/bin/python -m pytest \
		-c tests/keras/inside/pytest.ini tests/keras/inside tests/tensorflow

# What constraints cost, beside peers, which are installed for this alone.
bench: $(INSTALLED)
	$(BIN)/python -m pip install --quiet -c pip-constraints.txt -e '.[bench]'
	$(BIN)/python -m benchmarks

# The site, in build/site: every page's code is run, and every warning and broken link is an error.
docs: $(INSTALLED)
	$(BIN)/python -m pip install --quiet -c pip-constraints.txt -e '.[docs]'
	$(BIN)/python -m pytest -q tests/test_documentation.py
	$(BIN)/python -m sphinx --fail-on-warning --fresh-env --quiet -d build/doctrees docs build/site

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

$(TENSORFLOW): pyproject.toml tests/tensorflow/pip-constraints.txt
	$(PYTHON) -m venv .venv-tensorflow
	PIP_CONSTRAINT=tests/tensorflow/pip-constraints.txt PIP_DISABLE_PIP_VERSION_CHECK=1 \
		.venv-tensorflow/bin/python -m pip install --quiet \
		-c tests/tensorflow/pip-constraints.txt -e '.[keras]' tensorflow-cpu h5py pytest
	touch $@

clean:
	rm -rf .venv .venv-tensorflow build
