#!/usr/bin/env bash
# A real nginx under load, its access log through weir, and every row held against a count of the log. See README.md.
set -euo pipefail
# Each job gets a process group of its own, so that what it starts ends with it.
set -m

here=$(cd "$(dirname "${BASH_SOURCE[0]}")" && pwd)
cd "$here/../.."
PATH=$PATH:/usr/sbin # where Debian keeps nginx, not on every user's path

say() { echo "run.sh: $*" >&2; }

for tool in cargo curl nginx python3 wrk; do
    if ! command -v "$tool" >/dev/null; then
        say "$tool is missing. Debian, Ubuntu: sudo apt-get install nginx wrk curl python3-venv; Rust: https://rustup.rs"
        exit 2
    fi
done

# The jobs that still run get SIGTERM, and SIGKILL after 20 s.
stop_all() {
    for signal in TERM KILL; do
        for job in $(jobs -pr); do kill -s "$signal" -- "-$job" 2>/dev/null || true; done
        for ((tenths = 0; tenths < 200; tenths++)); do
            [[ -n $(jobs -pr) ]] || return 0
            sleep 0.1
        done
    done
}

finish() {
    local status=$?
    trap '' INT TERM HUP
    stop_all 2>/dev/null
    if ((status == 1)); then say "failed; the log and what nginx, wrk and weir said are in $work"; else rm -rf "$work"; fi
    exit "$status"
}

work=$(mktemp -d)
trap finish EXIT
trap 'exit 129' HUP
trap 'exit 130' INT
trap 'exit 143' TERM

# In the background, so that a signal is heard while it runs.
run() {
    "$@" &
    wait "$!"
}

free_port() { python3 -c 'import socket; s = socket.socket(); s.bind(("127.0.0.1", 0)); print(s.getsockname()[1])'; }

# until_ready NAME SECONDS JOB COMMAND...: waits for the command to succeed while the job lives.
until_ready() {
    local name=$1 deadline=$((SECONDS + $2)) job=$3
    shift 3
    until "$@" 2>/dev/null; do
        kill -0 "$job" 2>/dev/null || { say "$name ended before it was ready"; exit 1; }
        ((SECONDS < deadline)) || { say "$name is not ready in time"; exit 1; }
        run sleep 0.2
    done
}

# boto3 in an environment of its own, kept for the next time.
venv=${CARGO_TARGET_DIR:-target}/examples-nginx-venv
if ! "$venv/bin/python" -c 'import boto3' 2>/dev/null; then
    say "installing boto3 into $venv"
    run python3 -m venv --clear "$venv"
    run "$venv/bin/pip" install --quiet --disable-pip-version-check 'boto3>=1.34,<2'
fi

if [[ -z ${AWS_ENDPOINT_URL:-} ]]; then
    say "starting weir up (the first time it builds for some minutes)"
    run cargo weir --version >/dev/null
    port=$(free_port)
    unset AWS_PROFILE AWS_SESSION_TOKEN
    export AWS_ENDPOINT_URL=http://127.0.0.1:$port AWS_REGION=us-east-1
    export AWS_ACCESS_KEY_ID=test AWS_SECRET_ACCESS_KEY=test no_proxy=127.0.0.1
    cargo weir up --port "$port" --parameter FinalizeSeconds=1 >"$work/weir.log" &
    until_ready "weir up" 900 "$!" curl --fail --silent --output /dev/null "$AWS_ENDPOINT_URL/health"
fi
export AWS_DEFAULT_REGION=${AWS_DEFAULT_REGION:-${AWS_REGION:-us-east-1}}

# Services are named anew for each run, so that a second run against one weir finds rows of its own.
port=$(free_port)
sed -e "s/@PORT@/$port/" -e "s/@RUN@/$(date -u +%H%M%S)/" "$here/nginx.conf" >"$work/nginx.conf"
nginx -p "$work" -c nginx.conf -e error.log 2>"$work/nginx.err" &
nginx=$!
until_ready nginx 10 "$nginx" curl --silent --output /dev/null --header 'Host: api' "http://127.0.0.1:$port/health"

say "$(nginx -v 2>&1 | sed 's/.*: //') under wrk for 8 s"
run wrk -t1 -c8 -d8s -s "$here/load.lua" "http://127.0.0.1:$port" >"$work/wrk.log"
# Gracefully: what is in flight is logged.
kill -QUIT "$nginx"
wait "$nginx"

run "$venv/bin/python" "$here/send.py" "$work/access.log"
run "$venv/bin/python" "$here/compare.py" "$work/access.log"
