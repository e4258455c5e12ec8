# Sourced by the scripts of this folder: where things are, building when missing, plain messages.
# shellcheck shell=bash

top=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
build=${BTSMARK_BUILD:-$top/build}

say() { printf '%s\n' "$*"; }
quoted() { printf '%q' "$1"; } # as it can be typed at a shell
fail() {
    printf '%s: %s\n' "$(basename "$0")" "$*" >&2
    exit 1
}

programs=(btsmark btsmark-agent sqlhost sqlhost-cut btsmark-workload)

# Builds the programs of the release preset (not the tests) when one is missing; BTSMARK_BUILD names another, ready build.
build_when_missing() {
    local program missing=""
    for program in "${programs[@]}"; do [ -x "$build/$program" ] || missing="$missing $program"; done
    [ -n "$missing" ] || return 0
    [ -z "${BTSMARK_BUILD:-}" ] || fail "$build lacks$missing; build it there, or unset BTSMARK_BUILD"
    "$top/deploy/install-deps.sh" build
    say "building btsmark in $build (a minute or two) ..." >&2
    mkdir -p "$build"
    local log=$build/build.log
    (cd "$top" && cmake --preset release && cmake --build --preset release --target "${programs[@]}") >"$log" 2>&1 || {
        tail -n 40 "$log" >&2
        fail "the build failed; the whole log is $log"
    }
}

# T-SQL from standard input at an instance of the sandbox: the password goes through standard input, so that no process
# list shows it (tsql asks on the terminal unless it has none: setsid).
#   tsql_at HOST:PORT PASSWORD_FILE [LOGIN] < batches separated by GO
tsql_at() {
    local address=$1 password_file=$2 user=${3:-sa}
    { cat "$password_file"; cat; printf '\nGO\nexit\n'; } |
        setsid -w tsql -H "${address%:*}" -p "${address##*:}" -U "$user" -o q 2>&1
}
