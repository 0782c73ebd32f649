# Functions of run.sh and apptainer.sh; to be sourced from the top of the repository.

base_image() { sed -n 's/^ARG BASE_IMAGE=//p' Dockerfile; }

# Sets ENGINE, and build_image where the stand-in does not.
choose_engine() {
    for engine in ${ENGINE:-docker podman}; do
        if "$engine" info >/dev/null 2>&1 && have_base "$engine"; then
            ENGINE=$engine
            build_image() { local tag=$1; shift; "$ENGINE" build "$@" $(docker_format) -t "$tag" .; }
            return
        fi
    done
    echo "No engine here can get $(base_image): using the stand-in."
    . tests/container/standin.sh "$CONTAINER_DIR/standin"
}

have_base() {
    "$1" image inspect "$(base_image)" >/dev/null 2>&1 || timeout 120 "$1" pull -q "$(base_image)" >/dev/null 2>&1
}

# the health check is not part of podman's own format
docker_format() { if [ "$ENGINE" = podman ]; then echo "--format docker"; fi; }

# The lock's torch; but where pip has a CPU build at hand on disk, that one.
default_torch() {
    local wheel
    for folder in $(python3 -m pip config get global.find-links 2>/dev/null); do
        wheel=$(ls "$folder" 2>/dev/null | sed -n 's/^torch-\([0-9.]*+cpu\)-cp311-.*/\1/p' | sort -V | tail -1)
        if [ -n "$wheel" ]; then echo "torch==$wheel"; return; fi
    done
    sed -n 's/^\(torch==[^ ]*\).*/\1/p' requirements.lock
}

# make_reference FOLDER: the example, processed outside any container by the libraries of the lock
make_reference() {
    local folder=$1 python=$1/venv/bin/python
    # "done" is the lock that it was made of: of another one, it is made anew
    if ! cmp -s requirements.lock "$folder/venv/done"; then
        rm -rf "$folder/venv"
        "$PYTHON" -m venv "$folder/venv"
        for step in libraries torch; do
            ENVIRONMENT=$folder/venv TOOLS=$folder/venv TORCH=$TORCH sh container/install.sh "$step"
        done
        cp requirements.lock "$folder/venv/done"
    fi
    rm -rf "$folder/out"
    for level in participant group; do
        PYTHONNOUSERSITE=1 PYTHONPATH=$PWD "$python" -m bids_sr.app.main examples/dwi-small \
            "$folder/out" "$level" --nprocs 1 --device cpu
    done
}
