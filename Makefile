# Every target starts from any state: it makes .venv first where that is missing or stale.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
BIN := .venv/bin
PYTEST := $(BIN)/python -m pytest
# a file's tests stay together: they share stations and recordings; a failed test is run once more, and the summary reports it
PARALLEL := -n 3 --dist loadfile --no-loadscope-reorder --reruns 1
SPHINX := python -m sphinx -W --keep-going -q -b html docs build/docs
ARGS ?=

.PHONY: help setup demo demo-quick test test-all bench lint format docs samples samples-browser pictures release pins clean

help: ## List the targets
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1|\2/p' Makefile | column -t -s '|' 2>/dev/null || grep -E '^[a-z-]+:.*##' Makefile
	@echo 'More options for a command: make demo ARGS="--seed 1"'

setup: ## Create or refresh .venv with the runtime dependencies, and check that rendering works
	@bash .ci/setup

demo: setup ## The main job: 6 demonstrations, 200 answers, 6 minutes of the processor, then report.html
	$(BIN)/robo-rlhf run --task pick_place --dataset samples/pick_place --demos 6 --labels 200 --minutes 6 $(ARGS)

demo-quick: setup ## The same loop with small numbers, in about two minutes
	$(BIN)/robo-rlhf run --task pick_place --dataset samples/pick_place --demos 10 --labels 24 --rounds 1 --preset quick --run quick $(ARGS)

test: setup-test ## The tests, without the slow ones
	$(PYTEST) $(PARALLEL) --ignore tests/benchmarks -m "not slow and not bench" $(ARGS)

test-all: setup-test ## All tests
	$(PYTEST) $(PARALLEL) -m "not bench" $(ARGS)

bench: setup-bench ## Measure speed and learning against the bars in docs/benchmarks.md
	$(PYTEST) -m bench -s $(ARGS)

lint: setup-lint ## ruff, mypy --strict, the import contracts, the word list, tsc over the scripts of the pages, and the documentation
	@failed=0; for tool in "ruff check" "ruff format --check" "mypy" "lint-imports --no-cache --no-logo" "python .ci/check_words.py" "tsc -p .ci/typescript/jsconfig.json" "$(SPHINX)"; do \
	  echo "$$tool"; $(BIN)/$$tool || failed=1; done; exit $$failed # all of them, so that one run shows every error

format: setup-lint ## Format and sort imports
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

docs: setup-docs ## Build the documentation into build/docs/index.html; a warning is an error
	$(BIN)/$(SPHINX)

samples: setup ## Re-record the demonstrations in recordings/samples
	$(BIN)/robo-rlhf samples $(ARGS)

samples-browser: setup-test ## Re-record recordings/samples/pick_place_browser: keys pressed in Chromium
	$(BIN)/python -m tests.browser.person $(ARGS)

pictures: setup-test ## Remake docs/pictures, but for the drawing loop.svg
	$(BIN)/python docs/make_pictures.py
	$(BIN)/python docs/make_pair_pictures.py
	$(BIN)/python docs/make_pages_pictures.py

release: setup ## Build the source distribution and the wheel into dist, and check what would be published; nothing is
	$(BIN)/python .ci/release.py $(ARGS)

pins: setup-bench setup-lint setup-docs ## Write the installed versions into .ci/constraints.txt
	$(BIN)/python -m pip install -q ray # of the extra "cluster", whose tests have an environment of their own
	{ sed -n '/^#/p' .ci/constraints.txt; $(BIN)/python -m pip freeze --all --exclude pip --exclude-editable | sed 's/+cpu//'; } > .venv/pins
	mv .venv/pins .ci/constraints.txt

clean: ## Remove .venv and build outputs; recordings and runs stay
	rm -rf .venv build dist .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find robo_rlhf teleop sim_assets tests -name __pycache__ -type d -prune -exec rm -rf {} +

.PHONY: setup-test setup-lint setup-bench setup-docs
setup-test setup-lint setup-bench setup-docs:
	@bash .ci/setup $(@:setup-%=%)
