#!/usr/bin/env bash
# Runs every fuzz target for some seconds (10 unless told), from the corpus in fuzz/corpus. Needs no nightly compiler:
# coverage comes without a sanitizer, and the code is safe Rust.
set -euo pipefail
cd "$(dirname "$0")/.."
seconds=${1:-10}

cargo_fuzz=0.13.2
if [ "$(.tools/bin/cargo-fuzz --version 2>/dev/null)" != "cargo-fuzz $cargo_fuzz" ]; then
    cargo install --quiet --locked --root .tools --version "$cargo_fuzz" cargo-fuzz
fi
PATH="$PWD/.tools/bin:$PATH"
export RUSTC_BOOTSTRAP=1
cargo fuzz build --sanitizer none
for target in $(cargo fuzz list); do
    printf '\n== fuzz %s for %s s\n' "$target" "$seconds"
    found=$(mktemp -d)
    cargo fuzz run --sanitizer none "$target" "$found" "fuzz/corpus/$target" -- \
        -max_total_time="$seconds" -max_len=4096 -print_final_stats=0 -verbosity=0
    rm -rf "$found"
done
