# To be sourced: starts a server for a client's script.

# Runs "$@" on a free port and waits until it is ready. Sets server_pid, url and, with `-m`, monitor.
# Its log stays open, so that it never writes to nobody.
start_server() {
    local line
    url= monitor=
    exec {log}< <(exec "$@" -a 127.0.0.1 -p -1 2>&1)
    server_pid=$!
    while IFS= read -r -t 20 -u "$log" line; do
        case $line in
        *'Starting http monitor on'*) monitor=http://127.0.0.1:${line##*:} ;;
        *'Listening for client connections on'*) url=nats://127.0.0.1:${line##*:} ;;
        *'Server is ready'*) return ;;
        *FTL* | *ERR*) echo "$line" >&2 ;;
        esac
    done
    echo "$1 did not start" >&2
    exit 1
}
