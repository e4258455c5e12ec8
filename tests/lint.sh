#!/usr/bin/env bash
# House rules that a compiler does not know.   tests/lint.sh [--all] [BUILD_DIR]
# Without --all the slow checkers (cppcheck, clang-tidy) see only the files changed since the last release tag or the last 20 commits.
set -uo pipefail
cd "$(dirname "$0")/.." || exit 1

all=no
[ "${1:-}" != --all ] || { all=yes; shift; }
build=${1:-}
bad=0
complain() {
    bad=1
    printf 'lint: %s\n' "$1"
    [ -z "${2:-}" ] || printf '%s\n' "$2" | sed 's/^/    /'
}
expect_none() { [ -z "$2" ] || complain "$1" "$2"; }

mapfile -t sources < <(git ls-files '*.c' '*.h')

expect_none "banned functions (use the safe ones of the library or of common/)" \
    "$(grep -nE '(^|[^a-zA-Z0-9_])(strcpy|strcat|sprintf|vsprintf|strtok|atoi|gets|system)[[:space:]]*\(' "${sources[@]}")"
expect_none "a sleep (wait for the event instead)" \
    "$(grep -nE '(^|[^a-zA-Z0-9_])(sleep|usleep|zclock_sleep|nanosleep)[[:space:]]*\(' "${sources[@]}" | grep -v 'lint: paced loop')"
expect_none "unfinished places" \
    "$(grep -nE '\b(TODO|FIXME|XXX|HACK)\b' "${sources[@]}" | grep -v 'XXXXXX')"
expect_none "the cores do no I/O, know no clock, no socket, no SQL" \
    "$(grep -nE '#[[:space:]]*include[[:space:]]*[<"](czmq|zmq|sybdb|sybfront|sqlite3|jansson|stdio|unistd|fcntl|time|pthread|poll|errno|signal|sys/|common/(sql|wire|log|clock|config|key)|proto/)' \
        $(git ls-files 'coordinator/core/*.[ch]' 'agent/core/*.[ch]'))"
expect_none "the product must not use the stand-in, nor the stand-in the product" \
    "$(grep -nE '#[[:space:]]*include[[:space:]]*"tests/' $(git ls-files 'common/*.[ch]' 'agent/*.[ch]' 'agent/*/*.[ch]' 'coordinator/*.[ch]' 'coordinator/*/*.[ch]')
       grep -nE '#[[:space:]]*include[[:space:]]*"(common|agent|coordinator|proto)/' $(git ls-files 'tests/sqlhost/*.[ch]' 'tests/sqlhost/*/*.[ch]'))"
expect_none "agent and coordinator do not know each other" \
    "$(grep -nE '#[[:space:]]*include[[:space:]]*"coordinator/' $(git ls-files 'agent/*.[ch]' 'agent/*/*.[ch]' 'common/*.[ch]')
       grep -nE '#[[:space:]]*include[[:space:]]*"agent/' $(git ls-files 'coordinator/*.[ch]' 'coordinator/*/*.[ch]' 'common/*.[ch]'))"
expect_none "functions that do not fit on a screen (90 lines)" \
    "$(for file in "${sources[@]}"; do awk '
        /^\{/ { open = FNR }
        /^\}/ { if (open && FNR - open > 90) printf "%s:%d %d lines\n", FILENAME, open, FNR - open; open = 0 }' "$file"; done)"
expect_none "files that have grown too large (1200 lines)" \
    "$(wc -l "${sources[@]}" | awk '$2 != "total" && $1 > 1200 { print $2 ": " $1 " lines" }')"
expect_none "formatting: run clang-format -i" \
    "$(clang-format --dry-run "${sources[@]}" 2>&1 | grep -E '(warning|error):' | cut -d: -f1 | sort | uniq -c)"
for script in $(git ls-files '*.sh' .ci/run); do bash -n "$script" || complain "$script does not parse"; done

changed=("${sources[@]}")
if [ $all = no ]; then
    base=$(git describe --tags --abbrev=0 2>/dev/null || git rev-list --max-count=20 HEAD | tail -n 1)
    mapfile -t changed < <({ git diff --name-only --diff-filter=d "$base" -- '*.c'; git ls-files -o --exclude-standard -- '*.c'; } | sort -u)
fi
mapfile -t changed < <(printf '%s\n' "${changed[@]}" | grep '\.c$')
if [ ${#changed[@]} -gt 0 ]; then
    # Only what is certainly wrong: the compilers' own warnings are errors already.
    expect_none "cppcheck" "$(cppcheck --quiet --std=c11 --enable=warning,portability --inline-suppr -I. -j 2 \
        --suppress=missingInclude --suppress=nullPointerRedundantCheck --suppress=unknownMacro --suppress=varFuncNullUB \
        --template='{file}:{line}: {severity}: {message} [{id}]' -D_GNU_SOURCE -D__linux__ "${changed[@]}" 2>&1)"
    # One file at a time: given several, this version's analyzer forgets what va_start is.
    if [ $all = yes ] && [ -n "$build" ] && [ -f "$build/compile_commands.json" ]; then
        expect_none "clang-tidy" "$(printf '%s\n' "${changed[@]}" | xargs -P 2 -n 1 clang-tidy --quiet -p "$build" 2>/dev/null | grep -E 'warning:|error:' | sort -u)"
    fi
fi
[ $bad -ne 0 ] || printf 'lint: %d files, no finding\n' "${#sources[@]}"
exit $bad
