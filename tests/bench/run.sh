#!/usr/bin/env bash
# Builds the release preset and measures it: tests/bench/run.sh [--quick] [--part sets|rounds|agents] [--out FILE]
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/../../deploy/lib.sh"
programs+=(btsmark-bench)
build_when_missing
BTSMARK_BUILD=$build BTSMARK_SOURCE=$top exec "$build/btsmark-bench" "$@"
