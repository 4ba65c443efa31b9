#!/usr/bin/env bash
# All that CI runs.
set -euo pipefail
cd "$(dirname "$0")/.."

scripts/lint.sh
printf '\n== documentation\n'
RUSTDOCFLAGS='--deny warnings' cargo doc --workspace --no-deps --locked --quiet
printf '\n== tests\n'
cargo test --workspace --locked
