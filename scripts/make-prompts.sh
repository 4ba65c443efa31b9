#!/usr/bin/env bash
# Makes the IVR's sounds from asterisk-bridge/prompts/<language>.txt, in the form that Asterisk plays: WAV, 8 kHz, mono, 16 bit.
#
#     make-prompts.sh [--language LANGUAGE]... [--speaker COMMAND] [FOLDER]
#
# FOLDER (default: prompts in CARGO_TARGET_DIR, or target) gets <language>/tfps/<name>.wav and, of the digits,
# <language>/digits/<0-9>.wav. A sentence that did not change is not spoken again.
# --language makes only this one; given again, that one too. Without it: all that have a text file.
# --speaker is another voice than espeak-ng: a shell command, run in your folder with two more arguments, the language and the
#   WAV to write (any rate, mono or stereo), and the sentence on its standard input.
# Exit code: 0 all are made, 1 one could not be made, 2 an argument or a text file is wrong.
set -euo pipefail
export LC_ALL=C.UTF-8 # a point in numbers, the English alphabet in a-z, UTF-8 for speakers

texts=asterisk-bridge/prompts
telephone_band=200-3500 # Hz
shortest=0.25 longest=12 # s
lowest_peak=-6 highest_peak=-1 # dBFS
faintest=-40 # dBFS: what was spoken is silence when nothing in it is louder
headroom=6 # dB, for filtering
patience=60 # s for a sentence
speakers_at_once=2
# Asterisk's own sounds have these languages' digits.
has_digits=' en es fr it ja ru sv '

main() {
    called_from=$PWD
    cd "$(dirname "$0")/.."
    read_arguments "$@"
    read_texts
    find_programs

    made="$folder/.made" # what each sound was made from: hidden, so that `cp -r */tfps` leaves it
    mkdir -p "$made"
    how="$voice $telephone_band $(declare -f say settle)" # where that changes, all is made again
    # One makes them, the others wait for it.
    exec 9>"$made/lock"
    flock 9
    rm -rf "$made"/temp.* # of one that was killed
    temp=$(mktemp -d "$made/temp.XXXXXX")
    trap 'wait && rm -rf "$temp"' EXIT
    trap 'exit 130' INT TERM

    spoken=0
    speak_changed
    forget_removed
    tell
}

# Speaks every sentence that was not spoken as it is now. After the first that fails no other is begun.
speak_changed() {
    local prompt running=0 failed=0
    for prompt in "${prompts[@]}"; do
        if is_made "$prompt"; then
            continue
        fi
        if [ "$running" -eq "$speakers_at_once" ]; then
            running=$((running - 1))
            wait -n || failed=1
        fi
        if [ "$failed" -ne 0 ]; then
            break
        fi
        make_one "$prompt" &
        running=$((running + 1)) spoken=$((spoken + 1))
    done
    while [ "$running" -gt 0 ]; do
        running=$((running - 1))
        wait -n || failed=1
    done
    if [ "$failed" -ne 0 ]; then
        exit 1
    fi
}

is_made() {
    [ -f "$folder/$(sound "$1")" ] && [ "$(cat "$made/$1" 2>/dev/null)" = "$(made_from "$1")" ]
}

made_from() {
    printf '%s\n%s\n' "$how" "${sentences[$1]}"
}

# $1 is language/name, as in all below.
make_one() {
    local prompt=$1
    local spoken_wav="$temp/$1.spoken.wav" wav="$temp/$1.wav"
    mkdir -p "$temp/${prompt%/*}" "$made/${prompt%/*}" "$(dirname "$folder/$(sound "$prompt")")"
    say "$prompt" "$spoken_wav"
    settle "$prompt" "$spoken_wav" "$wav"
    check "$prompt" "$wav"
    rm -f "$made/$prompt"
    mv "$wav" "$folder/$(sound "$prompt")"
    made_from "$prompt" >"$made/$prompt"
}

# Where Asterisk looks for it: the bridge plays tfps/<name>, SAY DIGITS plays digits/<digit>.
sound() {
    case ${1#*/} in
        digit-*) echo "${1%/*}/digits/${1#*/digit-}.wav" ;;
        *) echo "${1%/*}/tfps/${1#*/}.wav" ;;
    esac
}

