# bids_sr: needs GNU make and Python 3.11 or later; everything else goes into .venv.
PYTHON ?= $(shell command -v python3.11 || command -v python3)
VENV ?= .venv
BIN := $(VENV)/bin
# what was put into .venv: what running needs; and, on demand, the extras of pyproject.toml
STAMP := $(VENV)/.installed
LINT := $(VENV)/.extra-dev
DEVELOP := $(LINT) $(VENV)/.extra-test $(VENV)/.extra-train
SUBJECT ?= philips02
OTHERS ?= canon01 uih01
PARITY_VENV ?= .venv-parity
BENCHMARK_VENV ?= .venv-benchmark
MUTATION_VENV ?= .venv-mutation
DOCS_VENV ?= .venv-docs
MUTATION_OUT ?= mutation-out
DOCS_OUT ?= docs-out
BROWSER_SUBJECTS ?= philips02 sherbrooke01 prisma01 prisma02 canon01
BROWSER_OUT ?= browser-out
CHAOS_OUT ?= chaos-out
GPU_JSON := docs/performance/gpu.json
PYTEST_ARGS ?= -n 2 --dist loadfile
SIZING_CASES := uih01_acq-AP:2:4 canon01_acq-ax_run-1:2:1 prisma02_acq-AP:2:1 prisma02_acq-AP:3:1 philips02:2:4
VARIANT ?= cuda
IMAGE_NAME := $(if $(filter cpu,$(VARIANT)),bids_sr-cpu,bids_sr)
TORCH_CPU := $(shell sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.lock)+cpu
IMAGE_ARGUMENTS = $(if $(TORCH),--build-arg TORCH="$(TORCH)",$(if $(filter cpu,$(VARIANT)),--build-arg TORCH="$(TORCH_CPU)")) \
	$(foreach name,TORCH_INDEX_URL TORCH_SHA256 BASE_IMAGE,$(if $($(name)),--build-arg $(name)="$($(name))")) \
	--build-arg VERSION=$(shell cat version) --build-arg REVISION=$(shell git rev-parse HEAD) \
	--build-arg CREATED=$(shell git log -1 --format=%cI)
# of the libraries all versions, of torch the newest that still serves Volta (docs/containers.md)
TORCH_LOCKED ?= torch==2.9.1
UV_COMPILE = $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-annotate --no-header \
	--no-emit-index-url --no-emit-find-links $(if $(UPGRADE),--upgrade)
DEMO_DATA := examples/dwi-small
# removed by make: not to be set from outside
override DEMO_OUT := demo-out
override DEMO_WORK := demo-work

.DEFAULT_GOAL := help
.PHONY: help setup demo test test-fast coverage parity-test mutation chaos fuzz browser-test slurm-test benchmark benchmark-growth benchmark-memory benchmark-hcp \
	benchmark-dtype benchmark-quality benchmark-uncertainty benchmark-grid benchmark-gradients benchmark-filling benchmark-order benchmark-tracking benchmark-discovery \
	benchmark-sizing gpu-check gpu-check-report readme-figure lint format docs docs-commands docs-pictures container container-test apptainer-test clean

help: ## show this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: $(DEVELOP) ## create .venv for developing: bids_sr, tests, training, checks (a second call is quick)

# TORCH_INDEX_URL=an index of CPU wheels: the build of torch without CUDA, which the default index
# does not have for Linux on x86_64. torchvision, which only training needs, must be of the same build.
$(STAMP): pyproject.toml version
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --upgrade pip
	$(if $(TORCH)$(TORCH_INDEX_URL),$(BIN)/python -m pip install --quiet \
		$(if $(TORCH_INDEX_URL),--index-url "$(TORCH_INDEX_URL)" torchvision) "$(or $(TORCH),torch)")
	$(BIN)/python -m pip install --quiet -e .
	@touch $@

$(VENV)/.extra-%: $(STAMP)
	$(BIN)/python -m pip install --quiet -e '.[$*]'
	@touch $@

