# Two commands for a newcomer: `make reproduce` and `make test`. Both set themselves up.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
# What is installed; `make test EXTRAS=pipeline,workflow,cuda,dev,timm,onnx,hardware,postgres,dgl` adds the second graph backend.
EXTRAS ?= pipeline,workflow,cuda,dev,timm,onnx,hardware,postgres
READY := $(VENV)/.ready-$(EXTRAS)

.DEFAULT_GOAL := help
.PHONY: help reproduce record headline test format benchmarks clean

help: ## show this list
	@grep -E '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/ —/'

# The stamp depends on what decides the environment, so an unchanged one costs nothing.
$(READY): pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.version_info >= (3, 11) or sys.exit("perfseer needs Python 3.11 or newer, this is " + sys.version.split()[0] + ": make PYTHON=python3.12 ...")'
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[$(EXTRAS)]'
	@touch $@

reproduce: $(READY) ## measure this machine, train, evaluate and render reports/ (about fifteen minutes)
	PATH="$(CURDIR)/$(BIN):$$PATH" snakemake
	@PATH="$(CURDIR)/$(BIN):$$PATH" $(MAKE) --no-print-directory record
	@printf '\nOpen, or their twins for browsers (.html):\n'; printf '  reports/%s.md\n' measurement perfseer comparison ablation benchmark hardware

record: $(READY) ## write what was computed into dvc.lock; refuses while jobs are outstanding
	@PATH="$(CURDIR)/$(BIN):$$PATH" sh workflow/record.sh

headline: $(READY) ## renew README's table of accuracy from reports/comparison.md
	$(BIN)/python -m perfseer.studies.comparison.headline README.md reports/comparison.md

test: $(READY) ## format, lint, types, tests
	PATH="$(CURDIR)/$(BIN):$$PATH" sh tests/run.sh

format: $(READY) ## apply the formatters
	$(BIN)/ruff format . && $(BIN)/ruff check --fix . && $(BIN)/snakefmt workflow

benchmarks: $(READY) ## speed of capture, packing and training, as ratios
	$(BIN)/python -m pytest benchmarks/bench_*.py -q -s --benchmark-only --benchmark-columns=min,median,ops

clean: ## remove results and logs; the measuring journal stays
	rm -rf results logs .snakemake
