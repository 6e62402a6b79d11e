# Everything a newcomer needs, and what continuous integration runs. `make` alone lists it.

SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help

# Build the environment anew with this Python instead of the first suitable one.
PYTHON ?=
# The simulation: how many seeds (without a number each test has its own, and `simulate` ten thousand), and the first one.
SEEDS ?=
SEED ?= 1
export SEED
# The storms: full, which is more than an hour, or quick, some minutes.
CHAOS ?= full

BIN := .venv/bin
# Named after what the set-up depends on, so that a changed lock or project file asks for a new one.
STAMP := .venv/.set-up-$(shell cat requirements.lock pyproject.toml | cksum | tr ' ' '-')
SUITABLE := import ensurepip, sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))

.PHONY: help setup demo test check fmt lint types docs fuzz unit clock simulate integration chaos up down status bench lock jars clean

help: ## list these targets
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  %-12s %s\n", $$1, $$2}'

setup: $(STAMP) ## environment, locked packages, Kafka jars; every target that needs them does this first

demo: setup ## a day of a sample shop, and the year after it, through the real pipeline (KEEP=1 leaves it running)
	$(BIN)/cartwheel demo $(if $(KEEP),--keep)

test: lint types ## everything: style, types, all tests, with real Kafka and PostgreSQL
	$(BIN)/python -m pytest -n 2 --dist loadfile

check: lint types unit ## what takes seconds: style, types, unit and contract tests

fmt: setup ## bring the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

lint: setup ## style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: setup ## types, strictly
	$(BIN)/mypy

docs: setup ## write what is made in the reference: pages of findings, tables of the language, schemas for editors
	$(BIN)/python -m agents.reference

unit: setup ## unit and contract tests
	$(BIN)/python -m pytest tests/unit tests/contract

clock: setup ## local time in every zone, around every change of a clock, against the oracle (minutes)
	CLOCK=full $(BIN)/python -m pytest tests/unit/test_clock_oracle.py

simulate: setup ## 10,000 small worlds where much goes wrong (SEEDS=100 for fewer, SEEDS=1 SEED=7 for a certain one)
	SEEDS=$(or $(SEEDS),10000) $(BIN)/python -m pytest -n 2 --dist worksteal tests/simulation

fuzz: setup ## a million damaged flow files and timelines for the compiler (INPUTS=10000 for fewer, SEED=7 for others)
	$(BIN)/python -m tests.fuzz --inputs $(or $(INPUTS),1000000) --seed $(SEED)

integration: setup ## tests with real Kafka and PostgreSQL
	$(BIN)/python -m pytest tests/integration

chaos: setup ## storms on real Kafka: workers, brokers and disks fail (CHAOS=quick for some minutes)
	CHAOS=$(CHAOS) $(BIN)/python -m pytest -s tests/chaos

up: setup ## start the local Kafka and PostgreSQL
	$(BIN)/cartwheel up

down: ## stop them
	$(BIN)/cartwheel down

status: ## show them, and the processes that run
	$(BIN)/cartwheel status

bench: setup ## replays, latency, timers, recovery, slopes, and the worker beside its peers (3 hours, docs/performance.md)
	$(BIN)/python -m benchmarks replay --keep
	$(BIN)/python -m benchmarks all
	$(BIN)/python -m benchmarks

lock: setup ## bring requirements.lock up to date with pyproject.toml
	$(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url \
	    --all-extras pyproject.toml -o requirements.lock

jars: ## record the checksums of the Kafka jars after a change of deploy/local/pom.xml
	@scratch=$$(mktemp -d); trap 'rm -rf "$$scratch"' EXIT; \
	mvn --quiet --batch-mode --file deploy/local/pom.xml dependency:copy-dependencies \
	    -DincludeScope=runtime -DoutputDirectory="$$scratch"; \
	(cd "$$scratch" && sha256sum *.jar) > deploy/local/kafka-jars.sha256

clean: ## remove the environment, caches and local data (stops the local stack first)
	[ ! -x $(BIN)/cartwheel ] || $(BIN)/cartwheel down
	rm -rf .venv .local .pytest_cache .mypy_cache .ruff_cache .hypothesis dist build
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

$(STAMP):
	@python="$(PYTHON)"; \
	if [ -n "$$python" ] || ! $(BIN)/python -c '$(SUITABLE)' 2>/dev/null; then \
	    for candidate in python3.13 python3.12 python3.11 python3; do \
	        if [ -z "$$python" ] && $$candidate -c '$(SUITABLE)' 2>/dev/null; then python=$$candidate; fi; \
	    done; \
	    if [ -z "$$python" ]; then \
	        echo "There is no Python 3.11 to 3.13 with venv here: install one (Debian: python3-venv), or set PYTHON to it." >&2; \
	        exit 1; \
	    fi; \
	    echo "Creating .venv with $$($$python --version)"; \
	    $$python -m venv --clear .venv; \
	fi
	@echo "Installing the locked packages"
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@$(BIN)/cartwheel up --fetch-only
	@rm -f .venv/.set-up-*
	@touch $@
