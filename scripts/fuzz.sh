#!/usr/bin/env bash
# Runs every fuzz target for some seconds (10 unless told), from the corpus in fuzz/corpus; with `light` as the second
# word only those that need nothing but the engine. Needs no nightly compiler: coverage comes without a sanitizer, and
# the code is safe Rust but for mapping a file.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-10}
features=(--features server)
targets=(call_attempt dialed_number list_entry policy_document rate_sheet recurrence risk_model)
if [ "${2:-}" = light ]; then
    features=()
else
    targets+=(address_database agi configuration journal reputation_answers sip_headers switch_request)
fi

cargo_fuzz=0.13.2
if [ "$(.tools/bin/cargo-fuzz --version 2>/dev/null)" != "cargo-fuzz $cargo_fuzz" ]; then
    cargo install --quiet --locked --root .tools --version "$cargo_fuzz" cargo-fuzz
fi
PATH="$PWD/.tools/bin:$PATH"
export RUSTC_BOOTSTRAP=1
for target in "${targets[@]}"; do
    printf '\n== fuzz %s for %s s\n' "$target" "$seconds"
    found=$(mktemp -d)
    cargo fuzz run --sanitizer none "${features[@]}" "$target" "$found" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=8192 -verbosity=0
    rm -rf "$found"
done
