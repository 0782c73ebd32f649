#!/bin/bash
# Super-resolve a BIDS dataset on a Slurm cluster: an array job with one participant a task, and the
# group level behind it.
#
#   ./submit.sh BIDS_DIR OUTPUT_DIR [OPTION OF bids-sr]...
#
# Environment:
#   IMAGE         Apptainer image; default: bids_sr.sif in the current folder
#   GPUS          GPUs for a task; default 0: on the CPU
#   MAX_AT_ONCE   tasks that run at the same time; default 20
#   SBATCH_ARGS   further arguments of sbatch, for all jobs, such as "--account=lab --partition=short"
#   ARRAY_ARGS    the same for the array only, such as "--cpus-per-task=4 --mem=8G --time=4:00:00"
#   PARTICIPANTS  labels, such as "01 02"; default: all of BIDS_DIR that have a dwi folder
#   WORK_DIR      work folder that all nodes see, so that a task that was killed goes on where it
#                 stopped; default: scratch of the node, and it starts anew
#   GROUP_AFTER   afterany (default): the group page also tells what failed; afterok: only if all is well
#   STATE         folder for lists, logs and statuses; default: OUTPUT_DIR/logs/slurm
#   BIDS_SR       command to run instead of Apptainer, such as "bids-sr"
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$here/common.sh"

[[ $# -ge 2 ]] || die "usage: submit.sh BIDS_DIR OUTPUT_DIR [OPTION OF bids-sr]..."
[[ -d $1 ]] || die "$1 is no folder"
[[ ! -f $2/dataset_description.json ]] || grep -q '"bids_sr"' "$2/dataset_description.json" ||
    die "$2 belongs to another program; give an output folder of its own, such as $2/bids_sr"
mkdir -p "$2"
BIDS_DIR=$(realpath "$1")
OUTPUT_DIR=$(realpath "$2")
shift 2
IMAGE=$(realpath "${IMAGE:-bids_sr.sif}")
BIDS_SR=${BIDS_SR:-}
GPUS=${GPUS:-0}
MAX_AT_ONCE=${MAX_AT_ONCE:-20}
WORK_DIR=${WORK_DIR:+$(realpath -m "$WORK_DIR")}
GROUP_AFTER=${GROUP_AFTER:-afterany}
STATE=$(realpath -m "${STATE:-$OUTPUT_DIR/logs/slurm}")
# shellcheck disable=SC2034 # written into settings.sh
OPTIONS=("$@")
read -ra SBATCH_ARGS <<<"${SBATCH_ARGS:-}"
read -ra ARRAY_ARGS <<<"${ARRAY_ARGS:-}"
((GPUS == 0)) || ARRAY_ARGS+=("--gres=gpu:$GPUS")
[[ -n $BIDS_SR || -f $IMAGE ]] || die "there is no image $IMAGE; set IMAGE, or BIDS_SR"
[[ ! -e $STATE/participants.txt ]] ||
    die "$STATE is there from an earlier submission; call resubmit.sh, set STATE, or remove it"

mkdir -p "$STATE/status" "$STATE/jobs"
if [[ -n ${PARTICIPANTS:-} ]]; then
    tr -s ' ' '\n' <<<"$PARTICIPANTS" | sed 's/^sub-//; /^$/d' >"$STATE/labels"
else
    # -L: in DataLad datasets and on many clusters, folders are links
    find -L "$BIDS_DIR" -mindepth 2 -maxdepth 3 -type d -name dwi \
        \( -path "$BIDS_DIR/sub-*/dwi" -o -path "$BIDS_DIR/sub-*/ses-*/dwi" \) -printf '%P\n' |
        sed 's/^sub-//; s,/.*,,' | sort -u >"$STATE/labels"
fi
count=$(wc -l <"$STATE/labels")
((count > 0)) || die "no participant in $BIDS_DIR has a dwi folder; set PARTICIPANTS"
for name in BIDS_DIR OUTPUT_DIR IMAGE BIDS_SR GPUS MAX_AT_ONCE WORK_DIR GROUP_AFTER OPTIONS \
    SBATCH_ARGS ARRAY_ARGS; do
    declare -p "$name" # quoted, so that the jobs can read it
done >"$STATE/settings.sh"
mv "$STATE/labels" "$STATE/participants.txt"

mapfile -t indices < <(seq "$count")
submit_jobs "$STATE" "${indices[@]}"
