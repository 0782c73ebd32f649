#!/usr/bin/env bash
# Builds sdist and wheel, looks inside, installs the wheel in an empty environment outside the
# checkout, and processes the example with it there. What was built is left in dist.
#
#   PYTHON                  a Python with this project's release extra
#   BASE_PYTHON             the Python of the new environment; default: PYTHON's own
#   TORCH, TORCH_INDEX_URL  the build of torch to use there; default: what pip takes
#   WHEEL_DIR               where all is kept and removed; default: ${TMPDIR:-/tmp}/bids_sr-wheel
set -euo pipefail
cd "$(dirname "$0")/../.."
PYTHON=$(command -v "${PYTHON:-python3}")
WHEEL_DIR=${WHEEL_DIR:-${TMPDIR:-/tmp}/bids_sr-wheel}
rm -rf dist "$WHEEL_DIR"
mkdir -p "$WHEEL_DIR"
trap 'rm -rf "$WHEEL_DIR"' EXIT

"$PYTHON" -m build --outdir dist . >"$WHEEL_DIR/build.log" || { cat "$WHEEL_DIR/build.log"; exit 1; }
"$PYTHON" -m twine check --strict dist/*
"$PYTHON" -m check_wheel_contents dist/*.whl
"$PYTHON" tests/wheel/contents.py dist

wheel=$(echo "$PWD"/dist/*.whl)
commands=$("$PYTHON" -c 'import tomllib; print(*tomllib.load(open("pyproject.toml", "rb"))["project"]["scripts"])')
cp -r examples/dwi-small "$WHEEL_DIR/data"
cd "$WHEEL_DIR"
unset PYTHONPATH
"${BASE_PYTHON:-$PYTHON}" -m venv environment
bin=$PWD/environment/bin
"$bin/pip" install --quiet --upgrade pip
if [ -n "${TORCH:-}${TORCH_INDEX_URL:-}" ]; then
    "$bin/pip" install --quiet ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} "${TORCH:-torch}"
fi
"$bin/pip" install --quiet "$wheel"
"$bin/pip" check
du -sm environment | sed 's/\t.*/ MB in the environment/'

for command in $commands; do
    "$bin/$command" --version
done
"$bin/python" -c 'import bids_sr; print(bids_sr.__file__)' | grep "^$bin/../lib\|^$PWD/environment/lib"
"$bin/bids-sr-models" verify
"$bin/bids-sr" data out participant -w work
"$bin/bids-sr" data out group
"$bin/bids-sr-file" data/sub-philips02/dwi/sub-philips02_dwi.nii.gz one.nii.gz --maps fa
ls -l out/*.html one*
echo "The wheel works outside the checkout."
