#!/usr/bin/env bash
# Fetches what speaks and resamples the prompts (espeak-ng, sox) and the libraries that they need into a folder, from the machine's
# own package sources, without installing anything: no root, and the machine stays as it is. Prints the folder; the programs to
# run are in its bin. One that is installed already is taken as it is.
set -euo pipefail
cd "$(dirname "$0")/.."

folder=${CARGO_TARGET_DIR:-$PWD/target}/speech
mark="$folder/fetched"
missing=()
for program in espeak-ng sox; do # the packages' names, too
    command -v "$program" >/dev/null 2>&1 || missing+=("$program")
done
wanted=${missing[*]:-installed}
if [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ]; then
    echo "$folder"
    exit
fi

if [ "$wanted" != installed ] && { ! command -v apt-get || ! command -v dpkg-deb; } >/dev/null 2>&1; then
    echo "error: $wanted: fetched with apt-get and dpkg-deb, as Debian has them, and neither is here; install what is missing" >&2
    exit 1
fi

mkdir -p "$folder"
# One fetches, the others wait for it.
exec 9>"$folder/lock"
flock 9
if [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ]; then
    echo "$folder"
    exit
fi

rm -rf "$folder/root" "$folder/apt" "${folder:?}/bin"
mkdir -p "$folder/root" "$folder/bin"
if [ "$wanted" = installed ]; then
    echo "$wanted" >"$mark"
    echo "$folder"
    exit
fi

mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial"
apt=(apt-get -qq
    -o "Dir::State::Lists=$folder/apt/lists" -o "Dir::Cache=$folder/apt/cache"
    -o "APT::Sandbox::User=$(id -un)" -o Debug::NoLocking=1 -o Acquire::Languages=none)
"${apt[@]}" update >&2
# Only what the machine lacks: with it, down to the libraries, a minimal system has all.
"${apt[@]}" install --download-only --yes --no-install-recommends "${missing[@]}" >&2
for package in "$folder"/apt/cache/archives/*.deb; do
    dpkg-deb --extract "$package" "$folder/root"
done
rm -rf "$folder/apt"

# The libraries, and the data whose place is compiled into espeak-ng, are found from where they were fetched to.
for program in "${missing[@]}"; do
    cat >"$folder/bin/$program" <<'WRAPPER'
#!/usr/bin/env bash
root=$(cd "$(dirname "$0")/../root" && pwd)
for libraries in "$root"/usr/lib/*-linux-gnu* "$root"/usr/lib/*-linux-gnu*/pulseaudio "$root"/lib/*-linux-gnu*; do
    [ -d "$libraries" ] && LD_LIBRARY_PATH=$libraries${LD_LIBRARY_PATH:+:$LD_LIBRARY_PATH}
    [ -d "$libraries/espeak-ng-data" ] && export ESPEAK_DATA_PATH=$libraries
done
export LD_LIBRARY_PATH
exec "$root/usr/bin/${0##*/}" "$@"
WRAPPER
    chmod +x "$folder/bin/$program"
    PULSE_SERVER=/nowhere "$folder/bin/$program" --version >/dev/null
done
echo "$wanted" >"$mark"
echo "$folder"
