# Every target works from a clean clone: what needs the environment makes it first.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.ready
export PIP_CONSTRAINT := $(CURDIR)/constraints.txt
export PIP_DISABLE_PIP_VERSION_CHECK := 1

.DEFAULT_GOAL := help
.PHONY: help setup demo test torture fuzz bench bench-gpu lint format reference clean

help: ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP) ## make .venv with everything pinned (seconds when it is there already)

$(STAMP): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(0 if sys.version_info >= (3, 11) else "loopspec needs Python 3.11 or newer; this is " + sys.version.split()[0] + ". Try: make setup PYTHON=python3.11")'
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@

demo: setup ## spec to scored artifact on the standard library's source, some four minutes on two cores
	$(BIN)/loopspec run quickstart

test: setup ## the fast suite
	$(BIN)/python -m pytest -n 2 --dist worksteal -q

torture: setup ## long property and fault-injection tests
	HYPOTHESIS_PROFILE=torture $(BIN)/python -m pytest -q -m torture

fuzz: setup ## hostile artifacts, codes and specs for hours, or RUNS=n of each; by coverage if there is atheris
	PYTHONPATH=tests $(BIN)/python -m fuzz artifact_reader $(if $(RUNS),--runs $(RUNS))
	PYTHONPATH=tests $(BIN)/python -m fuzz codes $(if $(RUNS),--runs $(RUNS))
	PYTHONPATH=tests $(BIN)/python -m fuzz front_end $(if $(RUNS),--runs $(RUNS))

bench: setup ## speed, as ratios within one run
	$(BIN)/python tests/bench/run.py

bench-gpu: setup ## the same on a CUDA machine, at published size
	$(BIN)/python tests/bench/gpu.py --json bench-gpu.json

lint: setup ## format, lint and types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: setup ## rewrite the sources in the project's format
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

reference: setup ## rewrite specs/README.md from the schema
	$(BIN)/python -m loopspec.compiler.schema.reference specs/README.md

clean: ## remove the environment, caches and runs
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis runs
