# Everything a person does with this checkout. Each target makes the environment first, where it is missing or stale.

PYTHON ?= python3
PORT ?= 5000
BIN := .venv/bin
STAMP := .venv/.installed
STUDY := demo
ONE_THREAD := OMP_NUM_THREADS=1 MKL_NUM_THREADS=1

.PHONY: help install demo test check bench clean

help:
	@echo "make demo    search norm-act on the digits, rerank, export the winner to demo/ (about 5 minutes on 2 cores)"
	@echo "make test    everything: ruff, mypy, import contracts, all tests"
	@echo "make check   the same without the slow tests (under 3 minutes)"
	@echo "make bench   the benchmark scripts of tests/benchmarks"
	@echo "make clean   remove caches and demo/; studies in .automl/ and the environment stay"

install: $(STAMP)

$(STAMP): pyproject.toml constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv .venv
	$(BIN)/python -m pip install -q -c constraints.txt torch==2.13.0
	$(BIN)/python -m pip install -q -c constraints.txt -e .[dev]
	touch $(STAMP)

demo: install
	@if $(BIN)/automl status $(STUDY) >/dev/null 2>&1; then \
	  echo "Study $(STUDY) exists: going on with it."; $(BIN)/automl resume $(STUDY) --workers 2; \
	else \
	  $(BIN)/automl search norm-act --task digits --trials 64 --workers 2 --study $(STUDY); \
	fi
	$(BIN)/automl status $(STUDY)
	$(BIN)/automl rerank $(STUDY) --workers 2
	rm -rf demo
	$(BIN)/automl export $(STUDY) --output demo
	@echo
	@echo "Study          $(BIN)/automl top $(STUDY)    ($(BIN)/automl show $(STUDY) TRIAL for one trial)"
	@echo "Review         $(BIN)/automl ui --port $(PORT)    (MLflow, at http://127.0.0.1:$(PORT))"
	@echo "ONNX model     demo/model.onnx    (parity with PyTorch: demo/parity.json)"
	@echo "PyTorch source demo/candidate.py"

test: lint
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n 2

check: lint
	$(ONE_THREAD) $(BIN)/python -m pytest -q -n 2 -m "not slow"

.PHONY: lint
lint: install
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

bench: install
	@set -e; for script in tests/benchmarks/*.py; do echo "== $$script"; $(ONE_THREAD) $(BIN)/python $$script; done

clean:
	rm -rf demo build *.egg-info .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
	find automl search_spaces tests -name __pycache__ -type d -prune -exec rm -rf {} +
