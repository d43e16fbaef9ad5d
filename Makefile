# make demo: a lookalike of the bundled table · make test · make lint · make bench · make docs
PYTHON := .venv/bin/python

.DEFAULT_GOAL := demo
.PHONY: demo test lint bench docs

.venv/.ready: pyproject.toml constraints.txt
	test -x $(PYTHON) || python3 -m venv .venv
	$(PYTHON) -m pip install --quiet -c constraints.txt -e ".[all,test]"
	touch $@

demo: .venv/.ready
	$(PYTHON) -m lookalike make src/lookalike/samples/adult.csv.gz --out demo-out --target income --seed 0

test: .venv/.ready
	$(PYTHON) -m pytest -n auto --dist worksteal

lint: .venv/.ready
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

BENCHES := run evidence/run private/run steer/conditions steer/rules steer/personal steer/augment steer/fairness steer/impute keys/run linked/run sequences/run series/run
bench: .venv/.ready
	set -e; for b in $(BENCHES); do echo "== benchmarks/$$b.py"; $(PYTHON) benchmarks/$$b.py; done

.venv/.docs: .venv/.ready
	$(PYTHON) -m pip install --quiet -c constraints.txt -e ".[docs]"
	touch $@

docs: .venv/.docs
	$(PYTHON) -m mkdocs build --strict
	@echo "open build/site/index.html"
