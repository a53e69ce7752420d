# Two commands for everybody: `make demo` and `make test`. The rest is for those who change the code.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PIP_FLAGS ?=
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet
SHELL := /bin/bash

# $(call timed,NAME,COMMAND) runs a group and prints how long it took.
define timed
	@echo "== $(1)"; start=$$(date +%s); $(2); status=$$?; \
	echo "== $(1): $$(( $$(date +%s) - start )) s"; exit $$status
endef

.PHONY: demo test test-long test-ssh test-browser test-seeds test-all bench lint types install clean
demo: $(VENV)/.installed
	@$(BIN)/monoscope demo

install: $(VENV)/.installed

$(VENV)/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "monoscope needs Python 3.11 or newer; say which with: make PYTHON=python3.12 demo"; exit 1; }
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml constraints.txt
	@echo "Installing monoscope and its libraries into $(VENV) (about 360 MB to download with the CPU build of torch) ..."
	@$(PIP) install $(PIP_FLAGS) --constraint constraints.txt torch
	@$(PIP) install $(PIP_FLAGS) --constraint constraints.txt --editable .
	@touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	@$(PIP) install $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev]'
	@touch $@

# Small steps shared out to several threads are five times slower on a busy machine. Compiled modules are kept whatever
# the environment says, because the tests start hundreds of processes.
TESTS := test test-long test-ssh test-browser test-seeds
$(TESTS) test-all: export OMP_NUM_THREADS = 1
$(TESTS) test-all: export PYTHONDONTWRITEBYTECODE =

# Two workers, a file each at a time, so that what a file sets up is set up once. Files go in the order of their names:
# by the number of their tests, the few that train for a minute would come last, beside an idle worker.
PARALLEL := -q -n 2 --dist loadfile --no-loadscope-reorder -rs
SHORT := not (ssh or browser or soak or long or seeds)

# Everything that a change has to pass, and one path on real data.
test: $(VENV)/.installed-dev
	$(call timed,lint,$(BIN)/ruff check . && $(BIN)/ruff format --check .)
	$(call timed,types,$(BIN)/mypy)
	$(call timed,tests,$(BIN)/pytest $(PARALLEL) -m "$(SHORT)")

# Trains several models, or presses random keys for minutes.
test-long: $(VENV)/.installed-dev
	$(call timed,what takes long,$(BIN)/pytest $(PARALLEL) -m "(long or soak) and not seeds")

# Needs sshd, ssh and tmux.
test-ssh: $(VENV)/.installed-dev
	$(call timed,over SSH,$(BIN)/pytest -q -m ssh -rs)

# Needs Chromium.
test-browser: $(VENV)/.installed-dev
	$(call timed,in a browser,$(BIN)/pytest -q -m browser -rs)

# The claims on real data, over three base seeds.
test-seeds: $(VENV)/.installed-dev
	$(call timed,three seeds,$(BIN)/pytest -q -m seeds -rs)

test-all: $(TESTS)

bench: $(VENV)/.installed-dev
	@$(PIP) install $(PIP_FLAGS) --constraint constraints.txt --editable '.[dev,peers]'
	$(BIN)/python -m tests.benchmarks

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check --fix . && $(BIN)/ruff format .

types: $(VENV)/.installed-dev
	$(BIN)/mypy

clean:
	rm -rf $(VENV) dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis
