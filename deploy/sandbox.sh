#!/usr/bin/env bash
# A BizTalk group to play with, on this machine only: stand-ins for SQL Server, agents, keys and configuration in one folder.
set -euo pipefail
. "$(dirname "${BASH_SOURCE[0]}")/lib.sh"
. "$(dirname "${BASH_SOURCE[0]}")/servers.sh"

usage() {
    cat <<'END'
usage: deploy/sandbox.sh start DIR [--hosts N] [--databases N] [--boxes-apart] [--workload] [--route N]
       deploy/sandbox.sh status DIR      a line per process; exit 0 only if all run
       deploy/sandbox.sh stop DIR        ends what start began, keeps the data
       deploy/sandbox.sh shell DIR       a shell with PATH and the configuration set
       deploy/sandbox.sh drop DIR        stops, and drops what start made on SQL Servers that were given

start makes DIR (or goes on with a stopped one): N instances (3) of the stand-in for SQL Server with N databases (8) in all,
an agent per host (the first serves two instances), keys, and DIR/btsmark.ini. --workload also runs BizTalk-like work, which
routes messages between two instances by distributed transaction: --route N prepares and commits of branches a second (4), 0
for none. --boxes-apart puts the second MessageBox on the last host.
With BTSMARK_SQLSERVER_HOSTS the group is made on test SQL Servers of yours instead of on stand-ins: see deploy/servers.sh.
END
}

command=${1:-}
case $command in
    start | status | stop | shell | drop) ;;
    -h | --help | help) usage; exit 0 ;;
    *) usage >&2; exit 2 ;;
esac
[ $# -ge 2 ] || { usage >&2; exit 2; }
dir=$2
shift 2
hosts=3
databases=8
workload=no
boxes=${BTSMARK_SANDBOX_BOXES:-together}
route=${BTSMARK_ROUTE_RATE:-4}
login=${BTSMARK_SQLSERVER_LOGIN:-sa}
[ -n "${BTSMARK_SQLSERVER_HOSTS:-}" ] || login=sa
sized=no
while [ $# -gt 0 ]; do
    case $1 in
        --hosts) hosts=${2:-}; sized=yes; shift $(($# > 1 ? 2 : 1)) ;;
        --databases) databases=${2:-}; sized=yes; shift $(($# > 1 ? 2 : 1)) ;;
        --workload) workload=yes; shift ;;
        --boxes-apart) boxes=apart; sized=yes; shift ;;
        --route) route=${2:-}; shift $(($# > 1 ? 2 : 1)) ;;
        *) usage >&2; exit 2 ;;
    esac
done
[[ $hosts =~ ^[0-9]+$ ]] && [ "$hosts" -ge 1 ] && [ "$hosts" -le 64 ] || { say "sandbox.sh: --hosts takes 1 to 64" >&2; exit 2; }
[[ $databases =~ ^[0-9]+$ ]] && [ "$databases" -ge 1 ] && [ "$databases" -le 500 ] || { say "sandbox.sh: --databases takes 1 to 500" >&2; exit 2; }

[[ $route =~ ^[0-9]+$ ]] && [ "$route" -le 4000 ] || { say "sandbox.sh: --route takes 0 to 4000" >&2; exit 2; }

# ---- processes ----------------------------------------------------------------------------------------------------------

# Is the recorded process still the one we started? Its command line names our folder.
runs() {
    local pid
    pid=$(cat "$dir/run/$1.pid" 2>/dev/null) || return 1
    [ -r "/proc/$pid/cmdline" ] && tr '\0' ' ' <"/proc/$pid/cmdline" | grep -qF -- "$dir/"
}

# spawn NAME COMMAND...   starts a process, waits for its ready line and leaves that in $ready
spawn() {
    local name=$1 fifo
    shift
    fifo=$dir/run/$name.ready
    rm -f "$fifo"
    mkfifo -m 600 "$fifo"
    exec 7<>"$fifo"
    rm -f "$fifo"
    setsid "$@" --ready-fd 7 >>"$dir/log/$name.log" 2>&1 </dev/null &
    local pid=$!
    echo "$pid" >"$dir/run/$name.pid"
    ready=""
    local tries=0
    until IFS= read -r -t 1 ready <&7; do
        tries=$((tries + 1))
        if ! kill -0 "$pid" 2>/dev/null || [ $tries -ge 60 ]; then
            exec 7>&-
            tail -n 5 "$dir/log/$name.log" >&2
            return 1
        fi
    done
    exec 7>&-
}

# A process that has ended but is not yet reaped by its parent counts as ended. False after 20 s.
wait_ended() {
    local state deadline=$((SECONDS + 20)) idle
    exec {idle}<> <(:)
    while state=$(awk '{ sub(/.*\) /, ""); print $1 }' "/proc/$1/stat" 2>/dev/null) && [ "$state" != Z ]; do
        [ $SECONDS -lt $deadline ] || return 1
        read -r -t 0.05 -u "$idle" || true
    done
    exec {idle}<&-
}

end() {
    local name=$1 pid
    if runs "$name"; then
        pid=$(cat "$dir/run/$name.pid")
        kill -CONT "$pid" 2>/dev/null || true
        kill -TERM "$pid" 2>/dev/null || true
        if ! wait_ended "$pid"; then
            say "sandbox.sh: $name (process $pid) did not stop in 20 s; it is killed" >&2
            kill -KILL "$pid" 2>/dev/null || true
        fi
    fi
    rm -f "$dir/run/$name.pid"
}

end_all() {
    local file
    for kind in workload agent- sqlhost-; do
        for file in "$dir"/run/"$kind"*.pid; do
            [ -e "$file" ] && end "$(basename "$file" .pid)"
        done
    done
    return 0
}

# ---- the group ----------------------------------------------------------------------------------------------------------

# What the instances are called, in order: SQL01, SQL02, ... or what the given servers call themselves.
names=()
name_instances() {
    local number
    if given; then
        mapfile -t names < <(cut -f 1 "$dir/servers")
    else
        for ((number = 1; number <= hosts; number++)); do names+=("$(printf 'SQL%02d' $number)"); done
    fi
}

# "instance database" per line: BizTalk's usual spread over three hosts, custom databases over all.
layout() {
    local -a known=(BizTalkMgmtDb SSODB BizTalkRuleEngineDb BizTalkMsgBoxDb BizTalkMsgBoxDb2 BizTalkDTADb BAMPrimaryImport OrdersDb)
    local -a home=(1 1 1 2 2 3 3 3)
    local i host
    [ "$boxes" != apart ] || home[4]=$hosts
    for ((i = 0; i < databases; i++)); do
        if [ $i -lt 8 ]; then
            host=$((home[i] <= hosts ? home[i] : hosts))
            [ "$hosts" -le 3 ] || [ $i -ne 7 ] || host=4
            printf '%s %s\n' "${names[host - 1]}" "${known[i]}"
        else
            printf '%s Custom%d\n' "${names[i % hosts]}" $((i + 1))
        fi
    done
}

# A small authority, and a certificate of it for each instance: every session to SQL Server is encrypted and checked, as it
# should be in earnest.
certificate() {
    local name=$1 log=$dir/log/certificates.log
    shift
    openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:P-256 -noenc -days 3650 -subj "/CN=$name" "$@" >>"$log" 2>&1 ||
        fail "no certificate for $name: $log"
}

make_authority() {
    certificate "btsmark sandbox authority" -keyout "$dir/keys/ca.key" -out "$dir/keys/ca.pem"
    chmod 600 "$dir/keys/ca.key"
}

make_certificate() {
    certificate "$1" -CA "$dir/keys/ca.pem" -CAkey "$dir/keys/ca.key" -addext basicConstraints=critical,CA:FALSE \
        -addext "subjectAltName=DNS:$1,DNS:localhost,IP:127.0.0.1" -keyout "$dir/keys/sql-$1.key" -out "$dir/keys/sql-$1.pem"
    chmod 600 "$dir/keys/sql-$1.key"
}

start_instance() {
    local name=$1 address=$2
    spawn "sqlhost-$name" "$build/sqlhost" --name "$name" --data "$dir/data/$name" --listen "$address" \
        --sa-password-file "$dir/sa.password" --force-encryption \
        --tls-certificate "$dir/keys/sql-$name.pem" --tls-key "$dir/keys/sql-$name.key" || fail "the instance $name did not start: $dir/log/sqlhost-$name.log"
}

# The group's databases from the same scripts that make one on a real SQL Server.
make_databases() {
    local name=$1 address=$2 sql=$top/deploy/sql/group database log=$dir/log/setup-${1//\\/_}.log
    {
        while read -r _ database; do
            printf 'CREATE DATABASE [%s]\nGO\nALTER DATABASE [%s] SET RECOVERY FULL\nGO\n' "$database" "$database"
            printf 'USE [%s]\nGO\n' "$database"
            cat "$sql/backup-setup.sql"
            printf '\nGO\n'
            case $database in
                BizTalkMgmtDb) cat "$sql/management.sql"; printf '\nGO\n'; group_rows ;;
                SSODB) cat "$sql/backup-setup-sso.sql" ;;
                BizTalkMsgBoxDb*) cat "$sql/messagebox.sql"; printf '\nGO\n'; cat "$sql/routed.sql" ;;
                BizTalkDTADb) cat "$sql/tracking.sql" ;;
                BAMPrimaryImport) cat "$sql/bam.sql" ;;
                OrdersDb | Custom*)
                    printf 'CREATE TABLE dbo.Orders (OrderId int NOT NULL PRIMARY KEY, Item nvarchar(64) NOT NULL)\nGO\n'
                    [ "$database" != OrdersDb ] || cat "$sql/routed.sql"
                    ;;
            esac
            printf '\nGO\n'
        done < <(layout | name=$name awk '$1 == ENVIRON["name"]')
    } | tsql_at "$address" "$dir/sa.password" "$login" >"$log" || true
    if grep -E 'Msg [0-9]+ \(severity (1[1-9]|2[0-9])' -A 2 "$log" >&2; then
        fail "the databases of $name could not be made: $log"
    fi
}

