# Break the Fleet: `make start` to learn, `make test` to check. Windows without make: see README.md.
PYTHON ?= python3
VENV   ?= .venv
PY     := $(VENV)/bin/python

# Progress made by checks and builds belongs to nobody: it goes to a folder that is removed afterwards.
SCRATCH = home=$$(mktemp -d) && trap 'rm -rf "$$home"' EXIT INT TERM && export FLEETLAB_HOME="$$home"
# nbval runs the committed notebooks, not the working copy: a learner's edits never make it fail.
NBVAL = $(PY) -m fleetlab.course.authoring --export "$$home/book" && $(PY) -m pytest --nbval -n 2 --dist loadfile

.DEFAULT_GOAL := help
.PHONY: help setup dev start test build bench lint clean lock

help:  ## list these targets
	@sed -n 's/^\([a-z]*\):.*## /\1  /p' Makefile | awk -F'  ' '{ printf "make %-7s %s\n", $$1, $$2 }'

setup: $(VENV)/.package  ## virtual environment, locked dependencies, the package; a second call installs nothing
	@:

start: setup  ## JupyterLab at the first lesson
	@$(PY) -m fleetlab.course.cli start

test: setup  ## sources against committed notebooks, tests, committed outputs against a new run
	@$(MAKE) --no-print-directory build CHECK=1
	@$(SCRATCH) && $(PY) -m pytest -n 2
	@$(SCRATCH) && $(NBVAL) "$$home/book"

build: setup  ## lessons/ into notebooks; CHECK=1 only compares
	@$(SCRATCH) && $(PY) -m fleetlab.course.authoring $(if $(CHECK),--check)

bench: dev  ## figures, as a table and as JSON
	@$(SCRATCH) && $(PY) bench/run.py

lint: dev  ## ruff, mypy, codespell, and the course's own rules
	@$(PY) -m ruff check .
	@$(PY) -m ruff format --check .
	@$(PY) -m mypy
	@$(PY) -m codespell_lib
	@$(PY) -m fleetlab.course.lint

dev: setup $(VENV)/.dev

clean:  ## everything that these targets made, but not your answers
	rm -rf $(VENV) build dist .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -type d -prune -exec rm -rf {} +
	find . -name .ipynb_checkpoints -type d -prune -exec rm -rf {} +

# One resolution for every system and Python from 3.11 on. Needs uv; nothing else does.
UV      ?= uv
RESOLVE  = $(UV) pip compile --no-config --quiet --upgrade --universal --python-version 3.11 --no-header --no-emit-index-url --no-emit-find-links
lock:  ## newest versions into the lock files (needs uv)
	$(RESOLVE) --annotation-style line pyproject.toml --extra setup -o requirements.lock
	$(RESOLVE) --no-annotate pyproject.toml --extra setup --extra dev -c requirements.lock -o requirements-dev.lock
	cp requirements.lock binder/requirements.txt

$(VENV)/.python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Break the Fleet needs Python 3.11 or newer; name yours like this: make PYTHON=python3.12 $(or $(MAKECMDGOALS),setup)" >&2; exit 1; }
	@$(PYTHON) -m venv $(VENV)
	@touch $@

# The locks are complete, so pip resolves nothing; `pip check` says if one is not.
$(VENV)/.lock: requirements.lock | $(VENV)/.python
	@echo "Installing the course's packages ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements.lock
	@touch $@

$(VENV)/.package: pyproject.toml $(VENV)/.lock
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(PY) -m pip check --disable-pip-version-check
	@touch $@

$(VENV)/.dev: requirements-dev.lock $(VENV)/.lock
	@echo "Installing the developers' tools ..."
	@$(PY) -m pip install --quiet --disable-pip-version-check --no-deps -r requirements-dev.lock
	@touch $@
