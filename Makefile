# Every command of the project. `make help` lists them; `make check` is exactly what CI runs.
SHELL := /bin/bash
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
unexport VIRTUAL_ENV

BIN := .venv/bin
UV := $(BIN)/uv
PYTEST := $(BIN)/pytest
EDITABLES := --no-deps --no-build-isolation -e otel -e services
LOCK := $(UV) pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-annotate \
	--no-emit-index-url --no-emit-find-links --no-emit-package voxtrace --no-emit-package voxtrace-services

# Pika 1.5 says that BlockingConnection will go, and leaves its loop's own pair of sockets to the collector.
PIKA_NEXT_WARNINGS := -W "ignore:BlockingConnection is deprecated:DeprecationWarning" \
	-W "ignore:unclosed <socket.socket:ResourceWarning"

help: ## list the targets
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 16

##: set-up ---------------------------------------------------------------
$(UV): requirements/uv.txt
	deploy/native/bootstrap .venv requirements/uv.txt

.venv/.demo: requirements/demo.txt otel/pyproject.toml services/pyproject.toml | $(UV)
	$(UV) pip install --quiet --python .venv --require-hashes -r requirements/demo.txt
	$(UV) pip install --quiet --python .venv $(EDITABLES)
	touch $@

.venv/.dev: requirements/dev.txt .venv/.demo
	$(UV) pip install --quiet --python .venv --require-hashes -r requirements/dev.txt
	touch $@

.venv-whisper/.whisper: requirements/whisper.txt otel/pyproject.toml services/pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python .venv/bin/python .venv-whisper
	$(UV) pip install --quiet --python .venv-whisper --require-hashes -r requirements/whisper.txt
	$(UV) pip install --quiet --python .venv-whisper $(EDITABLES)
	touch $@

.venv-argos/.argos: requirements/argos.txt otel/pyproject.toml services/pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python .venv/bin/python .venv-argos
	$(UV) pip install --quiet --python .venv-argos --require-hashes -r requirements/argos.txt
	$(UV) pip install --quiet --python .venv-argos $(EDITABLES)
	touch $@

.venv-pika-next/.pika-next: requirements/pika-next.txt otel/pyproject.toml services/pyproject.toml | $(UV)
	$(UV) venv --quiet --allow-existing --python .venv/bin/python .venv-pika-next
	$(UV) pip install --quiet --python .venv-pika-next --require-hashes -r requirements/pika-next.txt
	$(UV) pip install --quiet --python .venv-pika-next $(EDITABLES)
	touch $@

setup: .venv/.dev ## install what development needs into .venv
	$(BIN)/python -m voxtrace_services.native install tests
	$(BIN)/python -m voxtrace_services.native build

##: run ------------------------------------------------------------------
demo: .venv/.demo ## run one upload on real parts and show its trace (AUDIO=any.wav|mp3|flac|ogg)
	@$(BIN)/python -m voxtrace_services.native install demo
	@$(BIN)/voxtrace demo $(if $(AUDIO),"$(AUDIO)")

up: .venv/.demo ## start the pipeline and leave it running (FULL=1: with Collector, Jaeger, Prometheus)
	@$(BIN)/python -m voxtrace_services.native install $(if $(FULL),full,demo)
	@$(BIN)/voxtrace up $(if $(FULL),--full)

down: ## stop what `make up` started
	@$(BIN)/voxtrace down

##: check ----------------------------------------------------------------
format: .venv/.dev ## rewrite the code in the house style
	$(BIN)/ruff format . && $(BIN)/ruff check --fix .

schema: .venv/.dev ## write semconv.py and docs/telemetry.md from otel/schema
	$(BIN)/python otel/schema

dashboards: .venv/.dev ## write deploy/grafana/dashboards from the program beside them
	$(BIN)/python deploy/grafana

lint: .venv/.dev ## style, import directions, what is generated from the schema, dashboards
	$(BIN)/ruff format --check . && $(BIN)/ruff check . && $(BIN)/lint-imports --no-cache
	$(BIN)/python otel/schema --check && $(BIN)/python deploy/grafana --check

types: .venv/.dev ## mypy strict on both dists, the schema, the dashboards, and the public API as a user writes it
	$(BIN)/mypy && $(BIN)/mypy tests/typing/api.py
	for folder in otel/schema deploy/grafana; do (cd $$folder && ../../$(BIN)/mypy --config-file ../../pyproject.toml *.py) || exit; done

unit: .venv/.dev ## fast tests, on no real part but FFmpeg
	$(BIN)/python -m voxtrace_services.native install unit
	$(PYTEST) tests/unit

contract: setup ## one suite per seam, on the in-memory adapter and on the real part
	$(PYTEST) tests/contract

integration: setup ## each part of ours on real parts
	$(PYTEST) tests/integration -m "not argos and not whisper" --ignore tests/integration/pika_next

whisper: setup .venv-whisper/.whisper ## a job through the real openai-whisper (torch is large: a venv of its own)
	.venv-whisper/bin/pytest tests/integration/whisper

argos: .venv/.dev .venv-argos/.argos ## translation by the real Argos with a tiny model (torch is large: a venv of its own)
	.venv-argos/bin/pytest tests/integration/argos

pika-next: setup .venv-pika-next/.pika-next ## the messaging suites on the pika to come (a pre-release: a venv of its own)
	.venv-pika-next/bin/pytest $(PIKA_NEXT_WARNINGS) tests/integration/pika_next tests/contract/messaging

e2e: setup ## the whole pipeline on RabbitMQ, Collector, Jaeger and Prometheus
	$(PYTEST) tests/e2e --ignore tests/e2e/drills
	$(PYTEST) tests/e2e/drills

rules: setup ## Prometheus and Collector configuration, checked by their own tools
	$(PYTEST) tests/rules

test: unit contract integration whisper argos pika-next rules e2e ## set up and test everything

check: lint types test ## exactly what CI runs

bench-messaging: setup ## CPU per message beside the official pika instrumentation (JSON=1: as a document; ARGS: options)
	$(BIN)/python tests/bench/messaging $(if $(JSON),--json) $(ARGS)

bench-speech: .venv/.dev ## wall time, spans and memory that tracing a transcription adds (JSON=1: as a document; ARGS: options)
	$(BIN)/python tests/bench/speech $(if $(JSON),--json) $(ARGS)

lock: $(UV) ## renew the hashed requirement files from the pyproject files
	$(LOCK) requirements/uv.in -o requirements/uv.txt
	$(LOCK) pyproject.toml --group dev -o requirements/dev.txt
	$(LOCK) pyproject.toml --group demo -c requirements/dev.txt -o requirements/demo.txt
	$(LOCK) --group whisper -o requirements/whisper.txt
	$(LOCK) --group argos -o requirements/argos.txt
	$(LOCK) --group pika-next -o requirements/pika-next.txt

.PHONY: help setup demo up down format schema dashboards lint types unit contract integration whisper argos pika-next e2e rules test check bench-messaging bench-speech lock
