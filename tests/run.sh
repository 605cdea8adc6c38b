#!/bin/sh
# Everything `make test` runs, in the order in which a fault is cheapest to see.
set -eu
export OMP_NUM_THREADS="${OMP_NUM_THREADS:-1}"
echo '--- format and lint'
ruff format --check .
ruff check .
snakefmt --check workflow
snakemake --lint
echo '--- types'
mypy
echo '--- tests'
python -m pytest -n 2 --dist loadgroup -m 'not workflow'
echo '--- the workflow, for real'
python -m pytest -n 2 --dist loadfile -m workflow
