# Needs Python 3.11 or newer and nothing else: every target makes the virtual environment it runs in.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin

.PHONY: demo test test-parts test-agent test-whole lint bench bench-handler bench-idle clean

demo: $(VENV)/.run
	@$(BIN)/logship demo

# In parts beside each other, as most of them wait; each with its output in one piece.
test: $(VENV)/.dev
	@$(MAKE) --no-print-directory -j 3 --output-sync=target test-parts test-agent test-whole

test-parts: $(VENV)/.dev
	@$(BIN)/python -m pytest -q tests/unit tests/property tests/bench tests/elasticsearch

test-agent: $(VENV)/.dev
	@$(BIN)/python -m pytest -q tests/integration/test_agent*.py tests/crash

test-whole: $(VENV)/.dev
	@$(BIN)/python -m pytest -q tests/integration --ignore-glob='*/test_agent*.py'

lint: $(VENV)/.dev
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy
	@$(BIN)/lint-imports

bench: $(VENV)/.dev
	@$(BIN)/python -m tests.bench

bench-handler: $(VENV)/.dev
	@$(BIN)/python -m tests.bench.handler

bench-idle: $(VENV)/.dev
	@$(BIN)/python -m tests.bench.idle

clean:
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit("logship needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make PYTHON=python3.11") if sys.version_info < (3, 11) else None'
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.run: pyproject.toml | $(VENV)/bin/python
	@echo "installing logship into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e .
	@touch $@

$(VENV)/.dev: pyproject.toml | $(VENV)/bin/python
	@echo "installing logship and its development tools into $(VENV) ..."
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check -e '.[dev,fast]'
	@touch $@ $(VENV)/.run
