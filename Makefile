# Each target sets itself up in .venv with the exact versions that the tests ran with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORK := work_dirs/m2restore_demo

.PHONY: demo model test test-slow gpu browser lint house docs setup clean

setup: $(VENV)/.ready

$(VENV)/.ready: setup.py constraints.txt
	@echo "Installing into $(VENV): PyTorch and what irbox needs, about 6 GB, once."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[test,docs]'
	touch $@

# Train a small M2Restore, test it on photographs that it has not seen, and restore them.
demo: setup
	$(BIN)/python tools/train.py configs/m2restore_demo.py --work-dir $(WORK)
	$(BIN)/python tools/test.py configs/m2restore_demo.py $(WORK)/final.pth --work-dir $(WORK) \
		--out $(WORK)/restored --contact-sheet $(WORK)/contact_sheet.png

# The model that comes with irbox, from nothing: many hours on a CPU, a quarter of one where there is a GPU. The same command
# goes on where it was stopped. In minutes, to see that it works, with other figures and so another model:
# make model SCENES=8 MODEL_OPTIONS='--cfg-options train_cfg.max_iters=8' SCORES='--draws 1 --longest-side 128'
SCENES ?= 700
MODEL_OPTIONS ?=
SCORES ?=
ON_GPU ?= $(if $(shell command -v nvidia-smi),_gpu)
model: setup
	$(BIN)/irbox make-scenes data/scenes --num $(SCENES)
	$(BIN)/python tools/train.py configs/small_1$(ON_GPU).py --work-dir work_dirs/small_1 --resume $(MODEL_OPTIONS)
	$(BIN)/python tools/train.py configs/small_2$(ON_GPU).py --work-dir work_dirs/small_2 --resume $(MODEL_OPTIONS)
	$(BIN)/irbox save-model work_dirs/small_2/final.pth work_dirs/small --name small --licence Apache-2.0 --dtype float16
	$(BIN)/python tools/score_photographs.py --model work_dirs/small $(SCORES)

# One process per core, a file's tests in one of them; the slowest are named at the end.
test: setup
	$(BIN)/python -m pytest -m 'not slow' -n auto --dist loadfile --durations=10

test-slow: setup
	$(BIN)/python -m pytest -m 'slow and not browser' -n auto --durations=10

# On a machine with a GPU: its tests, then forward passes and training steps beside the textbook's builds.
gpu: setup
	$(BIN)/python tools/check_gpu.py

# The page in headless Chromium, from the system's packages.
browser: setup
	command -v chromedriver >/dev/null || ! command -v apt-get >/dev/null || \
		{ apt-get update -qq && apt-get install -y -qq --no-install-recommends chromium chromium-driver; } >/dev/null
	$(BIN)/python -m pytest -m browser --durations=5 tests/page tests/analysis

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Rooms, their sizes, who imports whom.
house: setup
	$(BIN)/python tools/house.py

# The documents as a site in .site/, links checked, with pages from the docstrings.
docs: setup
	$(BIN)/mkdocs build --strict

# Not work_dirs: trainings of many hours live there.
clean:
	rm -rf $(VENV) .site