# Has the sentence spoken into the file $2.
say() {
    local prompt=$1 wav=$2 language=${1%/*} sentence=${sentences[$1]} said="$temp/$1.said" code=0
    if [ -n "$speaker" ]; then
        (cd "$called_from" && timeout "$patience" bash -c "$speaker \"\$@\"" speaker "$language" "$wav") \
            <<<"$sentence" >"$said" 2>&1 9>&- || code=$?
    else
        local tongue=${language,,} speed=150 pin=Pin # spelled out when in capitals; words a minute
        tongue=${tongue//_/-}
        case $language in
            en) tongue=en-us speed=155 ;;
            es) tongue=es-419 speed=155 ;;
            pt) tongue=pt-br speed=155 ;;
            fr) tongue=fr-fr ;;
            de) speed=160 pin=Pinn ;;
        esac
        timeout "$patience" espeak-ng -v "$tongue" -s "$speed" -p 45 -b 1 --stdin -w "$wav" \
            <<<"${sentence//PIN/$pin}" >"$said" 2>&1 9>&- || code=$?
    fi
    if [ "$code" -eq 124 ]; then
        fail "$prompt" "did not end within $patience s"
    elif [ "$code" -ne 0 ]; then
        fail "$prompt" "ended with code $code: $(tail -n 1 "$said")"
    elif [ ! -s "$wav" ]; then
        fail "$prompt" "wrote nothing into the file that its last argument names"
    fi
}

# Makes of what was spoken ($2) what is played ($3): the telephone's band, one level, a tenth of a second of silence around it.
settle() {
    local prompt=$1 spoken_wav=$2 wav=$3 band="$temp/$1.sox" numbers="$temp/$1.numbers"
    if ! sox -V1 "$spoken_wav" -c 1 "$band" gain "-$headroom" rate -h 8000 sinc "$telephone_band" stats \
        2>"$numbers"; then
        fail "$prompt" "wrote no WAV that sox can read: $(tail -n 1 "$numbers")"
    fi
    if ! within "$(peak "$numbers")" "$((faintest - headroom))" 0; then
        fail "$prompt" "wrote silence: nothing louder than $faintest dBFS"
    fi
    sox -V1 -D "$band" -b 16 -e signed-integer "$wav" gain -n -3 \
        silence 1 0.01 -55d reverse silence 1 0.01 -55d reverse pad 0.1 0.1
}

# Holds what was made ($2) against what Asterisk plays and a caller can hear.
check() {
    local prompt=$1 wav=$2 numbers="$temp/$1.checked" bytes seconds
    # RIFF, then: WAVE, fmt of 16 bytes, PCM, 1 channel, 8000 Hz, 16000 bytes a second, 2 a sample, 16 bit, data
    local plain='52494646 57415645 666d7420 10000000 0100 0100 401f0000 803e0000 0200 1000 64617461'
    if [ "$(hex "$wav" 0 4)$(hex "$wav" 8 32)" != "${plain// /}" ]; then
        fail "$prompt" "wrote what sox makes no plain WAV of 8 kHz, mono, 16 bit from"
    fi
    bytes=$(od -An --endian=little -tu4 -j40 -N4 "$wav")
    if [ $((bytes + 44)) -ne "$(stat -c %s "$wav")" ]; then
        fail "$prompt" "wrote what sox makes $(stat -c %s "$wav") bytes from, not $((bytes + 44)) as their head says"
    fi
    seconds=$(awk -v bytes="$bytes" 'BEGIN { print bytes / 16000 }')
    if ! within "$seconds" "$shortest" "$longest"; then
        fail "$prompt" "wrote what lasts $seconds s; right is from $shortest to $longest"
    fi
    sox -V1 "$wav" -n stats 2>"$numbers"
    if ! within "$(peak "$numbers")" "$lowest_peak" "$highest_peak"; then
        fail "$prompt" "wrote what peaks at $(peak "$numbers") dBFS; right is from $lowest_peak to $highest_peak"
    fi
}

hex() { od -An -v -tx1 -j"$2" -N"$3" "$1" | tr -d ' \n'; }

peak() { awk '/^Pk lev dB/ { peak = $4 } END { print peak == "" || peak == "-inf" ? -999 : peak }' "$1"; }

within() {
    awk -v value="$1" -v least="$2" -v most="$3" 'BEGIN { exit !(value + 0 >= least + 0 && value + 0 <= most + 0) }'
}

fail() {
    echo "error: $texts/${1%/*}.txt: ${1#*/}: $(name_speaker) $2" >&2
    exit 1
}

name_speaker() { if [ -n "$speaker" ]; then echo "\`$speaker\`"; else echo espeak-ng; fi; }

# A sound whose name the text file no longer has goes.
forget_removed() {
    local language stamp
    for language in "${languages[@]}"; do
        for stamp in "$made/$language"/*; do
            stamp=$language/${stamp##*/}
            if [ -f "$made/$stamp" ] && [ -z "${sentences[$stamp]:-}" ]; then
                rm -f "$folder/$(sound "$stamp")" "$made/$stamp"
            fi
        done
    done
}

tell() {
    local language lacking=()
    for language in "${languages[@]}"; do
        [[ $has_digits == *" ${language%%_*} "* ]] || lacking+=("$language/digits")
    done
    echo "${#prompts[@]} prompts in ${languages[*]} ($spoken new) are in $folder; to install them: cd '$folder' &&" \
        "cp -r --parents */tfps" "${lacking[@]}" "/var/lib/asterisk/sounds/ (digits only where Asterisk has none of its own)"
}

