# `make` or `make help` lists what there is. Every target sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO ?= demo-study

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | sort | while IFS="$$(printf '\t')" read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tuneoff needs Python 3.11 or newer; set PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/pip install --quiet -c constraints.txt torch
	$(BIN)/pip install --quiet -c constraints.txt -e '.[quantize,sample,dev]'
	touch $(READY)

.PHONY: install
install: $(READY) ## Make the environment in .venv

.PHONY: demo
demo: $(READY) ## Compare every method on the sample data, offline
	$(BIN)/tuneoff demo $(DEMO)

.PHONY: test
test: $(READY) ## Run the default test suite (under 15 minutes on 2 cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m 'not slow'

.PHONY: test-all
test-all: $(READY) ## Run every test, the slow ones too
	$(BIN)/python -m pytest

.PHONY: lint
lint: $(READY) ## Check style and formatting
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

.PHONY: types
types: $(READY) ## Check types, strictly
	$(BIN)/mypy

.PHONY: format
format: $(READY) ## Format and fix what can be fixed
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

.PHONY: bench
bench: $(READY) ## Compare speed, memory and accuracy with Hugging Face Trainer + PEFT
	$(BIN)/python bench/vs_trainer.py

.PHONY: bench-study
bench-study: $(READY) ## Compare the wall time of a whole study with the same trials by Trainer
	$(BIN)/python bench/study_vs_trainer.py

.PHONY: wheel
wheel: $(READY) ## Build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

.PHONY: clean
clean: ## Remove the environment and everything made
	rm -rf $(VENV) dist build demo-study .mypy_cache .pytest_cache .ruff_cache
