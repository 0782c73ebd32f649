# shellcheck shell=bash
# Functions of submit.sh and resubmit.sh; read by them, not run.

die() {
    echo "$(basename "$0"): $*" >&2
    exit 2
}

# Submit the array of these indices (lines of participants.txt, counted from 1), and the group job
# behind it. A cluster takes arrays up to some index only: what lies beyond goes into arrays of its
# own, whose indices start from 1 again.
# usage: submit_jobs STATE INDEX...
submit_jobs() {
    local state=$1 index array
    shift
    local here largest
    here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
    largest=$(largest_index)
    declare -A arrays=()
    for index in "$@"; do
        local offset=$(((index - 1) / largest * largest))
        arrays[$offset]+="${arrays[$offset]:+,}$((index - offset))"
    done
    local ids=()
    for offset in "${!arrays[@]}"; do
        array=$(sbatch --parsable "${SBATCH_ARGS[@]}" "${ARRAY_ARGS[@]}" --comment="$offset" \
            --array="${arrays[$offset]}%$MAX_AT_ONCE" --output="$state/jobs/%A_%a.log" \
            "$here/array.sbatch" "$state" "$offset")
        ids+=("${array%%;*}") # of several clusters, sbatch names the one: ID;CLUSTER
    done
    local group
    group=$(sbatch --parsable "${SBATCH_ARGS[@]}" --output="$state/jobs/%j_group.log" \
        --dependency="$GROUP_AFTER:$(IFS=:; echo "${ids[*]}")" --kill-on-invalid-dep=yes \
        "$here/group.sbatch" "$state")
    group=${group%%;*}
    printf '%s\n' "${ids[@]}" >>"$state/array_jobs"
    echo "participants: $# (array job ${ids[*]})"
    echo "group: job $group, $GROUP_AFTER the array"
    echo "state and logs: $state"
}

# The largest index an array may have.
largest_index() {
    local size
    size=$(scontrol show config | awk '$1 == "MaxArraySize" { print $3 }')
    echo $((${size:-1001} - 1))
}
