#!/usr/bin/env bash
# Fetches Asterisk, its English prompts and the libraries that it needs into a folder, from the mirror of the machine's own
# package sources, without installing anything: no root, and the machine stays as it is. Prints the folder. Asterisk is not in
# Debian 12, so it is taken from Debian 11 (bullseye). One that is installed already is taken as it is.
set -euo pipefail
cd "$(dirname "$0")/.."

release=bullseye
# What a resolver would add beside (gnupg, perl, SNMP, three databases) is for modules that nobody loads here.
packages=(
    asterisk asterisk-modules asterisk-core-sounds-en-gsm
    libbsd0 libcap2 libcrypt1 libedit2 libgsm1 libicu67 libjansson4 liblzma5 libmd0 libsqlite3-0 libssl1.1 libtinfo6
    liburiparser1 libuuid1 libxml2 libxslt1.1
)
folder=${CARGO_TARGET_DIR:-$PWD/target}/asterisk
mark="$folder/fetched"
wanted="installed"
command -v asterisk >/dev/null 2>&1 || wanted="$release ${packages[*]}"
if [ "$(cat "$mark" 2>/dev/null)" = "$wanted" ]; then
    echo "$folder"
    exit
fi

if [ "$wanted" != installed ] && { ! command -v apt-get || ! command -v dpkg-deb; } >/dev/null 2>&1; then
    echo "error: Asterisk is fetched with apt-get and dpkg-deb, as Debian has it; neither is here. Install Asterisk 16 or newer" >&2
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

rm -rf "$folder/root" "$folder/apt"
mkdir -p "$folder/root"
if [ "$wanted" = installed ]; then
    echo "$wanted" >"$mark"
    echo "$folder"
    exit
fi

# The archive that the machine's own release comes from has older ones too. Archives of updates and security fixes are told by
# the dash or slash in what they call their release.
mapfile -t mirrors < <(apt-get update --print-uris | sed -n "s|^'\(.*\)/dists/[^/-]*/InRelease' .*|\1|p" | sort -u)
if [ ${#mirrors[@]} -eq 0 ]; then
    echo "error: the machine's package sources name no Debian mirror to fetch Asterisk from; install Asterisk 16 or newer" >&2
    exit 1
fi
keys=/usr/share/keyrings/debian-archive-keyring.gpg
signed=
if [ -f "$keys" ]; then
    signed="[signed-by=$keys] "
fi

mkdir -p "$folder/apt/lists/partial" "$folder/apt/cache/archives/partial" "$folder/apt/packages"
: >"$folder/apt/status"
apt=(apt-get -qq
    -o "Dir::Etc::SourceList=$folder/apt/sources.list" -o Dir::Etc::SourceParts=- -o "Dir::State::Lists=$folder/apt/lists"
    -o "Dir::State::status=$folder/apt/status" -o "Dir::Cache=$folder/apt/cache"
    -o Acquire::Languages=none -o "APT::Sandbox::User=$(id -un)" -o Debug::NoLocking=1)
found=
for mirror in "${mirrors[@]}"; do
    echo "deb $signed$mirror $release main" >"$folder/apt/sources.list"
    if "${apt[@]}" update >&2; then
        found=$mirror
        break
    fi
done
if [ -z "$found" ]; then
    echo "error: none of ${mirrors[*]} has Debian $release to fetch Asterisk from; install Asterisk 16 or newer" >&2
    exit 1
fi
(cd "$folder/apt/packages" && "${apt[@]}" download "${packages[@]}" >&2)
for package in "$folder"/apt/packages/*.deb; do
    dpkg-deb --extract "$package" "$folder/root"
done
rm -rf "$folder/apt"
# An installation's alternatives would make it: without it no prompt is found.
ln -s en_US_f_Allison "$folder/root/usr/share/asterisk/sounds/en"
echo "$wanted" >"$mark"
echo "$folder"
