# For apptainer.sh where Apptainer itself is the stand-in, and no registry has the base image: the
# recipe's base is that of standin.sh, and pip finds there what it finds here. Sets RECIPE_OPTIONS.

. tests/container/standin.sh "$CONTAINER_DIR/standin"
recipe_base=$CONTAINER_DIR/sif/base
rm -rf "$recipe_base" "$recipe_base.tar"
podman save -q --format docker-archive -o "$recipe_base.tar" "localhost/$BASE_TAG"
APPTAINER_TMPDIR=$CONTAINER_DIR/sif/tmp APPTAINER_CACHEDIR=$CONTAINER_DIR/sif/tmp TMPDIR=$CONTAINER_DIR/sif/tmp \
    $APPTAINER build --force --disable-cache --sandbox "$recipe_base" "docker-archive:$recipe_base.tar"
rm "$recipe_base.tar"

pip_mounts
RECIPE_OPTIONS=(--build-arg BOOTSTRAP=localimage --build-arg "BASE_IMAGE=$recipe_base")
APPTAINER_SEES=
for mount in "${MOUNTS[@]}"; do
    [ "$mount" = -v ] && continue
    IFS=: read -r here there _ <<<"$mount"
    if [ -d "$here" ]; then
        mkdir -p "$recipe_base$there"
    else
        mkdir -p "$(dirname "$recipe_base$there")" && touch "$recipe_base$there"
    fi
    APPTAINER_SEES+=" $here"
    RECIPE_OPTIONS+=(--bind "$here:$there")
done
export APPTAINER_SEES
