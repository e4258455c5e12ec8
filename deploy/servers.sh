# Sourced by sandbox.sh: a test group on SQL Servers that are given, instead of on stand-ins.
# shellcheck shell=bash
#
#   BTSMARK_SQLSERVER_HOSTS          host:port,host:port,...; the first holds BizTalkMgmtDb. Unset: stand-ins
#   BTSMARK_SQLSERVER_LOGIN          a login in sysadmin there (sa)
#   BTSMARK_SQLSERVER_PASSWORD_FILE  its password, one line, mode 0600
#   BTSMARK_SQLSERVER_CA_FILE        authorities of their certificates: a PEM file, system, or none (none)
#   BTSMARK_SQLSERVER_BACKUP_PATH    the folder that each of them writes backups to (its own default backup folder)
#   BTSMARK_SQLSERVER_FILES          sql = the agents reach the backups through SQL Server, local = this machine has the same
#                                    folder (sql)
#
# For test servers only, of SQL Server 2016 or later: the group's databases are made there under BizTalk's names (never where
# one of that name stands already), and `sandbox.sh drop` drops exactly those it made. Backup files stay on the servers.
# What was given is kept in DIR/servers, so that later commands need no variables.

# shellcheck disable=SC2154  # dir, say, fail, tsql_at: of sandbox.sh and lib.sh

given() { [ -e "$dir/servers" ]; }

# The rows of a query at ADDRESS, without its column names.
ask() {
    { printf '%s\nGO\n' "$2"; } | tsql_at "$1" "$dir/sa.password" "$login" | sed 's/^Password: //' | tail -n +2
}

# One line of DIR/servers for each address: name, address, backup folder.
note_servers() {
    local address name path file=${BTSMARK_SQLSERVER_PASSWORD_FILE:-}
    local -a addresses
    IFS=, read -r -a addresses <<<"$BTSMARK_SQLSERVER_HOSTS"
    [ "${#addresses[@]}" -ge "$hosts" ] ||
        fail "this group needs $hosts SQL Servers; BTSMARK_SQLSERVER_HOSTS names ${#addresses[@]}"
    [ -r "$file" ] || fail "BTSMARK_SQLSERVER_PASSWORD_FILE names no file that can be read"
    (umask 077 && head -n 1 "$file" >"$dir/sa.password")
    for address in "${addresses[@]:0:hosts}"; do
        name=$(ask "$address" "SELECT CAST (SERVERPROPERTY ('servername') AS nvarchar(128)) AS n")
        [[ $name =~ ^[A-Za-z0-9._\$\\-]+$ ]] || fail "$address does not answer as a SQL Server does: $name"
        ! cut -f 1 "$dir/servers.new" 2>/dev/null | grep -qxF -- "$name" || fail "$address is $name, which stands in BTSMARK_SQLSERVER_HOSTS twice"
        path=${BTSMARK_SQLSERVER_BACKUP_PATH:-$(ask "$address" "SELECT CAST (SERVERPROPERTY ('InstanceDefaultBackupPath') AS nvarchar(260)) AS p")}
        [ -n "$path" ] && [ "$path" != NULL ] || fail "$name does not tell its backup folder: set BTSMARK_SQLSERVER_BACKUP_PATH"
        printf '%s\t%s\t%s\n' "$name" "$address" "$path" >>"$dir/servers.new"
    done
    mv "$dir/servers.new" "$dir/servers"
    printf '%s\n' "$login" >"$dir/login"
    printf '%s\n' "${BTSMARK_SQLSERVER_CA_FILE:-none}" >"$dir/ca"
    printf '%s\n' "${BTSMARK_SQLSERVER_FILES:-sql}" >"$dir/files"
}

# Fails when a database of the group stands on the server already: it may be somebody's.
refuse_existing() {
    local name=$1 address=$2 list found
    list=$(layout | name=$name awk '$1 == ENVIRON["name"] { printf "%sN\x27%s\x27", sep, $2; sep = ", " }')
    [ -n "$list" ] || return 0
    found=$(ask "$address" "SELECT name FROM sys.databases WHERE name IN ($list)")
    [ -z "$found" ] || fail "$name has databases of these names already, and they are not ours to touch:" $found
}

# What was made is noted before it is made, so that a start that fails half-way is dropped too.
note_made() { layout | name=$1 awk '$1 == ENVIRON["name"] { print $1 "\t" $2 }' >>"$dir/made"; }

drop_made() {
    local name database address
    [ -e "$dir/made" ] || return 0
    while IFS=$'\t' read -r name database; do
        address=$(name=$name awk -F'\t' '$1 == ENVIRON["name"] { print $2 }' "$dir/servers")
        printf 'IF DB_ID (N%s) IS NOT NULL\nALTER DATABASE [%s] SET SINGLE_USER WITH ROLLBACK IMMEDIATE\nGO\nIF DB_ID (N%s) IS NOT NULL\nDROP DATABASE [%s]\nGO\n' \
            "'$database'" "$database" "'$database'" "$database" | tsql_at "$address" "$dir/sa.password" "$login" >>"$dir/log/drop.log" 2>&1
        [ -z "$(ask "$address" "SELECT name FROM sys.databases WHERE name = N'$database'")" ] ||
            fail "$database could not be dropped from $name: $dir/log/drop.log"
    done <"$dir/made"
    rm -f "$dir/made"
    while IFS=$'\t' read -r name address database; do
        say "backup files stay on $name in $database"
    done <"$dir/servers"
}
