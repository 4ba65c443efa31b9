#!/usr/bin/env bash
# Installs what linting, testing and benchmarking need, where it is missing: system packages by apt, linters into .tools.
set -euo pipefail
cd "$(dirname "$0")/.."

missing=()
need() { command -v "$1" >/dev/null 2>&1 || missing+=("$2"); }
need cc build-essential
need shellcheck shellcheck
need h2load nghttp2-client
need python3 python3
need curl curl
need flock util-linux
python3 -c 'import ensurepip, venv' 2>/dev/null || missing+=(python3-venv)

if [ ${#missing[@]} -gt 0 ]; then
    if ! command -v apt-get >/dev/null 2>&1; then
        echo "error: missing here: ${missing[*]}; install these packages with the system's package manager" >&2
        exit 1
    fi
    as_root=()
    if [ "$(id -u)" -ne 0 ]; then
        as_root=(sudo)
    fi
    echo "installing ${missing[*]}"
    "${as_root[@]}" apt-get update -qq
    DEBIAN_FRONTEND=noninteractive "${as_root[@]}" apt-get install -y -qq --no-install-recommends "${missing[@]}" >/dev/null
fi

if ! command -v cargo >/dev/null 2>&1; then
    echo "error: cargo is missing; install Rust $(sed -n 's/^rust-version = "\(.*\)"/\1/p' Cargo.toml) or newer by rustup" >&2
    exit 1
fi

# One version each, so that a linter's new release breaks nobody's build.
wanted="buf-bin==1.75.0 sqlfluff==4.5.0 taplo==0.9.3"
if [ "$(cat .tools/wanted 2>/dev/null)" != "$wanted" ]; then
    rm -rf .tools/venv
    python3 -m venv .tools/venv
    # shellcheck disable=SC2086 # a word is a package
    .tools/venv/bin/pip install --quiet --disable-pip-version-check $wanted
    echo "$wanted" >.tools/wanted
fi

deny=0.20.2
if [ "$(.tools/bin/cargo-deny --version 2>/dev/null)" != "cargo-deny $deny" ]; then
    cargo install --quiet --locked --root .tools --version "$deny" cargo-deny
fi
