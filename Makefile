# The same commands that CI runs. Each sets up what it needs, into .venv and frontend/node_modules.
SHELL := /bin/bash
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
KERNEL := src/pcap_analyzer/capture/kernel
STATIC := src/pcap_analyzer/web/static
BUNDLE := src/pcap_analyzer/report/static
REQUIREMENTS := requirements/build.txt requirements/run.txt requirements/dev.txt

.PHONY: help setup run test lint bench acceptance format lock schema clean
.DEFAULT_GOAL := help

help: ## list the targets
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: $(VENV)/.kernel $(STATIC)/.built ## virtual environment, kernel and front end

run: setup ## start the service on http://127.0.0.1:8000
	$(BIN)/pcap-analyzer serve

test: setup ## all tests; what a missing Debian package or kernel feature forbids is skipped and named
	$(BIN)/python -m pytest

lint: setup ## style, types, layering
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	cd frontend && npm run --silent lint

bench: setup ## cost against cat, tcptrace and tshark in one run
	$(BIN)/python -m benchmarks

acceptance: setup ## every promised figure as it is written; the log goes to docs/acceptance.md
	$(BIN)/python -m tests.acceptance

format: setup ## let ruff rewrite the Python files
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

schema: setup ## write docs/report.schema.json anew
	$(BIN)/python -m pcap_analyzer.report.schema docs/report.schema.json

lock: $(VENV)/.installed ## compile the hashed requirement locks from requirements/*.in
	cd requirements && for name in build run dev; do \
	  ../$(BIN)/pip-compile --quiet --upgrade --strip-extras --allow-unsafe --generate-hashes --no-header \
	    --no-emit-index-url --no-emit-find-links --no-emit-trusted-host -o $$name.txt $$name.in || exit 1; done

clean: ## remove everything that setup made
	rm -rf $(VENV) build frontend/node_modules $(STATIC) $(BUNDLE)
	rm -f $(KERNEL)/*.c $(KERNEL)/*.so

# --- what setup is made of ---------------------------------------------------------------------

$(VENV)/.installed: $(REQUIREMENTS)
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed: make PYTHON=python3.12 ..." >&2; exit 1; }
	@command -v cc >/dev/null || { echo "A C compiler is needed (Debian: apt-get install build-essential python3-dev)" >&2; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes $(REQUIREMENTS:%=-r %)
	@touch $@

$(VENV)/.package: $(VENV)/.installed pyproject.toml setup.py requirements/run.in
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation --no-index -e .
	@touch $@

$(VENV)/.kernel: $(VENV)/.package setup.py $(wildcard $(KERNEL)/*.pyx $(KERNEL)/*.pxd)
	$(BIN)/python setup.py --quiet build_ext --inplace
	@touch $@

frontend/node_modules/.installed: frontend/package.json frontend/package-lock.json
	@node -e 'const [a,b]=process.versions.node.split(".").map(Number); process.exit(a>20||(a===20&&b>=19)?0:1)' || { echo "Node 20.19 or newer is needed for the pages" >&2; exit 1; }
	cd frontend && npm ci --silent --no-audit --no-fund
	@touch $@

# The one-file report's bundle comes from the same build.
ifeq ($(wildcard $(BUNDLE)/report.js),)
.PHONY: $(STATIC)/.built
endif

$(STATIC)/.built: frontend/node_modules/.installed $(shell find frontend -path frontend/node_modules -prune -o -type f -print 2>/dev/null)
	cd frontend && npm run --silent build
	@touch $@
