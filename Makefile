# make test    everything that a change must pass      make demo   the tour in examples/demo.sh
# make lint    the part of it that reads the code      make clean  remove what these made
# make image   the container image (Debian 12 as root, with buildah; IMAGE=name:tag); deploy/image/build says how
# make bench   transfers, ours and other clients' (an hour; BENCH=--quick takes minutes, BENCH=--help has the options)
#
# Needs Python 3.11 or newer and nothing else: PYTHON=python3.12 make test. Tests that need more (real registries, other
# clients, real models) are skipped and say what to install; .ci/run installs all of it and then allows no skips.

PYTHON ?= python3
VENV ?= .venv
EXTRAS ?= dev,hub,keyless
BENCH ?=
IMAGE ?= localhost/modelpack
BIN := $(VENV)/bin
INSTALLED := $(VENV)/.installed

.PHONY: test lint demo bench image clean

test: lint
	@$(BIN)/pytest -rs --cov --cov-report= --cov-report=term-missing:skip-covered --cov-fail-under=95
	@$(BIN)/coverage report --include='modelpack/oci/*,modelpack/store/*' --fail-under=100 >$(VENV)/strict-coverage \
	  || { echo 'modelpack/oci and modelpack/store must be covered in full:'; cat $(VENV)/strict-coverage; exit 1; }

lint: $(INSTALLED)
	@$(BIN)/ruff check --quiet
	@$(BIN)/ruff format --check --quiet || { echo 'the formatter would change files; run $(BIN)/ruff format'; exit 1; }
	@$(BIN)/mypy --no-error-summary

demo: $(INSTALLED)
	@PATH="$(abspath $(BIN)):$$PATH" bash examples/demo.sh

bench: $(INSTALLED)
	@MODELPACK_TEST_TOOLS="$${MODELPACK_TEST_TOOLS:-$(abspath .peers)}" $(BIN)/python -m bench.transfer $(BENCH)

image: $(INSTALLED)
	@deploy/image/build $(IMAGE)

clean:
	rm -rf $(VENV) .demo .image bench/.work .peers build dist .coverage* .mypy_cache .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(INSTALLED): pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo 'modelpack needs Python 3.11 or newer;' \
	  "$(PYTHON) is $$($(PYTHON) -V 2>&1). Name another one: make PYTHON=python3.12 $(MAKECMDGOALS)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --quiet --disable-pip-version-check --editable '.[$(EXTRAS)]'
	@touch $@
