# Entrances only; the logic is in dvc.yaml and stages/.
.DEFAULT_GOAL := help
PYTHON ?= python3.11
SHELL := /bin/bash
export SHELL
export PATH := $(CURDIR)/.venv/bin:$(PATH)
export PYTHONPATH := $(CURDIR)
export DVC_NO_ANALYTICS := 1
export TOKENIZERS_PARALLELISM := false
# glibc keeps freed memory instead of faulting it in again: training steps take an eighth less.
export MALLOC_MMAP_THRESHOLD_ := 1073741824
export MALLOC_TRIM_THRESHOLD_ := 4294967296
export MALLOC_TOP_PAD_ := 268435456

.PHONY: help setup repro report data standard export verify arms arms-plan arms-check test test-long lint replicate bench bench-gpu plan doctor compare lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## /\t/' | expand -t 12

setup: .venv/ready ## create .venv with the locked packages

.venv/ready: requirements.lock
	$(PYTHON) -m venv .venv
	.venv/bin/pip install --quiet --disable-pip-version-check -r requirements.lock
	@touch $@

repro: setup ## run the pipeline: only what is out of date
	python -m dvc repro

report: repro ## run the pipeline, then write reports/<scale>/<suite>/
	python -m stages.report

data: setup ## the training data of a scale and its card, no model tuned (SCALE=paper-0_6b)
	python -m dvc $(if $(SCALE),exp run -S scale=$(SCALE),repro) qe@select
	python -m stages.report.data_card

export: repro ## merge the tuned model into an ordinary Hugging Face folder with its card, data/export
	python -m stages.model.export data/train_s2 data/export
	python -m stages.report.model_card data/export

standard: setup ## judge the same systems on news and the field's benchmarks (suite: standard)
	python -m dvc exp run -S suite=standard format@suite download@items download@calibration
	python -m stages.experiments.estimate
	python -m dvc exp run -S suite=standard
	python -m stages.experiments.calibration
	python -m stages.report

verify: setup ## recompute every committed run from its rows and compare to the digit
	python -m stages.verify

arms: setup ## run every arm of params.yaml that has no result, one after the other; stop it at any time
	python -m stages.experiments.arms run

arms-plan: setup ## every arm: order, minutes, question, state
	python -m stages.experiments.arms list

arms-check: setup ## after a change of code: does the reference arm still give equal bytes?
	python -m stages.experiments.arms check

test: setup ## run the tests, the tiny pipeline included
	python -m pytest -n 2 --dist loadfile -m 'not long'

test-long: setup ## long simulations, fuzzing and full counts, for the weekly job
	python -m pytest -n 2 --dist worksteal -m long

lint: setup ## style and types
	ruff check .
	mypy

replicate: setup ## run the pipeline from nothing in a temporary clone and compare (RUN=desk/desk)
	python -m tests.replicate $(RUN)

plan: setup ## what a scale costs, stage by stage, before anything is spent
	python -m stages.experiments.plan

doctor: setup ## environment, disk, models, names: what would stop a run, and what to do
	python -m stages.experiments.doctor

compare: setup ## a system of others against the base (SYSTEM=tower_plus; ACCEPT=--accept for its licence)
	python -m stages.experiments.compare $(SYSTEM) $(ACCEPT)

bench: repro ## speed against named peers, in one run
	set -e; for script in tests/bench/bench_*.py; do python $$script; done

bench-gpu: setup ## training steps at Qwen3-8B's width, 12 layers, on one GPU of 80 GB
	python tests/bench/bench_training.py --device cuda --width 4096 --depth 12 --vocabulary 151936 \
	  --examples 512 --length 200 --pack 8192

lock: ## resolve pyproject.toml again into requirements.lock (needs uv)
	uv pip compile pyproject.toml --extra dev --python-version 3.11 --no-annotate --no-header --quiet \
	  | grep -vE '^(nvidia-|cuda-|triton)' > requirements.lock.part
	mv requirements.lock.part requirements.lock

clean: ## remove data, caches and the environment; keeps reports and dvc.lock
	rm -rf .venv .dvc/cache .dvc/tmp .pytest_cache .mypy_cache .ruff_cache
	find data -mindepth 1 ! -name sources.lock -delete
