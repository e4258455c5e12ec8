#!/usr/bin/env bash
# Builds and tests.
#   tests/run.sh               ASan + UBSan build; unit, quick, end-to-end (short), simulation, lint: under 10 minutes
#   tests/run.sh NAME [--keep] the tests whose name matches NAME; --keep keeps their folders
#   tests/run.sh --all         also clang and release builds, ThreadSanitizer, the long set, full lint, coverage: under 60 minutes
set -euo pipefail
cd "$(dirname "$0")/.."

mode=short
name=""
while [ $# -gt 0 ]; do
    case $1 in
        --all) mode=all ;;
        --keep) export BTSMARK_KEEP=1 ;;
        -h | --help) sed -n '2,5s/^# //p' "$0"; exit 0 ;;
        -*) echo "run.sh: unknown option $1; see --help" >&2; exit 2 ;;
        *) mode=one; name=$1 ;;
    esac
    shift
done

deploy/install-deps.sh test
export ASAN_OPTIONS=abort_on_error=1:detect_leaks=1:strict_string_checks=1:detect_stack_use_after_return=1
export UBSAN_OPTIONS=print_stacktrace=1:halt_on_error=1
export CMOCKA_MESSAGE_OUTPUT=STDOUT

# build PRESET: quiet when it works
build() {
    echo "== build $1"
    local log
    log=$(mktemp)
    if ! { cmake --preset "$1" && cmake --build --preset "$1"; } >"$log" 2>&1; then
        tail -n 60 "$log"
        rm -f "$log"
        exit 1
    fi
    rm -f "$log"
}

# run FOLDER ctest-arguments
run() {
    local folder=$1
    shift
    echo "== test $folder $*"
    ctest --test-dir "$folder" --output-on-failure --no-tests=error "$@"
}

short='unit|quick|e2e-short|sim|fuzz|lint'

case $mode in
    one)
        build asan
        run build-asan -R "$name" -V
        ;;
    short)
        build asan
        run build-asan -L "$short" -j 2
        ;;
    all)
        build clang
        build release
        build tsan
        run build-tsan -L 'unit|quick|e2e-short|sim|tsan-planted' -j 2
        build coverage
        run build-coverage -L 'unit|quick|e2e-short|sim' -j 2
        gcovr --gcov-ignore-parse-errors --root . --object-directory build-coverage --exclude 'tests/.*' --exclude '.*pb-c.*' --print-summary --txt build-coverage/coverage.txt | tail -n 4
        echo "== full lint"
        tests/lint.sh --all build-clang
        build asan
        run build-asan -L 'unit|quick|e2e-short|e2e-long|sim|fuzz|lint' -j 2
        ;;
esac
