#!/usr/bin/env bash
# Apptainer on a machine that has none, as root: one of Debian sid, in a root of its own.
#
#   apptainer-standin.sh setup FOLDER            makes the root in FOLDER
#   apptainer-standin.sh FOLDER UID ARGUMENTS    calls apptainer there as this user
#
# /tmp, the folder's parent, the repository and APPTAINER_SEES are seen inside under their own names.
set -euo pipefail

if [ "$1" = setup ]; then
    root=$2
    [ -x "$root/usr/bin/apptainer" ] && exit
    mirror=$(apt-get indextargets --format '$(SITE) $(RELEASE) $(COMPONENT)' 'Created-By: Packages' |
        awk '$2 ~ /^(bookworm|trixie|sid|stable|testing|unstable)$/ && $3 == "main" {print $1; exit}')
    debootstrap --variant=minbase \
        --include=apptainer,squashfs-tools,squashfuse,fuse-overlayfs,uidmap sid "$root" "$mirror"
    rm -rf "$root"/var/cache/apt/* "$root"/var/lib/apt/lists/*
    echo "runner:x:4242:4242::/home/runner:/bin/sh" >>"$root/etc/passwd"
    echo "runner:x:4242:" >>"$root/etc/group"
    touch "$root/etc/hosts" "$root/etc/resolv.conf"  # Apptainer wants them
    mkdir -p "$root/home/runner" && chown 4242:4242 "$root/home/runner"
    exit
fi

export APPTAINER_ROOT=$1 APPTAINER_UID=$2 REPOSITORY=$PWD
shift 2
exec unshare --mount --propagation private bash -euc '
    root=$APPTAINER_ROOT
    mount --bind "$root" "$root"
    for folder in /proc /sys /dev /tmp "$(dirname "$root")" "$REPOSITORY"; do
        mkdir -p "$root$folder"
        mount --rbind "$folder" "$root$folder"
    done
    for path in ${APPTAINER_SEES:-} /etc/resolv.conf; do
        if [ -d "$path" ]; then
            mkdir -p "$root$path"
        else
            mkdir -p "$root$(dirname "$path")" && touch "$root$path"
        fi
        mount --bind "$path" "$root$path"
    done
    mkdir -p "$root/.old" && cd "$root" && pivot_root . .old
    umount -l /.old
    cd "$REPOSITORY"
    chmod 0666 /dev/fuse
    if [ "$APPTAINER_UID" = 0 ]; then exec env HOME=/root apptainer "$@"; fi
    exec setpriv --reuid "$APPTAINER_UID" --regid "$APPTAINER_UID" --clear-groups \
        env HOME=/home/runner apptainer "$@"
' apptainer "$@"
