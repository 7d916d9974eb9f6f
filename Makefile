# `make run` and `make test` need python3 (3.10 or newer, with venv) and nothing else: they make .venv themselves.
# Another Python: make test PYTHON=python3.12. Other files: make run FILES="models train.py".

PYTHON ?= python3
FILES ?= examples/
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
CODE := $(wildcard server tests examples benchmarks docs)

.PHONY: help run test soak lint format docs clean

help:
	@echo "make run     check examples/, or FILES=...     make test    everything that has to pass"
	@echo "make lint    style and types only              make format  rewrite the code in the project's style"
	@echo "make docs    write the generated pages         make soak    the long tests in full length (half an hour)"
	@echo "make clean   remove .venv and all caches"

run: $(VENV)/.installed
	@$(BIN)/biaslens check --exit-zero $(FILES)

test: lint
	$(BIN)/python -m pytest -n 2

soak: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --soak tests/test_soak.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/pyright --project pyproject.toml

format: $(VENV)/.installed-dev
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

docs: $(VENV)/.installed
	$(BIN)/python -m docs.generate

clean:
	rm -rf $(VENV) build dist .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# A stamp says that what pyproject.toml asks for is installed, so that a second run starts at once.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/.made
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/.made
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.installed

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "BiasLens needs Python 3.10 or newer as $(PYTHON). With another one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) lacks the venv module. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