demo: $(STAMP) ## super-resolve the example scan and write its report
	rm -rf $(DEMO_OUT) $(DEMO_WORK)
	$(BIN)/bids-sr $(DEMO_DATA) $(DEMO_OUT) participant -w $(DEMO_WORK)
	$(BIN)/bids-sr $(DEMO_DATA) $(DEMO_OUT) group
	@echo; echo "Done. Open these in a browser:"
	@for page in $(DEMO_OUT)/*.html; do echo "  $(CURDIR)/$$page"; done

test: $(DEVELOP) ## run all tests, and the examples in docstrings
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-fast: $(DEVELOP) ## run those that take no program, process or browser: minutes
	$(BIN)/python -m pytest $(PYTEST_ARGS) -m "not slow"

coverage: $(DEVELOP) ## run all tests and measure which lines and branches they reach; fails below the floor
	$(BIN)/python -m pytest $(PYTEST_ARGS) --cov --durations=25

parity-test: ## compare the paper's network with fastai's own (installs fastai beside)
	test -x $(PARITY_VENV)/bin/python || $(PYTHON) -m venv $(PARITY_VENV)
	$(PARITY_VENV)/bin/python -m pip install --quiet -e '.[test,parity]'
	$(PARITY_VENV)/bin/python -m pytest -rA tests/networks/test_paper_parity.py

mutation: ## break the code in N=40 ways, SEED=1, PATHS="images diffusion/wls.py": do tests fail? (installs mutmut beside)
	test -x $(MUTATION_VENV)/bin/python || $(PYTHON) -m venv $(MUTATION_VENV)
	$(MUTATION_VENV)/bin/python -m pip install --quiet -e '.[test,train,mutation]'
	OMP_NUM_THREADS=1 $(MUTATION_VENV)/bin/python benchmarks/mutation.py \
		$(or $(PATHS),images diffusion bids superres networks) \
		--sample $(or $(N),40) --seed $(or $(SEED),1) --work $(MUTATION_OUT)

chaos: $(DEVELOP) ## kill, starve and damage calls, ROUNDS=50 SEED=1, and look what was lost (root: full disks too)
	$(BIN)/python benchmarks/chaos.py --rounds $(or $(ROUNDS),50) --seed $(or $(SEED),1) --work $(CHAOS_OUT)

fuzz: $(DEVELOP) ## random headers, gradients and sidecars by the thousands
	HYPOTHESIS_PROFILE=many $(BIN)/python -m pytest -n 0 tests/faults -k fuzz

browser-test: $(DEVELOP) ## reports of real scans in headless Chromium; DATA=BIDS folder (needs Chromium)
	@test -n "$(DATA)" || { echo "Give DATA=FOLDER, a BIDS dataset with $(BROWSER_SUBJECTS)."; exit 2; }
	$(BIN)/bids-sr $(DATA) $(BROWSER_OUT) participant --participant-label $(BROWSER_SUBJECTS) \
		--ensemble 1 -w $(DEMO_WORK)
	$(BIN)/bids-sr $(DATA) $(BROWSER_OUT) group
	BIDS_SR_REPORTS=$(BROWSER_OUT) $(BIN)/python -m pytest -v -n 0 tests/report/test_browser_scans.py

slurm-test: $(DEVELOP) ## examples/slurm on a one-node Slurm that is set up for it (needs root, slurm-wlm, munge)
	BIDS_SR_SLURM_TEST=1 $(BIN)/python -m pytest -v -rs -n 0 tests/slurm

benchmark: ## speed beside fastai, MRtrix3 and scipy, with goals; DATA=BIDS folder (installs fastai beside)
	@test -n "$(DATA)" || { echo "Give DATA=FOLDER, a BIDS dataset with sub-$(SUBJECT)."; exit 2; }
	test -x $(BENCHMARK_VENV)/bin/python || $(PYTHON) -m venv $(BENCHMARK_VENV)
	$(BENCHMARK_VENV)/bin/python -m pip install --quiet -e '.[benchmark]'
	$(BENCHMARK_VENV)/bin/python benchmarks/speed.py $(DATA) --participant-label $(SUBJECT) \
		--runs $(or $(RUNS),3) --out docs/performance --page docs/performance.md

benchmark-growth: $(DEVELOP) ## how time and memory grow with the scan, threads and processes
	$(BIN)/python benchmarks/growth.py --out docs/performance --figure docs/figures/growth.png \
		--page docs/performance.md

benchmark-memory: $(DEVELOP) ## peak memory of a scan of HCP-7T size; SCALE=2, WORK=folder with 60 GB
	$(BIN)/python benchmarks/memory_limit.py --scale $(or $(SCALE),2) --work $(or $(WORK),$(DEMO_WORK)/memory) \
		--out docs/performance --page docs/performance.md

benchmark-hcp: $(DEVELOP) ## core hours and memory of a scan of HCP-3T size, default network; WORK=folder with 25 GB
	$(BIN)/python benchmarks/memory_limit.py --scan 3T --shipped --work $(or $(WORK),$(DEMO_WORK)/memory) \
		--out docs/performance --page docs/performance.md

gpu-check: $(DEVELOP) ## a GPU beside the CPU: agreement, short memory, two processes, speed; minutes; OUT=JSON (without a GPU: says so)
	$(BIN)/python benchmarks/gpu_check.py --out $(or $(OUT),$(GPU_JSON))

gpu-check-report: $(DEVELOP) ## put the results of gpu-check into docs/performance.md; OUT=JSON, PAGE=another page
	$(BIN)/python benchmarks/gpu_check.py --report $(or $(OUT),$(GPU_JSON)) --page $(or $(PAGE),docs/performance.md)

benchmark-dtype: $(DEVELOP) ## what storing the series as int16 saves and changes; DATA=BIDS folder
	@test -n "$(DATA)" || { echo "Give DATA=FOLDER, a BIDS dataset with sub-philips03 and sub-philips01."; exit 2; }
	$(BIN)/python benchmarks/output_dtype.py $(DATA) --participant-label philips03 philips01 \
		--work $(DEMO_WORK)/dtype --page docs/performance.md

benchmark-quality: $(DEVELOP) ## quality tables of the shipped networks; DATA=BIDS folder, SUBJECT=label, OTHERS=labels
	@test -n "$(DATA)" || { echo "Give DATA=FOLDER, a BIDS dataset with sub-$(SUBJECT)."; exit 2; }
	mkdir -p $(DEMO_WORK)/quality
	for factor in 2 3; do for reference in scan denoised synthetic; do \
		$(BIN)/bids-sr-evaluate $(DATA) --participant-label $(SUBJECT) --scale $$factor --reference $$reference --goals \
			--out $(DEMO_WORK)/quality/x$$factor-$$reference.json --work $(DEMO_WORK)/quality || exit 1; \
	done; done
	$(BIN)/python benchmarks/self_check.py $(DATA) --participant-label $(OTHERS) --mode full \
		--out $(DEMO_WORK)/quality/others.json
	$(BIN)/python benchmarks/quality_tables.py $(DEMO_WORK)/quality --readme README.md --guide docs/quality.md

readme-figure: $(DEVELOP) ## the picture of the README; DATA=BIDS folder, SUBJECT=label
	@test -n "$(DATA)" || { echo "Give DATA=FOLDER, a BIDS dataset with sub-$(SUBJECT)."; exit 2; }
	$(BIN)/python benchmarks/readme_figure.py $(DATA) --participant-label $(SUBJECT) --out docs/figures/readme.png

benchmark-uncertainty: $(DEVELOP) ## does the standard deviation over the self-ensemble predict the error; DATA=BIDS folder, SUBJECT=label
	@test -n "$(DATA)" || { echo "Give DATA=FOLDER, a BIDS dataset with sub-$(SUBJECT)."; exit 2; }
	$(BIN)/python benchmarks/uncertainty.py --data $(DATA) --subject $(SUBJECT) \
		--work $(DEMO_WORK)/quality --figure docs/figures/uncertainty-x2.png

benchmark-grid: $(DEVELOP) ## figures of the grid flag; DATA=BIDS folder, MODELS=networks
	@test -n "$(DATA)" || { echo "Give DATA=FOLDER, a BIDS dataset, and MODELS='NAME FOLDER ...'."; exit 2; }
	$(BIN)/python benchmarks/grid_flag.py $(DATA) --participant-label philips02 prisma02 canon01 \
		--ensemble 1 --model $(or $(MODELS),shallow-x2 shallow-x3)

benchmark-gradients: $(DEVELOP) ## planted faults of the gradient table, found and missed; DATA=BIDS folder
	@test -n "$(DATA)" || { echo "Give DATA=FOLDER, a BIDS dataset whose gradient tables are right."; exit 2; }
	$(BIN)/python benchmarks/gradient_check.py $(DATA) --repeats $(or $(REPEATS),6)

benchmark-filling: $(DEVELOP) ## bands found and zero-filling undone, on the example or DATA=DWI.nii.gz
	$(BIN)/python benchmarks/zero_filled.py $(or $(DATA),examples/dwi-small/sub-philips02/dwi/sub-philips02_dwi.nii.gz)

benchmark-order: $(DEVELOP) ## cleaning and aligning before and after super-resolution, on the example or DATA=BIDS folder (needs MRtrix3)
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/cleaning_order.py $(or $(DATA),$(DEMO_DATA)) \
		--participant-label $(SUBJECT) --work $(DEMO_WORK)/order
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/resampling_order.py $(or $(DATA),$(DEMO_DATA)) \
		--participant-label $(SUBJECT) --work $(DEMO_WORK)/order

benchmark-tracking: $(STAMP) ## streamlines of the example, super-resolved, and in isotropic voxels (needs MRtrix3)
	$(BIN)/bids-sr $(DEMO_DATA) $(DEMO_WORK)/tracking/out participant
	$(BIN)/python benchmarks/tracking.py $(DEMO_WORK)/tracking/out/sub-philips02/dwi/sub-philips02 \
		--raw $(DEMO_DATA)/sub-philips02/dwi/sub-philips02_dwi --work $(DEMO_WORK)/tracking

benchmark-discovery: $(DEVELOP) ## time and memory until work starts on PARTICIPANTS=2000 made-up people; WORK=folder
	OMP_NUM_THREADS=1 $(BIN)/python benchmarks/discovery.py --participants $(or $(PARTICIPANTS),2000) \
		--work $(or $(WORK),$(DEMO_WORK)/discovery) $(if $(RECORD),--record $(RECORD))

benchmark-sizing: $(DEVELOP) ## what real scans cost beside what --dry-run estimates; DATA=BIDS folder, CASES=RUN:FACTOR:MEMBERS ...
	@test -n "$(DATA)" || { echo "Give DATA=FOLDER, a BIDS dataset with the runs of CASES."; exit 2; }
	$(BIN)/python benchmarks/sizing.py measure $(DATA) --out $(DEMO_WORK)/sizing --case $(or $(CASES),$(SIZING_CASES))
	$(BIN)/python benchmarks/sizing.py compare $(DEMO_WORK)/sizing
	$(BIN)/python benchmarks/sizing.py table

lint: $(LINT) ## ruff, mypy; workflows, forms and CITATION.cff by their schemas
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-workflows .github/workflows/*.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-forms $(filter-out %/config.yml,$(wildcard .github/ISSUE_TEMPLATE/*.yml))
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.github-issue-config .github/ISSUE_TEMPLATE/config.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.dependabot .github/dependabot.yml
	$(BIN)/check-jsonschema --quiet --builtin-schema vendor.citation-file-format CITATION.cff
	$(BIN)/zizmor --quiet --offline .github

format: $(LINT) ## let ruff put the code into shape
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

docs: ## build the guide as a site in site/; a warning is an error (installs mkdocs beside)
	test -x $(DOCS_VENV)/bin/python || $(PYTHON) -m venv $(DOCS_VENV)
	$(DOCS_VENV)/bin/python -m pip install --quiet --upgrade pip
	$(DOCS_VENV)/bin/python -m pip install --quiet --group docs
	NO_MKDOCS_2_WARNING=1 $(DOCS_VENV)/bin/mkdocs build

docs-commands: $(STAMP) ## run the commands of the guide, compare what they print; PAGES='docs/x.md ...' DATA=BIDS folder VGG16=file
	$(BIN)/python docs/tools/run_commands.py $(PAGES) --work $(DOCS_OUT) $(if $(DATA),--set DATA=$(abspath $(DATA))) \
		$(if $(VGG16),--set VGG16=$(abspath $(VGG16)))

docs-pictures: $(DEVELOP) ## pictures of a report for the guide, from the example (needs Chromium and chromedriver)
	$(BIN)/python docs/tools/report_pictures.py --work $(DOCS_OUT)/pictures

container: ## build the image; ENGINE=podman, VARIANT=cpu with TORCH_INDEX_URL=an index of CPU wheels
	$(or $(ENGINE),docker) build $(if $(filter podman,$(ENGINE)),--format docker) $(IMAGE_ARGUMENTS) \
		--build-arg IMAGE_TAG=$(IMAGE_NAME):$(shell cat version) \
		-t $(IMAGE_NAME):$(shell cat version) -t $(IMAGE_NAME):latest .

apptainer: ## build bids_sr.sif without docker; VARIANT=cpu with TORCH_INDEX_URL=an index of CPU wheels
	apptainer build $(APPTAINER_OPTIONS) $(IMAGE_ARGUMENTS) bids_sr.sif container/bids_sr.def

lock: $(STAMP) $(VENV)/.extra-release ## renew the locks after a change of dependencies; UPGRADE=yes takes all newest versions
	printf '%s\n' bids-validator-deno '$(TORCH_LOCKED)' | $(UV_COMPILE) pyproject.toml - -o requirements.lock
	$(BIN)/python -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["build-system"]["requires"], sep="\n")' \
		| $(UV_COMPILE) - -o container/build.lock

wheel-test: $(STAMP) $(VENV)/.extra-release ## build wheel and sdist into dist, look inside, install the wheel elsewhere and run the example
	PYTHON=$(abspath $(BIN)/python) tests/wheel/run.sh

container-test: $(DEVELOP) ## build an image and run it read-only, offline, as another user
	PYTHON=$(abspath $(BIN)/python) tests/container/run.sh

apptainer-test: $(DEVELOP) ## make a SIF of what container-test built, or RECIPE=yes of its own recipe, and run it contained
	PYTHON=$(abspath $(BIN)/python) tests/container/apptainer.sh

clean: ## remove what the demo, the tests and the builds left
	rm -rf $(DEMO_OUT) $(DEMO_WORK) browser-out chaos-out mutation-out docs-out site build dist .coverage .coverage.* .pytest_cache .mypy_cache .ruff_cache
