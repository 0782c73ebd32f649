#!/usr/bin/env bash
# Builds the image and tests it: read-only root, no network, another user, no capabilities, little
# memory; and the example's outputs against those of the same libraries outside the container.
#
#   ENGINE=docker|podman  engine to use; default: one that works and can get the base image,
#                         else the stand-in (tests/container/standin.sh; as root, on Debian)
#   TORCH, TORCH_INDEX_URL  as the build arguments of the Dockerfile
#   CONTAINER_DIR         where all is kept; default: ${TMPDIR:-/tmp}/bids_sr-container
#   PYTHON                a Python with this project's test extra
#   IMAGE                 an image that is there already: it is not built
set -euo pipefail
cd "$(dirname "$0")/../.."
CONTAINER_DIR=${CONTAINER_DIR:-${TMPDIR:-/tmp}/bids_sr-container}
PYTHON=${PYTHON:-python3}
mkdir -p "$CONTAINER_DIR"
. tests/container/engine.sh

choose_engine
TORCH=${TORCH:-$(default_torch)}
if [ -z "${IMAGE:-}" ]; then
    IMAGE=localhost/bids_sr:test
    [ "$ENGINE" = docker ] && IMAGE=bids_sr:test
    build_image "$IMAGE" --build-arg "TORCH=$TORCH" \
        --build-arg "TORCH_INDEX_URL=${TORCH_INDEX_URL:-}" --build-arg "IMAGE_TAG=bids_sr:test" \
        --build-arg "VERSION=$(cat version)"
fi
make_reference "$CONTAINER_DIR/reference"
export BIDS_SR_ENGINE=$ENGINE BIDS_SR_IMAGE=$IMAGE BIDS_SR_REFERENCE=$CONTAINER_DIR/reference/out
"$PYTHON" -m pytest -n 0 -v -m container tests/container/test_image.py ${PYTEST_ARGS:-}
"$ENGINE" images --format '{{.Repository}}:{{.Tag}}  {{.Size}}' | grep bids_sr
