# make demo: a lookalike of the bundled table · make test · make lint · make bench · make docs · make fuzz · make abuse · make mutants · make test-oldest
PYTHON := .venv/bin/python

.DEFAULT_GOAL := demo
.PHONY: demo test lint bench docs fuzz abuse mutants test-oldest

.venv/.ready: pyproject.toml constraints.txt
	test -x $(PYTHON) || python3 -m venv .venv
	$(PYTHON) -m pip install --quiet -c constraints.txt -e ".[all,test]"
	touch $@

demo: .venv/.ready
	$(PYTHON) -m lookalike make src/lookalike/samples/adult.csv.gz --out demo-out --target income --seed 0

# one thread for each of the processes that share the cores, and compiled modules are kept for the many interpreters that tests start
test: .venv/.ready
	OMP_NUM_THREADS=1 PYTHONDONTWRITEBYTECODE= $(PYTHON) -m pytest -n auto --dist worksteal

lint: .venv/.ready
	$(PYTHON) -m ruff check .
	$(PYTHON) -m ruff format --check .

BENCHES := run attacked scale evidence/run private/run steer/conditions steer/rules steer/personal steer/augment steer/fairness steer/impute keys/run linked/run sequences/run series/run
bench: .venv/.ready
	set -e; for b in $(BENCHES); do echo "== benchmarks/$$b.py"; $(PYTHON) benchmarks/$$b.py; done

.venv/.docs: .venv/.ready
	$(PYTHON) -m pip install --quiet -c constraints.txt -e ".[docs]"
	touch $@

docs: .venv/.docs
	NO_MKDOCS_2_WARNING=1 $(PYTHON) -m mkdocs build --strict --quiet
	@echo "open build/site/index.html"

INPUTS := 1000000
fuzz: .venv/.ready
	$(PYTHON) tests/abuse/fuzz.py --inputs $(INPUTS)

abuse: .venv/.ready
	$(PYTHON) tests/abuse/killed.py
	$(PYTHON) tests/abuse/same.py

.venv/.mutants: .venv/.ready
	$(PYTHON) -m pip install --quiet -c constraints.txt "cosmic-ray>=8.4"
	touch $@

mutants: .venv/.mutants
	$(PYTHON) tests/abuse/mutants.py

# the oldest versions that pyproject.toml allows, without torch: the tests of what reads, writes, codes and draws
OLDEST := .venv-oldest/bin/python
OLD_TESTS := read formats write dataset detect database linked_data lost_connection condition plan rules_language encode encode_number encode_kinds encode_key forest copula store api
.venv-oldest/.ready: pyproject.toml constraints-oldest.txt
	test -x $(OLDEST) || python3 -m venv .venv-oldest
	$(OLDEST) -m pip install --quiet -c constraints-oldest.txt -e ".[excel,database]" filelock hypothesis polars pytest pytest-xdist python-stdnum
	touch $@

test-oldest: .venv-oldest/.ready
	$(OLDEST) -m pytest -n auto $(OLD_TESTS:%=tests/unit/test_%.py) tests/abuse/test_fuzzed.py
