#!/usr/bin/env bash
# Measures every budget and writes target/bench/budgets.md. --quick: a smoke run that proves nothing.
set -euo pipefail
cd "$(dirname "$0")/.."

criterion=()
for argument in "$@"; do
    if [ "$argument" = --quick ]; then
        export BENCH_QUICK=1
        criterion=(--quick)
    fi
done

# A thousand calls at once are as many open files, and often no more than 1,024 are allowed at first.
if [ "$(ulimit -Sn)" -lt 4096 ]; then
    ulimit -Sn 4096
fi

cargo build --release --locked -p tfps-server -p tfps-opensips-bridge -p tfps-asterisk-bridge -p tfps-bench --bins
cargo bench --locked -p tfps-bench --bench decision --bench journal -- "${criterion[@]}"
"${CARGO_TARGET_DIR:-target}/release/tfps-bench" "$@"
