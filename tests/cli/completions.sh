#!/bin/bash
# Completions: what the build has made of --help is read by bash, zsh and fish themselves. Each knows
# every option, offers the words that pcopy takes and no others, and paths where paths go.
. "$(dirname "$0")/lib.sh"

share=$(dirname "$PCOPY")/share
[ -d "$share" ] || skip "there are no completions beside this pcopy"
# Shells leave histories and caches at home.
export HOME=$base/home TERM=dumb
mkdir "$HOME" dir other
: >list

# type_in_SHELL LINE...: what the shell shows when a user types "pcopy LINE", with tabs in it. A
# function pcopy prints the arguments that it gets, as "[ARGUMENT]".

type_in_bash() {
    {
        cat <<END
source $share/bash-completion/completions/pcopy
bind 'set bell-style none'
bind 'set completion-query-items 0'
bind 'set page-completions off'
pcopy() { printf '[%s]' "\$@"; echo; }
PS1='> '
END
        printf "pcopy %s\n" "$@"
    } | INPUTRC=/dev/null HISTFILE=/dev/null bash --norc --noprofile -i 2>&1
}

# What is typed before there is a prompt is shown twice. No line that is typed holds "END" or
# "READY": the first one seen comes from the function or the prompt.
type_in_zsh() {
    # shellcheck disable=SC2016 # zsh's variables
    zsh -f -c '
        zmodload zsh/zpty
        zpty z zsh -f -i
        zpty -w z "fpath=($1/zsh/site-functions \$fpath); autoload -U compinit; compinit -u -D"
        zpty -w z "pcopy() { printf \"[%s]\" \"\$@\"; echo; echo E\"\"ND }"
        zpty -w z "LISTMAX=1000; stty rows 200 columns 200; PS1=REA\"\"DY\"> \""
        for line in "${@:2}"; do
            zpty -r z out "*READY> *"
            zpty -w z "pcopy $line"
            zpty -r z out "*END*"
            print -r -- "$out"
        done' zsh "$share" "$@" | tr -d '\r'
}

# last_words SHELL LINE: what the last word of the line can become, one a line.
last_words() {
    case $1 in
    fish)
        fish --no-config -c "source $share/fish/vendor_completions.d/pcopy.fish
            complete -C 'pcopy $2'" | cut -f 1
        ;;
    bash | zsh)
        # Between the line and its repetition; zsh explains words behind a "--".
        "type_in_$1" "$2"$'\t\t' | awk '
            /pcopy -/ { n++; next }
            n == 1 { sub(/ -- .*/, ""); for (i = 1; i <= NF; i++) print $i }'
        ;;
    esac | sed 's/=$//' | sort -u
}

# become SHELL LINE...: what the last word of each line becomes by a tab, nothing for nothing.
become() {
    local line
    if [ "$1" = fish ]; then
        for line in "${@:2}"; do
            last_words fish "$line" | paste -sd ' '
        done
    else
        local lines=("${@:2}")
        "type_in_$1" "${lines[@]/%/$'\t'}" | sed -n 's/^\[.*\[\(.*\)\]$/\1/p; s/^\[\([^]]*\)\]$/\1/p'
    fi | sed 's/[/,]$//'
}

# Lines, and what their last word becomes.
cases=(
    --fsync=n --fsync=none
    '--fsync e' end
    '--preserve=mode,own' '--preserve=mode,ownership'
    '--no-preserve acl,x' 'acl,xattr'
    --verify= --verify=checksum
    --verify-o --verify-only
    '--verify li' list
    --files-from=li --files-from=list
    '--newer-than li' list
    '-t di' dir
    --target-directory=o --target-directory=other
    '-m dir,ot' 'dir,other'
    --source-mounts=ot --source-mounts=other
    '--jobs li' nothing
    '-j 4 li' list
    '-- -str' -strange
)
lines=() expected=()
for ((i = 0; i < ${#cases[@]}; i += 2)); do
    lines+=("${cases[i]}")
    expected+=("${cases[i + 1]}")
done

"$PCOPY" --help | sed -nE '/^  (-|    --)/s/^ *(-[^-])?(, | *)(--[a-z-]+)?.*/\1\n\3/p' |
    grep . | sort -u >options
[ "$(wc -l <options)" -gt 60 ] || fail "these are not all options"

# Which words pcopy takes it says when it refuses another one, with nothing to copy in any case:
# "--fsync takes none, end or file, not 'nonsense'". There is a file of words for each such option.
mkdir words
for option in $("$PCOPY" --help | sed -nE 's/^  .{4}--([a-z-]+)\[?=.*/\1/p'); do
    pcopy --"$option"=nonsense missing dst
    sed -nE "s/^.* takes ([a-z]+(, [a-z]+)* or [a-z]+), not 'nonsense'$/\1/p; s/^.*known are //p" \
        "$ERR" | sed 's/,\| or/\n/g' | tr -d ' ' | grep -vx nothing | sort >"words/$option"
    [ -s "words/$option" ] || rm "words/$option"
done
[ "$(wc -l <words/fsync)" = 3 ] || fail "pcopy does not say what it takes"

for shell in bash zsh fish; do
    command -v $shell >/dev/null || {
        skip_part "$shell is not installed"
        continue
    }
    last_words $shell - | diff options - || fail "$shell does not offer the options of --help"
    for option in words/*; do
        # A single one is not shown, but taken.
        ask=last_words
        [ "$(wc -l <"$option")" != 1 ] || ask=become
        $ask $shell "--${option#*/}=" | sed 's/^--.*=//' | diff "$option" - ||
            fail "$shell does not offer for --${option#*/} what pcopy takes"
    done

    : >-strange
    mapfile -t words < <(become $shell "${lines[@]}")
    rm ./-strange
    for i in "${!lines[@]}"; do
        word=${words[i]-}
        # Where nothing is known the word stays, or there is no answer.
        [ "${expected[i]}" = nothing ] && [[ "${lines[i]}" = *"$word" ]] && continue
        [ "$word" = "${expected[i]}" ] ||
            fail "$shell makes '$word' of '${lines[i]}' instead of '${expected[i]}'"
    done
done
