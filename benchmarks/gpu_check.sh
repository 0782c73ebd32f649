#!/bin/sh
# The GPU check on a machine that has Python, torch for its GPU, and nothing else; no network.
#
#   sh benchmarks/gpu_check.sh [OUT.json]
#
# Libraries that it lacks are wheels in WHEELS (default: wheels, beside the checkout's files). On a
# machine with a network, for the Python version of the other one, those of these that are needed:
#   pip download --no-deps --only-binary=:all: --python-version 3.12 -d wheels \
#       attrs indexed_gzip isal nibabel numpy packaging safetensors scipy tqdm typing_extensions
set -e
cd "$(dirname "$0")/.."
PYTHON=${PYTHON:-python3}
WHEELS=${WHEELS:-wheels}
OUT=${1:-gpu.json}
libraries=$(mktemp -d)
trap 'rm -rf "$libraries"' EXIT
if ls "$WHEELS"/*.whl >/dev/null 2>&1; then
    "$PYTHON" -m pip install --quiet --no-index --no-deps --no-compile --no-cache-dir \
        --target "$libraries" "$WHEELS"/*.whl
fi
PYTHONPATH="$PWD:$libraries${PYTHONPATH:+:$PYTHONPATH}" "$PYTHON" benchmarks/gpu_check.py --out "$OUT"
