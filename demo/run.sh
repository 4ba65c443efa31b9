#!/usr/bin/env bash
# Builds the server and tfpsctl, starts the server on SQLite under ./var, sends it a few hundred call attempts and
# shows what it decided. Serves until Ctrl-C.
set -euo pipefail
cd "$(dirname "$0")/.."

cargo build --package tfps-server --package tfpsctl
target=${CARGO_TARGET_DIR:-target}/debug
listen=${DEMO_LISTEN:-127.0.0.1:50051}
tfpsctl() { "$target/tfpsctl" --server "http://$listen" --token-file var/admin.token "$@"; }

TFPS_LOG_LEVEL=${TFPS_LOG_LEVEL:-warn} "$target/tfps-server" --data-dir var --listen "$listen" &
server=$!
trap 'kill -TERM "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT
for _ in $(seq 100); do
    if ! kill -0 "$server" 2>/dev/null; then
        echo "error: the server did not start; what it said stands above" >&2
        exit 1
    fi
    if tfpsctl status >/dev/null 2>&1; then
        break
    fi
    sleep 0.1
done

tfpsctl --quiet policy put demo/policy.toml >/dev/null
for user in 1001 1002 1003 1004 1005 1006 1007; do
    tfpsctl --quiet --yes remove "$user" demo.example 2>/dev/null || true
    tfpsctl --quiet create "$user" demo.example >/dev/null
done
tfpsctl --quiet entries import --kind number --action block --replace --source demo demo/fraud-numbers.txt >/dev/null

echo
echo "$(($(wc -l <demo/calls.csv) - 1)) call attempts of a small office; extension 1007 has been taken over by fraudsters."
echo
tfpsctl check --file demo/calls.csv
echo
cat <<TEXT
The server keeps running on $listen until Ctrl-C. In another terminal:

    $target/tfpsctl status
    $target/tfpsctl decisions --username 1007 --domain demo.example
    $target/tfpsctl explain 1007 demo.example 01138599980000 --source-ip 203.0.113.99
    $target/tfpsctl check 1003 demo.example +33199001999
    $target/tfpsctl verify 1003 demo.example --purpose destination-country

TEXT
trap 'exit 0' INT TERM
trap 'kill -TERM "$server" 2>/dev/null || true; wait "$server" 2>/dev/null || true' EXIT
wait "$server"