read_arguments() {
    local target=${CARGO_TARGET_DIR:-target}
    folder='' speaker='' languages=()
    while [ $# -gt 0 ]; do
        case $1 in
            --help | -h) sed -n '2,/^set /{/^set /d;s/^# \{0,1\}//p}' "scripts/${0##*/}" && exit ;;
            --language | --speaker)
                [ -n "${2:-}" ] || refuse "$1 needs a value"
                if [ "$1" = --speaker ]; then speaker=$2; else languages+=("$2"); fi
                shift
                ;;
            -* | '') refuse "unknown option '$1'; known: --language LANGUAGE, --speaker COMMAND" ;;
            *)
                [ -z "$folder" ] || refuse "one folder is made, not '$folder' and '$1'"
                folder=$1
                ;;
        esac
        shift
    done
    [[ $target == /* ]] || target=$PWD/$target
    if [ -z "$folder" ]; then
        folder=$target/prompts
    elif [[ $folder != /* ]]; then
        folder=$called_from/$folder
    fi
    PATH=$PATH:$target/speech/bin # what scripts/fetch-speech.sh fetched; what is installed goes before
    if [ ${#languages[@]} -eq 0 ]; then
        languages=("$texts"/*.txt)
        languages=("${languages[@]##*/}")
        languages=("${languages[@]%.txt}")
    fi
    local language
    for language in "${languages[@]}"; do
        [[ $language =~ ^[a-z]{2,3}(_[A-Za-z0-9]+)*$ ]] ||
            refuse "'$language' is no language as Asterisk names them; right is en or pt_BR"
        [ -f "$texts/$language.txt" ] || refuse "there are no sentences in '$language'; $texts/$language.txt would have them"
    done
    mapfile -t languages < <(printf '%s\n' "${languages[@]}" | sort -u)
}

# Reads the sentences of all languages, and tells all that is wrong with them before any is spoken.
read_texts() {
    declare -gA sentences=() lines=()
    prompts=() wrong=0
    local language name
    read_text en
    local english=("${names[@]}")
    for language in "${languages[@]}"; do
        prompts+=("${english[@]/#/$language/}")
        if [ "$language" = en ]; then
            continue
        fi
        read_text "$language"
        for name in "${english[@]}"; do
            if [ -z "${sentences[$language/$name]:-}" ]; then
                complain "$language.txt" "'$name' is missing, which en.txt has on line ${lines[en/$name]}"
            fi
        done
        for name in "${names[@]}"; do
            if [ -z "${sentences[en/$name]:-}" ]; then
                complain "$language.txt:${lines[$language/$name]}" "en.txt has no '$name'"
            fi
        done
    done
    if [ "${#prompts[@]}" -eq 0 ]; then
        complain en.txt "it has no sentence"
    fi
    if [ "$wrong" -ne 0 ]; then
        exit 2
    fi
}

read_text() {
    local language=$1 line number=0 name
    local file="$texts/$1.txt"
    number=$(grep -naxv '.*' "$file" | head -n 1 | cut -d : -f 1) || true
    if [ -n "$number" ]; then
        complain "$language.txt:$number" "this is not UTF-8"
    fi
    number=0 names=()
    while IFS= read -r line || [ -n "$line" ]; do
        number=$((number + 1))
        line=${line%$'\r'}
        if [[ $line =~ ^[[:space:]]*(#.*)?$ ]]; then
            continue
        elif ! [[ $line =~ ^([a-z][a-z0-9]*(-[a-z0-9]+)*)[[:space:]]*=[[:space:]]*([^[:space:]].*)$ ]]; then
            complain "$language.txt:$number" "this line is no \`name = sentence\`: $line"
            continue
        fi
        name=${BASH_REMATCH[1]}
        if [ -n "${sentences[$language/$name]:-}" ]; then
            complain "$language.txt:$number" "'$name' is there already, on line ${lines[$language/$name]}"
            continue
        fi
        sentences[$language/$name]=${BASH_REMATCH[3]} lines[$language/$name]=$number
        names+=("$name")
    done <"$file"
}

complain() {
    echo "error: $texts/$1: $2" >&2
    wrong=1
}

find_programs() {
    local program missing=() needed=(sox espeak-ng)
    [ -z "$speaker" ] || needed=(sox)
    for program in "${needed[@]}"; do
        command -v "$program" >/dev/null 2>&1 || missing+=("$program")
    done
    if [ ${#missing[@]} -gt 0 ]; then
        echo "error: missing, and needed to make prompts: ${missing[*]}; run scripts/fetch-speech.sh, which fetches without" \
            "installing, or install: apt install ${missing[*]}" >&2
        exit 1
    fi
    voice=$speaker
    if [ -z "$speaker" ]; then
        export PULSE_SERVER=/nowhere # it would look for a sound server, and leave a folder in HOME, even to write a file
        voice=$(espeak-ng --version | sed 's/ *Data at.*//')
    fi
}

refuse() {
    echo "error: $1" >&2
    exit 2
}

main "$@"
