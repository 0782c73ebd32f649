#!/bin/bash
# Submit again what failed or was killed, and the group level behind it.
#
#   ./resubmit.sh STATE      STATE is the folder that submit.sh named: OUTPUT_DIR/logs/slurm
#
# A task writes into STATE/status how it ended, so this needs no accounting database (sacct). One
# that was killed has no end written; it is left alone while it still waits or runs. To give more
# time or memory, edit ARRAY_ARGS in STATE/settings.sh.
set -euo pipefail
here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
# shellcheck source-path=SCRIPTDIR source=common.sh
source "$here/common.sh"

[[ $# -eq 1 && -f $1/settings.sh ]] || die "usage: resubmit.sh STATE, the folder that submit.sh named"
STATE=$(realpath "$1")
# shellcheck source=/dev/null
source "$STATE/settings.sh"

# tasks that wait or run: without them a participant might be processed twice at the same time
waiting=" "
while read -r job; do
    while read -r task offset; do # the comment holds what is to be added to the index
        waiting+="$((task + offset)) "
    done < <(squeue --noheader --array --jobs="$job" --format='%K %k' 2>/dev/null || true)
done <"$STATE/array_jobs"

indices=()
index=0
while read -r label; do
    index=$((index + 1))
    status=$(cat "$STATE/status/$label" 2>/dev/null || echo "not started")
    [[ $status != 0 ]] || continue
    if [[ $waiting == *" $index "* ]]; then
        echo "sub-$label: still waiting or running"
    else
        echo "sub-$label: ${status/#running/ended without a word, in job} - again"
        indices+=("$index")
    fi
done <"$STATE/participants.txt"

if ((${#indices[@]} == 0)); then
    echo "nothing to submit"
else
    submit_jobs "$STATE" "${indices[@]}"
fi
