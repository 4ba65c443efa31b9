#!/usr/bin/env bash
# Lints everything that is written: Rust, protobuf, SQL, TOML, shell, dependencies and their licences.
set -euo pipefail
cd "$(dirname "$0")/.."
bin=.tools/venv/bin

step() { printf '\n== %s\n' "$1"; }

step "format"
cargo fmt --all --check
step "clippy"
cargo clippy --workspace --all-targets --locked -- --deny warnings
step "protobuf"
"$bin/buf" lint proto
step "SQL"
"$bin/sqlfluff" lint --dialect sqlite --exclude-rules LT05,RF04 server/migrations/sqlite
step "TOML"
"$bin/taplo" lint Cargo.toml ./*/Cargo.toml clients/rust/Cargo.toml server/default.toml opensips-bridge/default.toml asterisk-bridge/default.toml demo/policy.toml deny.toml clippy.toml
step "shell"
shellcheck .ci/run scripts/*.sh demo/*.sh
step "dependencies"
.tools/bin/cargo-deny --all-features check --hide-inclusion-graph bans licenses sources
