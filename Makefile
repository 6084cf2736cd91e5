# Two commands: `make demo` runs the whole workflow on phantoms, `make test` passes the tests.
PYTHON ?= python3
BIN := .venv/bin
SNAKEMAKE := $(BIN)/snakemake

.PHONY: env demo test test-long lint config clean

env: .venv/ready

.venv/ready: envs/requirements.txt envs/requirements-dev.txt
	@$(PYTHON) -c 'import sys; sys.exit("LungGTV needs Python 3.11 or newer; set PYTHON=python3.x") if sys.version_info < (3, 11) else 0'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r envs/requirements.txt -r envs/requirements-dev.txt
	touch $@

demo: env
	$(SNAKEMAKE) --profile profiles/demo
	@echo "Report:  demo/results/report.html"
	@echo "Metrics: demo/results/evaluate/metrics.tsv and demo/results/evaluate/summary.json"

test: env
	$(BIN)/python -m pytest --numprocesses auto --maxprocesses 8 --dist loadfile --no-loadscope-reorder

# Fifty kills, full disks in every stage, a minute of fuzzing, and faults planted in a copy of the code; the summary is
# printed, and kept in bench/results/faults.md.
test-long: env
	$(BIN)/python -m pytest -s -m long

lint: env
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/snakefmt --check Snakefile workflow
	cd workflow && ../$(BIN)/lint-imports --config ../pyproject.toml
	$(BIN)/mypy
	$(SNAKEMAKE) --lint

# Writes config.yaml from workflow/schemas/config.schema.yaml; values of your own in it are lost.
config: env
	PYTHONPATH=workflow $(BIN)/python -m lunggtv.cohort.write_config

clean:
	rm -rf demo .pytest_cache .ruff_cache .mypy_cache .hypothesis
