#!/usr/bin/env bash
# Fetches the real programs that the end-to-end tests and benchmarks talk to (Kamailio, SIPp, tcpdump, wrk) into a folder, from the
# machine's own package sources, without installing anything: no root, and the machine stays as it is. Prints the folder.
# What is installed already is taken from there.
set -euo pipefail
cd "$(dirname "$0")/.."

packages=(kamailio kamailio-utils-modules kamailio-json-modules sip-tester tcpdump wrk)
folder=${CARGO_TARGET_DIR:-$PWD/target}/sip-peers
mark="$folder/fetched"
if [ "$(cat "$mark" 2>/dev/null)" = "${packages[*]}" ]; then
    echo "$folder"
    exit
fi

if ! command -v apt-get >/dev/null 2>&1 || ! command -v dpkg-deb >/dev/null 2>&1; then
    echo "error: ${packages[*]} are fetched with apt-get and dpkg-deb, as Debian has them; neither is here" >&2
    exit 1
fi

mkdir -p "$folder"
# One fetches, the others wait for it.
exec 9>"$folder/lock"
flock 9
if [ "$(cat "$mark" 2>/dev/null)" = "${packages[*]}" ]; then
    echo "$folder"
    exit
fi

rm -rf "$folder/root" "$folder/apt"
mkdir -p "$folder/root" "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial"
apt=(apt-get -qq
    -o "Dir::State::Lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache"
    -o "APT::Sandbox::User=$(id -un)" -o Debug::NoLocking=1 -o APT::Get::List-Cleanup=0)
"${apt[@]}" update >&2
# Only what the machine lacks.
"${apt[@]}" install --download-only --yes --no-install-recommends "${packages[@]}" >&2
for package in "$folder"/apt/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$folder/root"
done
rm -rf "$folder/apt"
echo "${packages[*]}" >"$mark"
echo "$folder"
