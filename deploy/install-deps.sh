#!/usr/bin/env bash
# The one list of Debian packages: deploy/install-deps.sh [runtime|build|test]   (default: build)
#   runtime  what the two programs need to run
#   build    runtime, and what it takes to build them and the stand-in
#   test     build, and what tests and lint need
# Installs only what is missing; as root, or with sudo, saying what.
set -euo pipefail

what=${1:-build}
# The tools that sandbox and demo drive the stand-in with (tsql, and openssl for their certificates) belong to build.
runtime=(libczmq4 libzmq5 libprotobuf-c1 libsybdb5 libsqlite3-0 libinih1 libjansson4 libssl3 zlib1g)
build=(gcc libc6-dev make cmake ninja-build pkg-config libczmq-dev libzmq3-dev protobuf-c-compiler libprotobuf-c-dev
    freetds-dev freetds-bin libsqlite3-dev libinih-dev libjansson-dev libcmocka-dev libssl-dev openssl zlib1g-dev)
test=(clang clang-format clang-tidy cppcheck libclang-rt-14-dev gcovr sqlite3)
# Node drives one test, that of the client tedious. Any Node of version 18 or later does, wherever it comes from.
command -v node >/dev/null 2>&1 && command -v npm >/dev/null 2>&1 || test+=(nodejs npm)

case $what in
    runtime) wanted=("${runtime[@]}") ;;
    build) wanted=("${runtime[@]}" "${build[@]}") ;;
    test) wanted=("${runtime[@]}" "${build[@]}" "${test[@]}") ;;
    *) echo "usage: deploy/install-deps.sh [runtime|build|test]" >&2; exit 2 ;;
esac

if ! command -v dpkg-query >/dev/null 2>&1; then
    echo "install-deps: this is not Debian; install the equivalents of: ${wanted[*]}" >&2
    exit 1
fi

missing=()
for package in "${wanted[@]}"; do
    state=$(dpkg-query -W -f '${db:Status-Abbrev}' "$package" 2>/dev/null || true)
    [[ $state == ii* ]] || missing+=("$package")
done
[ ${#missing[@]} -gt 0 ] || exit 0

as_root=()
if [ "$(id -u)" -ne 0 ]; then
    command -v sudo >/dev/null 2>&1 || {
        echo "install-deps: run as root, or install sudo: apt-get install ${missing[*]}" >&2
        exit 1
    }
    as_root=(sudo)
fi
echo "install-deps: installing ${missing[*]}" >&2
export DEBIAN_FRONTEND=noninteractive
"${as_root[@]}" apt-get update -qq >&2
"${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >&2
