# `make` or `make help` lists what there is. Every target sets up what it needs.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
DEMO ?= demo-study
# Of the two languages the one that the demo does not speak here.
OTHER := $(if $(filter ko%,$(TUNEOFF_LANG)$(LC_ALL)$(LC_MESSAGES)$(LANG)),en,ko)
DATA ?= ../shared/data
KO_MINI ?= build/ko_mini

.DEFAULT_GOAL := help

.PHONY: help
help: ## List the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /\1\t/' | sort | while IFS="$$(printf '\t')" read -r name text; do printf '  %-12s %s\n' "$$name" "$$text"; done

$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "tuneoff needs Python 3.11 or newer; set PYTHON=…"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade -c constraints.txt pip
	$(BIN)/pip install --quiet -c constraints.txt torch
	$(BIN)/pip install --quiet -c constraints.txt -e '.[quantize,sample,track,cluster,dev]'
	touch $(READY)

.PHONY: install
install: $(READY) ## Make the environment in .venv

.PHONY: demo
demo: $(READY) ## Compare fourteen methods on the sample data, offline
	$(BIN)/tuneoff demo $(DEMO)
	$(BIN)/tuneoff report $(DEMO) --lang $(OTHER)

.PHONY: demo-ko
demo-ko: $(READY) ## The same in Korean, on the small Korean encoder
	$(BIN)/tuneoff demo $(DEMO)-ko --lang ko

.PHONY: test
test: $(READY) ## Run the default test suite (under 15 minutes on 2 cores)
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m 'not slow'

.PHONY: test-all
test-all: $(READY) chromium ## Run every test, the slow ones too, property tests on new examples
	$(BIN)/python -m pytest --hypothesis-profile=explore --timeout=3600

.PHONY: chromium
chromium:
	@scripts/install_chromium.sh

.PHONY: browser
browser: $(READY) chromium ## Test report.html in a real browser
	$(BIN)/python -m pytest tests/browser

KILLS ?= 1000
.PHONY: torture
torture: $(READY) ## Kill a study's processes 1,000 times (KILLS=…) while its disk fills up now and then; nothing may be lost
	OMP_NUM_THREADS=1 $(BIN)/python -m tests.torture.torture build/torture --kills $(KILLS)

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

.PHONY: docs
docs: $(READY) ## Build the documentation site into site/, strictly
	$(BIN)/python -m scripts.docs.site

.PHONY: docs-update
docs-update: $(READY) ## Write the tables that are made from the code into the pages
	$(BIN)/python -m cogapp -r docs/*.md docs/*/*.md

.PHONY: bench
bench: $(READY) ## Compare speed, memory and accuracy with Hugging Face Trainer + PEFT
	$(BIN)/python bench/vs_trainer.py

.PHONY: bench-study
bench-study: $(READY) ## Compare the wall time of a whole study with the same trials by Trainer
	$(BIN)/python bench/study_vs_trainer.py

.PHONY: ko-mini
ko-mini: $(READY) ## Train the Korean sample backbone (hours; stop and go on as you like)
	OMP_WAIT_POLICY=PASSIVE $(BIN)/python -m training.ko_mini.train --data $(DATA) --out $(KO_MINI)
	$(BIN)/python -m training.ko_mini.train --data $(DATA) --out $(KO_MINI) --cool-down 80

.PHONY: ko-mini-card
ko-mini-card: $(READY) ## Measure the Korean sample backbone and write its table
	$(BIN)/python -m training.ko_mini.evaluate --data $(DATA) --run $(KO_MINI) --out $(KO_MINI)/studies

.PHONY: notebooks
notebooks: $(READY) ## Write the sample's notebooks again
	$(BIN)/python -c 'from pathlib import Path; from tuneoff.notebooks import write_notebooks as w; w(Path("notebooks"), None, "en"); w(Path("notebooks/ko"), None, "ko")'

.PHONY: audit
audit: $(READY) ## Hold the pinned versions against published advisories (asks the advisory service)
	@$(BIN)/pip install --quiet -c constraints.txt -e '.[audit]'
	@$(BIN)/python -m scripts.audit constraints.txt

SECONDS ?= 100
.PHONY: fuzz
fuzz: $(READY) ## Fuzz the readers of study files, data files and records, SECONDS=… each; finds go to build/fuzz/finds
	@$(BIN)/pip install --quiet -c constraints.txt -e '.[fuzz]'
	$(BIN)/python -m tests.fuzz.run all $(SECONDS)

.PHONY: wheel
wheel: $(READY) ## Build the wheel into dist/
	$(BIN)/python -m build --wheel --no-isolation --outdir dist .

.PHONY: clean
clean: ## Remove the environment and everything made
	rm -rf $(VENV) dist build demo-study .mypy_cache .pytest_cache .ruff_cache