server_of() { layout | awk -v db="$1" '$2 == db { print $1 }'; }

group_rows() {
    local database server
    cat <<END
DELETE FROM dbo.adm_Group
INSERT INTO dbo.adm_Group (Name, TrackingDBServerName, TrackingDBName, BamDBServerName, BamDBName, RuleEngineDBServerName, RuleEngineDBName,
    SubscriptionDBServerName, SubscriptionDBName)
VALUES (N'BizTalk Group', $(name_or_null BizTalkDTADb), $(name_or_null BAMPrimaryImport), $(name_or_null BizTalkRuleEngineDb),
    $(name_or_null BizTalkMsgBoxDb))
GO
END
    for database in BizTalkMsgBoxDb BizTalkMsgBoxDb2; do
        server=$(server_of $database)
        [ -z "$server" ] || printf "INSERT INTO dbo.adm_MessageBox (GroupId, DBServerName, DBName, IsMasterMsgBox) VALUES (1, N'%s', N'%s', %s)\nGO\n" \
            "$server" $database "$([ $database = BizTalkMsgBoxDb ] && echo -1 || echo 0)"
    done
    [ -z "$(server_of SSODB)" ] || printf "INSERT INTO dbo.adm_OtherBackupDatabases VALUES (N'SSO', N'SSODB', N'%s', N'%s')\nGO\n" \
        "$(server_of SSODB)" "$(server_of SSODB)"
    # Custom databases are registered under another spelling of the server, as happens in real groups: the agent lists it as an alias.
    layout | while read -r server database; do
        case $database in
            OrdersDb | Custom*) printf "INSERT INTO dbo.adm_OtherBackupDatabases VALUES (N'%s', N'%s', N'%s', N'-')\nGO\n" \
                "$database" "$database" "$(alias_of "$server")" ;;
        esac
    done
}

alias_of() { printf '%s.sandbox.example,1433' "$(tr '[:upper:]' '[:lower:]' <<<"$1")"; }

name_or_null() {
    local server
    server=$(server_of "$1")
    if [ -n "$server" ]; then printf "N'%s', N'%s'" "$server" "$1"; else printf 'NULL, NULL'; fi
}

# ---- agents and configuration ----------------------------------------------------------------------------------------------

