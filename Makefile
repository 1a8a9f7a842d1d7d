# make run: from a bare machine to the web UI.  make test: lint, types and every test.
PYTHON ?= python3.11
BIN := .venv/bin
CHROMIUM := chromium chromium-browser google-chrome
override export Q := $(value Q)

.PHONY: run ask sync test check lint types tests install install-dev browser clean help

help:
	@echo "make run | make ask Q=\"…\" | make sync | make test | make clean"

run: install
	@$(BIN)/rag run

ask: install
	@$(BIN)/rag models pull && $(BIN)/rag sync >/dev/null && $(BIN)/rag ask -- "$$Q"

sync: install
	@$(BIN)/rag sync

test check: lint types tests

lint: install-dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

types: install-dev
	$(BIN)/mypy

tests: install-dev browser
	$(BIN)/python -m pytest --cov --cov-report=term

install: .venv/installed

install-dev: .venv/installed-dev

# The stamp is written last, so that an interrupted installation is taken up again.
.venv/installed: pyproject.toml .constraints.txt
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(PYTHON) -m venv --clear .venv || { \
	  echo "make: Python 3.11 with venv is needed (Debian: python3.11-venv); name yours with PYTHON=/path/to/python3.11"; exit 1; }
	@echo "Installing the pinned packages into .venv (about 2 GB; a few minutes the first time)"
	@$(BIN)/python -m pip install --disable-pip-version-check --progress-bar on --constraint .constraints.txt --editable .
	@touch $@

.venv/installed-dev: .venv/installed
	@$(BIN)/python -m pip install --disable-pip-version-check --quiet --constraint .constraints.txt --editable ".[dev]"
	@touch $@

browser:
	@for name in $(CHROMIUM); do command -v $$name >/dev/null && exit 0; done; \
	  if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null && apt-get update -qq && apt-get install -y -qq chromium fonts-noto-cjk; then exit 0; fi; \
	  echo "make: no Chromium, so the browser tests are left out; install it for them (Debian: sudo apt-get install chromium)"

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache build *.egg-info
