#!/usr/bin/env bash
# The main job in half a minute (and the build, the first time): a BizTalk group on three stand-in hosts, with work going on in
# it, is checked, marked and backed up, a host is cut off and comes back, and what can be restored and what is kept is told.
#   deploy/demo.sh [--keep-running] [DIR]    DIR: an empty folder (default: a new one below the temporary folder)
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"

keep_running=no
dir=""
for argument in "$@"; do
    case $argument in
        -h | --help) sed -n '2,4s/^# //p' "$0"; exit 0 ;;
        --keep-running) keep_running=yes ;;
        -*) say "demo.sh: unknown option $argument" >&2; exit 2 ;;
        *) dir=$argument ;;
    esac
done

"$top/deploy/install-deps.sh" build
build_when_missing
[ -z "$dir" ] || [ -z "$(ls -A "$dir" 2>/dev/null)" ] || fail "$dir is not empty; name another folder"
[ -n "$dir" ] || dir=$(mktemp -d "${TMPDIR:-/tmp}/btsmark-demo.XXXXXX")
sandbox=$top/deploy/sandbox.sh
config=$dir/btsmark.ini

step() { printf '\n=== %s\n\n' "$*"; }
shows() { printf '$ %s\n' "$*"; }
stop() { "$sandbox" stop "$dir"; }
process() { cat "$dir/run/$1.pid"; }

# expect CODES what...   runs btsmark, shows it, and fails the demo when its exit code is none of CODES
expect() {
    local codes=$1 code=0
    shift
    shows "btsmark $*"
    "$build/btsmark" "$1" -c "$config" "${@:2}" || code=$?
    printf '(exit code %d)\n' $code
    [[ " $codes " == *" $code "* ]] || fail "btsmark $1 ended with $code, not with $codes; logs: $dir/log"
}

[ $keep_running = yes ] || trap stop EXIT

step "A BizTalk group: three SQL hosts, eight databases, two agents (SQL01's serves SQL02 too), messages flowing"
"$sandbox" start "$dir" --workload
shows "btsmark agents"
"$build/btsmark" agents -c "$config"

step "Before the first run: would it work? Nothing is wrong; no database has a full backup yet"
expect 0 check

step "First run: every database gets a full backup, then one mark over the whole group, then its log backups"
expect 0 run

step "Second run: the full is not due, so one mark and the log backups"
expect 0 run

step "SQL03 is cut off (its agent and its SQL Server no longer answer): a clear failure, the other hosts' chains go on"
for name in agent-SQL03 sqlhost-SQL03; do kill -STOP "$(process $name)"; done
expect "13 20 21" run
for name in agent-SQL03 sqlhost-SQL03; do kill -CONT "$(process $name)"; done

step "SQL03 is back, but the last run failed: that is what a monitor is told, with the exit code"
expect "13 20 21" status

step "The next run is good again, and SQL03's logs go on from where they were"
expect 0 run

step "One screen about the group"
expect 0 status

step "The marks, each with whether the whole group can be restored to it: the catalogue alone is asked"
expect 0 marks

step "The history, as kept in the group's own adm_BackupHistory and in the catalogue"
expect 0 history

step "Retention: which files would go, which stay, and why. All are young here, so all stay"
expect 0 clean --dry-run

step "The manifest of each set stands beside its files on every host"
(cd "$dir/backup" && find . -name '*.btsmark.json' -printf '  %P  %s bytes\n' | sort)

step "Done"
say "Everything is in $dir: backup/ (files and manifests), log/ (what each process said), btsmark.ini."
if [ $keep_running = yes ]; then
    say "It still runs. Look around with:  deploy/sandbox.sh shell $(quoted "$dir")"
    say "Stop it with:                     deploy/sandbox.sh stop $(quoted "$dir")"
else
    say "Go on with it:  deploy/sandbox.sh start $(quoted "$dir") --workload"
    say "Remove it:      rm -r $(quoted "$dir")"
fi