# The first agent serves the first two instances, every other one its own. Agents are SQL01, SQL02, ... by the first instance
# that they serve.
agent_of() {
    local number
    for ((number = 1; number <= ${#names[@]}; number++)); do
        [ "${names[number - 1]}" != "$1" ] || printf 'SQL%02d' $((number <= 2 ? 1 : number))
    done
}

# How the agents and the coordinator get at an instance, and where its backups go.
access_keys() {
    local authority=keys/ca.pem
    ! given || authority=$(cat "$dir/ca")
    printf 'encrypt = required\nca-file = %s\nlogin = %s\npassword-file = sa.password\n' "$authority" "$login"
}

path_keys() {
    local name=$1 path=$dir/backup/$1
    if given; then
        path=$(name=$name awk -F'\t' '$1 == ENVIRON["name"] { print $3 }' "$dir/servers")
        printf 'files = %s\n' "$(cat "$dir/files")"
        [ "$(cat "$dir/files")" = local ] || printf 'manifest-path = %s\n' "$dir/backup/$(agent_of "$name")"
    fi
    printf 'backup-path = %s\nallowed-paths = %s\n' "$path" "$path"
}

write_agent_ini() {
    local agent=$1 port=$2 name address
    {
        cat <<END
[agent]
name = $agent
bind = tcp://127.0.0.1:$port
key-file = keys/agent-$agent

[allow coordinator]
public-key = $(cat "$dir/keys/coordinator.public")
duties = status, backup
END
        while IFS=$'\t' read -r name address _; do
            [ "$(agent_of "$name")" = "$agent" ] || continue
            cat <<END

[instance $name]
server = $address
$(access_keys)
aliases = "$(alias_of "$name")"
$(path_keys "$name")
END
        done <"$dir/hosts"
    } >"$dir/agent-$agent.ini"
}

write_btsmark_ini() {
    local agent address
    {
        cat <<END
[group]
name = BizTalk Group
management-server = $(awk -F'\t' 'NR == 1 { print $2 }' "$dir/hosts")
$(access_keys)

[coordinator]
key-file = keys/coordinator
catalogue = catalogue.db
END
        while IFS=$'\t' read -r agent address; do
            cat <<END

[agent $agent]
address = $address
server-key = $(cat "$dir/keys/agent-$agent.public")
END
        done < <(agents)
    } >"$dir/btsmark.ini"
}

agents() { awk -F'\t' '!seen[$3]++ { printf "SQL%02d\t%s\n", NR, $3 }' "$dir/hosts"; }

start_agents() {
    local agent address
    while IFS=$'\t' read -r agent address; do
        spawn "agent-$agent" "$build/btsmark-agent" -c "$dir/agent-$agent.ini" ||
            fail "the agent $agent did not start: $dir/log/agent-$agent.log"
    done < <(agents)
}

start_workload() {
    local -a servers=()
    local name address authority=$dir/keys/ca.pem
    if given; then
        authority=$(cat "$dir/ca")
        route=0 # branches of distributed transactions without MSDTC are the stand-in's alone
    fi
    while IFS=$'\t' read -r name address _; do servers+=(--instance "$name=$address"); done <"$dir/hosts"
    spawn workload "$build/btsmark-workload" run "${servers[@]}" --login "$login" --password-file "$dir/sa.password" \
        --ca-file "$authority" --ledger "$dir/log/workload.ledger" --rate "${BTSMARK_WORKLOAD_RATE:-20}" \
        --route "$route" || fail "the workload did not start: $dir/log/workload.log"
}

# A port that nobody listens on now: a server takes it at once, so that it stays ours.
free_port() {
    local port
    while :; do
        port=$((20000 + RANDOM % 12000))
        (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null || { echo $port; return; }
    done
}

# An instance to work with: a stand-in that is started, or a server that was given. Its address is left in $ready.
have_instance() {
    local name=$1
    if given; then
        mkdir -p "$dir/backup/$(agent_of "$name")"
        ready=$(name=$name awk -F'\t' '$1 == ENVIRON["name"] { print $2 }' "$dir/servers")
        refuse_existing "$name" "$ready"
        note_made "$name"
        return
    fi
    mkdir -p "$dir/backup/$name" "$dir/data/$name"
    make_certificate "$name"
    start_instance "$name" 127.0.0.1:0
}

make_new() {
    local name agent
    mkdir -p "$dir"/{backup,data,keys,log,run}
    chmod 700 "$dir" "$dir/keys"
    if [ -n "${BTSMARK_SQLSERVER_HOSTS:-}" ]; then
        note_servers
    else
        (umask 077 && od -An -N12 -tx1 /dev/urandom | tr -d ' \n' | sed 's/^/Sb!/; s/$/\n/' >"$dir/sa.password")
        make_authority
    fi
    name_instances
    "$build/btsmark" keygen "$dir/keys/coordinator" >/dev/null
    key_text coordinator
    for name in "${names[@]}"; do
        have_instance "$name"
        agent=$(agent_of "$name")
        if [ ! -e "$dir/keys/agent-$agent.public" ]; then
            port=$(free_port)
            "$build/btsmark" keygen "$dir/keys/agent-$agent" >/dev/null
            key_text "agent-$agent"
        fi
        printf '%s\t%s\ttcp://127.0.0.1:%s\n' "$name" "$ready" "$port" >>"$dir/hosts.new"
        make_databases "$name" "$ready"
    done
    mv "$dir/hosts.new" "$dir/hosts"
    while IFS=$'\t' read -r agent address; do
        write_agent_ini "$agent" "${address##*:}"
    done < <(agents)
    write_btsmark_ini
    start_agents
}

# The Z85 text of a public key, beside the files of the key.
key_text() {
    sed -n 's/^ *public-key *= *"\(.*\)".*$/\1/p' "$dir/keys/$1.pub" >"$dir/keys/$1.public"
    [ -s "$dir/keys/$1.public" ] || fail "no public key in $dir/keys/$1.pub"
}

go_on() {
    local name address
    while IFS=$'\t' read -r name address _; do
        given || runs "sqlhost-$name" || start_instance "$name" "$address"
    done <"$dir/hosts"
    while IFS=$'\t' read -r name address; do
        runs "agent-$name" || spawn "agent-$name" "$build/btsmark-agent" -c "$dir/agent-$name.ini" ||
            fail "the agent $name did not start: $dir/log/agent-$name.log"
    done < <(agents)
}

# ---- commands -----------------------------------------------------------------------------------------------------------

case $command in
    start)
        build_when_missing
        mkdir -p "$dir"
        dir=$(cd "$dir" && pwd)
        ! given || login=$(cat "$dir/login")
        if [ -f "$dir/hosts" ] && [ -f "$dir/btsmark.ini" ]; then
            [ $sized = no ] || say "sandbox.sh: this sandbox goes on as it was made; --hosts and --databases are for a new one" >&2
            go_on
        else
            [ -z "$(ls -A "$dir")" ] || fail "$dir is not empty and is no whole sandbox; name another folder, or empty it"
            trap 'end_all; drop_made' EXIT # a start that fails, or is interrupted, leaves nothing behind
            make_new
        fi
        [ $workload = no ] || runs workload || start_workload
        trap - EXIT
        say "The sandbox serves. Next:"
        say "  $(quoted "$build/btsmark") run -c $(quoted "$dir/btsmark.ini")"
        say "or a shell with everything set:"
        say "  $(quoted "$top/deploy/sandbox.sh") shell $(quoted "$dir")"
        ;;
    status)
        cd "$dir" 2>/dev/null || fail "$dir does not exist"
        dir=$PWD
        [ -f "$dir/hosts" ] || fail "$dir is no sandbox"
        code=0
        while read -r name; do
            if runs "$name"; then state="running (process $(cat "$dir/run/$name.pid"))"; else state=stopped; code=1; fi
            printf '%-20s %s\n' "$name" "$state"
        done < <(given || awk -F'\t' '{ print "sqlhost-" $1 }' "$dir/hosts"; agents | awk -F'\t' '{ print "agent-" $1 }'
            [ ! -e "$dir/run/workload.pid" ] || echo workload)
        exit $code
        ;;
    stop)
        dir=$(cd "$dir" 2>/dev/null && pwd) || exit 0
        [ -d "$dir/run" ] || exit 0
        end_all
        ;;
    drop)
        dir=$(cd "$dir" 2>/dev/null && pwd) || exit 0
        [ -d "$dir/run" ] || exit 0
        end_all
        ! given || login=$(cat "$dir/login")
        drop_made
        ;;
    shell)
        cd "$dir" 2>/dev/null || fail "$dir does not exist"
        dir=$PWD
        [ -f "$dir/btsmark.ini" ] || fail "$dir is no sandbox"
        say "btsmark, btsmark-agent, sqlhost-cut are in PATH; the configuration is $dir/btsmark.ini. Leave with exit."
        BTSMARK_CONFIG=$dir/btsmark.ini PATH=$build:$PATH BTSMARK_SANDBOX=$dir exec "${SHELL:-/bin/bash}"
        ;;
esac
