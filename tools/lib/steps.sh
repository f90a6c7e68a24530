# Sourced by the scripts in tools/ and by .ci/run: steps with their times, and what they need to know of the machine.
# SPDX-License-Identifier: BSL-1.0

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)

# Deterministic precompiled headers and these settings let ccache reuse objects that were built with one.
export CCACHE_SLOPPINESS=${CCACHE_SLOPPINESS:-pch_defines,time_macros,include_file_mtime,include_file_ctime}
# A precompiled header names the folder that it was made in: another checkout's is of no use here.
export CCACHE_NAMESPACE=${CCACHE_NAMESPACE:-$root}

say() { printf '%s\n' "$*" >&2; }

die() {
    say "weft: $*"
    exit 1
}

as_root() {
    if [ "$(id -u)" = 0 ]; then
        "$@"
    elif command -v sudo >/dev/null; then
        sudo "$@"
    else
        die "packages are missing and neither root nor sudo is at hand; as root, run: $*"
    fi
}

# One compiler at a time per core and per GiB of memory, at least one. WEFT_JOBS overrides.
jobs_here() {
    local cores mem
    cores=$(nproc)
    mem=$(awk '/^MemAvailable:/ {print int($2 / 1048576)}' /proc/meminfo)
    [ "$mem" -ge 1 ] || mem=1
    echo "${WEFT_JOBS:-$((cores < mem ? cores : mem))}"
}

steps_report=()
steps_started=$SECONDS

# step NAME COMMAND...: runs it and notes how long it took. Returns the command's status.
step() {
    local name=$1 started=$SECONDS status=0 line
    shift
    "$@" || status=$?
    line=$(printf '%5d s  %s' $((SECONDS - started)) "$name")
    [ $status = 0 ] || line="$line  (failed, status $status)"
    steps_report+=("$line")
    say "-- $line"
    return $status
}

# step_quiet NAME COMMAND...: the same, but the command's output is shown only when it fails. All goes to stderr.
step_quiet() {
    local log status=0
    log=$(mktemp)
    step "$1" quietly "$log" "${@:2}" || status=$?
    rm -f "$log"
    return $status
}

quietly() {
    local log=$1 status=0
    shift
    "$@" >"$log" 2>&1 || status=$?
    [ $status = 0 ] || cat "$log" >&2
    return $status
}

print_times() {
    say "steps:"
    local line
    for line in "${steps_report[@]}"; do say "  $line"; done
    say "  $(printf '%5d s  in all' $((SECONDS - steps_started)))"
}

# The first compiler that builds coroutines right (docs/decisions/001-compilers.md).
pick_compiler() {
    local c
    for c in clang++-19 clang++-18 clang++-17 clang++-16 clang++-20 g++-14 g++-15; do
        if command -v "$c" >/dev/null; then
            echo "$c"
            return
        fi
    done
    die "no suitable compiler found: weft needs Clang >= 16 or GCC >= 14 (set CXX to one)."
}
