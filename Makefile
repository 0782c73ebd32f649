# bids_sr: needs GNU make and Python 3.11 or later; everything else goes into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed
EXTRAS := test,train,dev
SUBJECT ?= philips02
SLICES_STEP ?= 2
PARITY_VENV ?= .venv-parity
BROWSER_SUBJECTS ?= philips02 sherbrooke01 prisma01 prisma02 canon01
BROWSER_OUT ?= browser-out
CHAOS_OUT ?= chaos-out
PYTEST_ARGS ?= -n 2 --dist loadfile
DEMO_DATA := examples/dwi-small
DEMO_OUT := demo-out
DEMO_WORK := demo-work

.DEFAULT_GOAL := help
.PHONY: help setup demo test parity-test chaos fuzz browser-test benchmark-quality benchmark-uncertainty benchmark-grid lint format container clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: $(STAMP) ## create .venv and install bids_sr into it (a second call is quick)

$(STAMP): pyproject.toml version
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(BIN)/python -m pip install --quiet -e '.[$(EXTRAS)]'
	@touch $@

demo: $(STAMP) ## super-resolve the example scan and write its report
	rm -rf $(DEMO_OUT) $(DEMO_WORK)
	$(BIN)/bids-sr $(DEMO_DATA) $(DEMO_OUT) participant -w $(DEMO_WORK)
	$(BIN)/bids-sr $(DEMO_DATA) $(DEMO_OUT) group
	@echo; echo "Done. Open these in a browser:"
	@for page in $(DEMO_OUT)/*.html; do echo "  $(CURDIR)/$$page"; done

test: $(STAMP) ## run the tests
	$(BIN)/python -m pytest $(PYTEST_ARGS)

parity-test: ## compare the paper's network with fastai's own (installs fastai beside)
	test -x $(PARITY_VENV)/bin/python || $(PYTHON) -m venv $(PARITY_VENV)
	$(PARITY_VENV)/bin/python -m pip install --quiet -e '.[test,parity]'
	$(PARITY_VENV)/bin/python -m pytest -rA tests/networks/test_paper_parity.py

chaos: $(STAMP) ## kill, starve and damage calls, ROUNDS=50 SEED=1, and look what was lost (root: full disks too)
	$(BIN)/python benchmarks/chaos.py --rounds $(or $(ROUNDS),50) --seed $(or $(SEED),1) --work $(CHAOS_OUT)

fuzz: $(STAMP) ## random headers, gradients and sidecars by the thousands
	HYPOTHESIS_PROFILE=many $(BIN)/python -m pytest -n 0 tests/faults -k fuzz

browser-test: $(STAMP) ## reports of real scans in headless Chromium; DATA=BIDS folder (needs Chromium)
	@test -n "$(DATA)" || { echo "Give DATA=FOLDER, a BIDS dataset with $(BROWSER_SUBJECTS)."; exit 2; }
	$(BIN)/bids-sr $(DATA) $(BROWSER_OUT) participant --participant-label $(BROWSER_SUBJECTS) \
		--ensemble 1 -w $(DEMO_WORK)
	$(BIN)/bids-sr $(DATA) $(BROWSER_OUT) group
	BIDS_SR_REPORTS=$(BROWSER_OUT) $(BIN)/python -m pytest -v -n 0 tests/report/test_browser_scans.py

benchmark-quality: $(STAMP) ## quality tables of the shipped networks; DATA=BIDS folder, SUBJECT=label
	@test -n "$(DATA)" || { echo "Give DATA=FOLDER, a BIDS dataset with sub-$(SUBJECT)."; exit 2; }
	for factor in 2 3; do for reference in scan denoised synthetic; do \
		$(BIN)/bids-sr-evaluate $(DATA) --participant-label $(SUBJECT) --scale $$factor \
			--reference $$reference --goals --budget --slices-step $(SLICES_STEP) --work $(DEMO_WORK)/quality || exit 1; \
	done; done

benchmark-uncertainty: $(STAMP) ## does the spread of the copies predict the error; DATA=BIDS folder, SUBJECT=label
	@test -n "$(DATA)" || { echo "Give DATA=FOLDER, a BIDS dataset with sub-$(SUBJECT)."; exit 2; }
	$(BIN)/python benchmarks/uncertainty.py --data $(DATA) --subject $(SUBJECT) --slices-step 4 \
		--work $(DEMO_WORK)/quality --figure docs/figures/uncertainty-x2.png

benchmark-grid: $(STAMP) ## figures of the grid flag; DATA=BIDS folder, MODELS=networks
	@test -n "$(DATA)" || { echo "Give DATA=FOLDER, a BIDS dataset, and MODELS='NAME FOLDER ...'."; exit 2; }
	$(BIN)/python benchmarks/grid_flag.py $(DATA) --participant-label philips02 prisma02 canon01 \
		--ensemble 1 --model $(or $(MODELS),shallow-x2 shallow-x3)

lint: $(STAMP) ## ruff and mypy
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP) ## let ruff put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

container: ## build the container image (docker; set ENGINE=podman for podman)
	$(or $(ENGINE),docker) build --build-arg IMAGE_TAG=bids_sr:$(shell cat version) \
		-t bids_sr:$(shell cat version) -t bids_sr:latest .

clean: ## remove what the demo, the tests and the builds left
	rm -rf $(DEMO_OUT) $(DEMO_WORK) $(BROWSER_OUT) $(CHAOS_OUT) build dist .pytest_cache .mypy_cache .ruff_cache
