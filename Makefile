# Each target sets itself up in .venv with the exact versions that the tests ran with.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
WORK := work_dirs/m2restore_demo

.PHONY: demo test lint setup clean

setup: $(VENV)/.ready

$(VENV)/.ready: setup.py constraints.txt
	@echo "Installing into $(VENV): PyTorch and what irbox needs, about 6 GB, once."
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --disable-pip-version-check -c constraints.txt -e '.[test,analysis]'
	touch $@

# Train a small M2Restore, test it on photographs that it has not seen, and restore them.
demo: setup
	$(BIN)/python tools/train.py configs/m2restore_demo.py --work-dir $(WORK)
	$(BIN)/python tools/test.py configs/m2restore_demo.py $(WORK)/final.pth --work-dir $(WORK) \
		--out $(WORK)/restored --contact-sheet $(WORK)/contact_sheet.png

test: setup
	$(BIN)/python -m pytest

lint: setup
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

clean:
	rm -rf $(VENV) work_dirs
