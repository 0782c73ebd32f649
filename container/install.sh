#!/bin/sh
# Makes the environment that the images run: for Dockerfile, bids_sr.def and tests/container.
# Every file that a lock names is checked against its hash.
#
#   install.sh tools           /opt/tools: pip and what builds the wheel, left behind afterwards
#   install.sh libraries       all of requirements.lock but torch and the CUDA libraries
#   install.sh torch           torch with its CUDA libraries, of the lock; or another build:
#       TORCH=torch==VERSION       a requirement; its own requirements keep to the lock's versions
#       TORCH_INDEX_URL=ADDRESS    the index that it is taken from
#       TORCH_SHA256=HASH          of the wheel; without it, it is not checked
#   install.sh program         this project, of the files beside, its networks, all as bytecode
#
# ENVIRONMENT: where it is made (/opt/bids_sr); TOOLS: where pip is (/opt/tools).
set -eu
ENVIRONMENT=${ENVIRONMENT:-/opt/bids_sr}
TOOLS=${TOOLS:-/opt/tools}
cd "$(dirname "$0")/.."
pip_install() { "$TOOLS/bin/python" -m pip --python "$ENVIRONMENT/bin/python" install --no-compile "$@"; }

# of_torch 1|0: those entries of the lock, with their hashes, that are (not) torch's and CUDA's
of_torch() {
    awk -v wanted="$1" '/^[a-z0-9]/ {ours = /^(torch|triton|nvidia-[a-z0-9-]*|cuda-[a-z0-9-]*)==/}
                        ours == wanted' requirements.lock
}

work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
case $1 in
    tools)
        python3 -m venv --without-pip "$ENVIRONMENT"
        python3 -m venv "$TOOLS"
        "$TOOLS/bin/python" -m pip install --require-hashes -r container/build.lock
        ;;
    libraries)
        of_torch 0 >"$work/libraries.txt"
        pip_install --require-hashes --no-deps -r "$work/libraries.txt"
        ;;
    torch)
        if [ -n "${TORCH_SHA256:-}" ]; then
            echo "${TORCH:?} --hash=sha256:$TORCH_SHA256" >"$work/torch.txt"
            pip_install ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} --require-hashes --no-deps -r "$work/torch.txt"
        elif [ -n "${TORCH:-}${TORCH_INDEX_URL:-}" ]; then
            locked=$(sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.lock)
            # an entry with a hash among the constraints would demand one of everything
            of_torch 0 | sed -e '/^ *--hash=/d' -e 's/ *\\$//' >"$work/constraints.txt"
            pip_install ${TORCH_INDEX_URL:+--index-url "$TORCH_INDEX_URL"} -c "$work/constraints.txt" "${TORCH:-$locked}"
        else
            of_torch 1 >"$work/torch.txt"
            pip_install --require-hashes --no-deps -r "$work/torch.txt"
        fi
        ;;
    program)
        "$TOOLS/bin/python" -m pip wheel --no-deps --no-build-isolation --wheel-dir "$work" .
        pip_install --no-deps --no-index "$work"/*.whl
        # The root is read-only when it runs, so all bytecode is made now; it vouches for itself by
        # nothing, since no source can change under it, and start-up need not look.
        python3 -m compileall -q --invalidation-mode unchecked-hash -f \
            -x "/torch/testing/_internal/" "$ENVIRONMENT/lib"
        cp LICENSE requirements.lock "$ENVIRONMENT/"
        "$ENVIRONMENT/bin/bids-sr" --version
        "$ENVIRONMENT/bin/bids-sr-models" verify
        ;;
    *)
        echo "install.sh: there is no step '$1'" >&2
        exit 2
        ;;
esac
