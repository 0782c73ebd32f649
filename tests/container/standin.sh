#!/usr/bin/env bash
# An engine for a machine that has neither a Docker daemon nor a registry: podman and buildah as
# root, with a Debian of the same Python in place of the official base image. To be sourced:
#
#   . tests/container/standin.sh FOLDER      sets ENGINE and build_image; all is kept in FOLDER
#
# Needs Debian packages: buildah podman runc debootstrap. The Dockerfile is used as it is.

STANDIN=$(mkdir -p "$1" && cd "$1" && pwd)
BASE_TAG=python:3.11-slim-bookworm
BASE_SUITE=bookworm
ENGINE=podman

for tool in buildah podman runc debootstrap; do
    command -v "$tool" >/dev/null || { echo "standin.sh: $tool is not installed." >&2; return 3; }
done

# The Debian mirror is the one this machine itself is set up with.
debian_mirror() {
    apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 ~ /^(bookworm|trixie|sid|stable|testing|unstable)$/ && $3 == "main" {print $1; exit}'
}

configure_engine() {
    cat >"$STANDIN/containers.conf" <<CONF
[containers]
default_ulimits = ["nofile=4096:4096", "nproc=4096:4096"]
netns = "none"
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
CONF
    cat >"$STANDIN/storage.conf" <<CONF
[storage]
driver = "overlay"
graphroot = "$STANDIN/storage"
runroot = "$STANDIN/run"
CONF
    export CONTAINERS_CONF=$STANDIN/containers.conf CONTAINERS_STORAGE_CONF=$STANDIN/storage.conf
    export TMPDIR=$STANDIN/tmp
    mkdir -p "$TMPDIR"
}

make_base() {
    podman image exists "localhost/$BASE_TAG" && return
    local root=$STANDIN/base
    rm -rf "$root"
    debootstrap --variant=minbase --include=ca-certificates,python3,python3-pip,python3-venv \
        "$BASE_SUITE" "$root" "$(debian_mirror)" >"$STANDIN/debootstrap.log"
    ln -s python3 "$root/usr/bin/python"
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
    tar -C "$root" -c . | podman import - "localhost/$BASE_TAG" >/dev/null
    rm -rf "$root"
}

# pip inside the build is to find what pip finds here: the same indexes, folders and certificates.
pip_mounts() {
    local conf=$STANDIN/pip.conf value folder
    local ca=${PIP_CERT:-${SSL_CERT_FILE:-/etc/ssl/certs/ca-certificates.crt}}
    printf '[global]\ncert = %s\n' "$ca" >"$conf"
    MOUNTS=(-v "$ca:$ca:ro" -v "$conf:/etc/pip.conf:ro")
    for name in index-url extra-index-url find-links; do
        value=$(python3 -m pip config get "global.$name" 2>/dev/null) || continue
        printf '%s = %s\n' "$name" "$(echo $value)" >>"$conf"
        for folder in $value; do
            case $folder in file://*) folder=$(dirname "${folder#file://}") ;; esac  # index and files
            [ -d "$folder" ] && MOUNTS+=(-v "$folder:$folder:ro")
        done
    done
    return 0
}

# build_image TAG [further options of the build]
build_image() {
    local tag=$1
    shift
    pip_mounts
    buildah bud --isolation=chroot --pull-never --layers --format docker "${MOUNTS[@]}" \
        "$@" -t "$tag" -f Dockerfile .
}

configure_engine
make_base
