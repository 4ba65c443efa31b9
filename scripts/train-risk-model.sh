#!/usr/bin/env bash
# Makes the risk model that TFPS comes with, engine/data/risk-model.json, from a folder of numbers: fraud-numbers.txt,
# ordinary-numbers-same-countries.txt and ordinary-numbers-common.txt, a number in E.164 a line. The same numbers give the same
# model. What the model in the repository was made from is in docs/risk.md.
set -euo pipefail

if [[ $# -ne 1 || ! -d $1 ]]; then
    printf 'usage: %s FOLDER\n' "$0" >&2
    exit 2
fi
data=$(realpath "$1")
cd "$(dirname "$0")/.."

cargo build --quiet --release --locked -p tfpsctl
"${CARGO_TARGET_DIR:-target}/release/tfpsctl" risk train \
    --fraud "$data/fraud-numbers.txt" \
    --ordinary "$data/ordinary-numbers-same-countries.txt" \
    --ordinary "$data/ordinary-numbers-common.txt" \
    --model engine/data/risk-model.json
