#!/usr/bin/env bash
# Makes a SIF of an image and tests it with Apptainer: everything contained, no environment, no
# network, as root's child user and as another user; outputs as outside.
#
#   RECIPE=yes                       makes it of container/bids_sr.def instead
#   IMAGE=docker-archive:FILE|NAME   NAME is an image of ENGINE; default: what run.sh built
#   CONTAINER_DIR, ENGINE, PYTHON    as of run.sh
#
# Without an apptainer on this machine, one of Debian sid is set up (as root).
set -euo pipefail
cd "$(dirname "$0")/../.."
CONTAINER_DIR=${CONTAINER_DIR:-${TMPDIR:-/tmp}/bids_sr-container}
PYTHON=${PYTHON:-python3}
mkdir -p "$CONTAINER_DIR/sif/tmp"
CONTAINER_DIR=$(cd "$CONTAINER_DIR" && pwd)
. tests/container/engine.sh

if command -v apptainer >/dev/null; then
    APPTAINER=apptainer
    BIDS_SR_APPTAINER=apptainer
else
    tests/container/apptainer-standin.sh setup "$CONTAINER_DIR/apptainer-root"
    APPTAINER="tests/container/apptainer-standin.sh $CONTAINER_DIR/apptainer-root 0"
    BIDS_SR_APPTAINER="$PWD/tests/container/apptainer-standin.sh $CONTAINER_DIR/apptainer-root 4242"
fi

SIF=$CONTAINER_DIR/sif/bids_sr.sif
if [ -n "${RECIPE:-}" ]; then
    RECIPE_OPTIONS=()
    [ "$BIDS_SR_APPTAINER" = apptainer ] || . tests/container/recipe-standin.sh
    APPTAINER_TMPDIR=$CONTAINER_DIR/sif/tmp APPTAINER_CACHEDIR=$CONTAINER_DIR/sif/tmp TMPDIR=$CONTAINER_DIR/sif/tmp \
        $APPTAINER build --force --build-arg TORCH="${TORCH:-$(default_torch)}" \
        --build-arg TORCH_INDEX_URL="${TORCH_INDEX_URL:-}" --build-arg VERSION="$(cat version)" \
        "${RECIPE_OPTIONS[@]}" "$SIF" container/bids_sr.def
    rm -rf "$CONTAINER_DIR/sif/tmp"
elif [ -z "${SIF_READY:-}" ]; then
    choose_engine
    IMAGE=${IMAGE:-$([ "$ENGINE" = docker ] || echo localhost/)bids_sr:test}
    ARCHIVE=$CONTAINER_DIR/sif/image.tar
    rm -f "$ARCHIVE"
    case $ENGINE in
        docker) docker save -o "$ARCHIVE" "$IMAGE" ;;
        *) podman save -q --format docker-archive -o "$ARCHIVE" "$IMAGE" ;;
    esac
    APPTAINER_TMPDIR=$CONTAINER_DIR/sif/tmp APPTAINER_CACHEDIR=$CONTAINER_DIR/sif/tmp \
        TMPDIR=$CONTAINER_DIR/sif/tmp \
        $APPTAINER build --force --disable-cache "$SIF" "docker-archive:$ARCHIVE"
    rm -rf "$ARCHIVE" "$CONTAINER_DIR/sif/tmp"
fi
export BIDS_SR_APPTAINER BIDS_SR_SIF=$SIF BIDS_SR_REFERENCE=$CONTAINER_DIR/reference/out
export TMPDIR=$CONTAINER_DIR/apptainer-test
rm -rf "$TMPDIR" && mkdir -m 0755 -p "$TMPDIR"
"$PYTHON" -m pytest -n 0 -v -m container tests/container/test_apptainer.py ${PYTEST_ARGS:-}
ls -l "$SIF"
