# Needs Python 3.11 or newer and nothing else: every target makes the virtual environment it runs in.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
CHAOS := $(addprefix tests/integration/test_,delivery_chaos.py turmoil.py logrotate.py changed_routing.py when_full.py)

.PHONY: demo test test-parts test-agent test-handler test-whole test-chaos test-kills test-outages lint bench bench-handler bench-idle clean

demo: $(VENV)/.run
	@$(BIN)/logship demo

# In parts beside each other, as most of them wait; each with its output in one piece.
test: $(VENV)/.dev
	@$(MAKE) --no-print-directory -j 4 --output-sync=target test-whole test-agent test-handler test-parts

test-parts: $(VENV)/.dev
	@$(BIN)/python -m pytest -q tests/unit tests/property tests/bench tests/elasticsearch

test-agent: $(VENV)/.dev
	@$(BIN)/python -m pytest -q tests/integration/test_agent*.py

test-handler: $(VENV)/.dev
	@$(BIN)/python -m pytest -q tests/integration/test_handler*.py

test-whole: $(VENV)/.dev
	@$(BIN)/python -m pytest -q tests/integration --ignore-glob='*/test_agent*.py' \
		--ignore-glob='*/test_handler*.py' $(addprefix --ignore=,$(CHAOS))

# Kills, outages and rotation at random; LOGSHIP_TEST_SEED and the counts that the tests name make
# a long run of it.
test-chaos: $(VENV)/.dev
	@$(MAKE) --no-print-directory -j 2 --output-sync=target test-kills test-outages

test-kills: $(VENV)/.dev
	@$(BIN)/python -m pytest -q tests/crash

test-outages: $(VENV)/.dev
	@$(BIN)/python -m pytest -q $(CHAOS)

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
