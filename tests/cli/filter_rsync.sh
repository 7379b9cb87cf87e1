#!/bin/bash
# Patterns mean what they mean to rsync: random lists of rules, over one tree of names that are made
# of what patterns are made of, leave the same paths. SEED= repeats a run, LISTS= says how many.
. "$(dirname "$0")/lib.sh"
need rsync
ask=$(dirname "$TREECMP")/filter_ask
[ -x "$ask" ] || fail "no $ask"
SEED=${SEED:-$RANDOM}
lists=400
sanitized && lists=150
LISTS=${LISTS:-$lists}
echo "SEED=$SEED"
RANDOM=$SEED

names=(a b ab abc a.b A 1 a-b foo bar foo.bar .a x '[' ']' '[a]' '[a' 'a]' '*' '**' '***' '?' '!' '^'
    '-' '+' "\\" "\\a" "a\\b" "\\*" ' ' '- a' '#a' $'\xc3\xbc' $'\xff')
directories=('' a b ab foo foo/bar foo/bar/a foo/foo foo/foo/foo a/a a/b a/b/a a/b/a/b/c b/foo/a
    'a/*' "a/\\" '[a]/b' '*/a' 'ab/**/b' 'x y/a' $'a/\xff')
mkdir -p "${directories[@]/#/src/}"
n=0
for directory in "${directories[@]}"; do
    for name in "${names[@]}"; do
        [ -e "src/$directory/$name" ] || ((n++ % 3)) || : >"src/$directory/$name"
    done
done
mkdir dst

# Each directory before what is in it, and what is left in the order of the whole.
rsync_leaves() {
    rsync -r8 --no-inc-recursive --dry-run --out-format=%n "$@" src/ dst
}

rsync_leaves | tr '\n' '\0' >paths
all=$(tr -dc '\0' <paths | wc -c)
[ "$all" = "$(find src -mindepth 1 -printf x | wc -c)" ] || fail "rsync does not print all paths as they are"

pieces=(a b ab c foo bar . - o 1 x '*' '*' '*' '**' '**' '***' '?' '?' '[a-c]' '[!a]' '[^b]' '[]a]' '[!]a]'
    '[a-]' '[-a]' '[a\-c]' "[\\]]" "[\\\\]" '[[:alpha:]]' '[![:alpha:].]' '[[:upper:][:digit:]]'
    '[[:punct:]]' '[[:alpha:]-b]' '[[:nothing:]]' '[[:alpha]' '[[:]' '[[::]' '[a/b]' '[!/]' '[**]' '['
    '[a' '[a-' ']' "\\*" "\\**" "\\?" "\\[" "\\]" "\\\\" "\\a" "\\/" "\\" '!' '^' ' ' $'\xff' $'[\xc3-\xff]'
    $'\xc3\xbc')

# Sets $pattern. One in two has a slash somewhere inside.
make_pattern() {
    local n=$((1 + RANDOM % 4)) slashes=$((RANDOM % 2))
    pattern=
    ((RANDOM % 4)) || pattern=/
    while ((n--)); do
        pattern+=${pieces[RANDOM % ${#pieces[@]}]}
        ((n == 0 || slashes == 0 || RANDOM % 2)) || pattern+=/
    done
    case $((RANDOM % 16)) in
    0 | 1) pattern+=/ ;;
    2 | 3) pattern+='/***' ;;
    4) pattern+='/**' ;;
    5) pattern='**/'$pattern ;;
    6) pattern="+ $pattern" ;;
    7) pattern="- $pattern" ;;
    8) ((RANDOM % 3)) || pattern='!' ;;
    9) ((RANDOM % 3)) || pattern= ;;
    10) ((RANDOM % 3)) || pattern+=// ;;
    esac
    # These both refuse.
    [[ $pattern != [+-]' ' ]] || make_pattern
}

# Sets `rules` for filter_ask and `options` for rsync.
make_list() {
    local n
    rules=()
    options=()
    # Often directories are kept, so that there is something below them to judge.
    ((RANDOM % 2)) || rules+=('+*/')
    for ((n = RANDOM % 4; n >= 0; n--)); do
        make_pattern
        ((RANDOM % 3)) && rules+=("-$pattern") || rules+=("+$pattern")
    done
    # An include shows only if something else would exclude.
    ((RANDOM % 3)) || rules+=('-*')
    for rule in "${rules[@]}"; do
        [[ $rule = -* ]] && options+=("--exclude=${rule:1}") || options+=("--include=${rule:1}")
    done
}

# rsync spends most of its time asleep, so several run at once.
told=0
for ((list = 0; list < LISTS; list++)); do
    make_list
    echo "filter_ask ${rules[*]@Q}" >"rules.$list"
    rsync_leaves "${options[@]}" >"expected.$list" 2>&1 &
    "$ask" "${rules[@]}" <paths >"found.$list" || fail "$(<"rules.$list")"
    ((list % 10 == 9 || list == LISTS - 1)) || continue
    wait
    for ((i = list / 10 * 10; i <= list; i++)); do
        difference=$(diff "expected.$i" "found.$i") ||
            fail "$(<"rules.$i")" $'\n'"(<: rsync alone leaves it, >: filter_ask alone)" \
                $'\n'"$(head -n 20 <<<"$difference")"
        left=$(wc -l <"found.$i")
        ((left == 0 || left == all)) || ((told++))
    done
done
((told > LISTS / 10)) || fail "only $told of $LISTS lists leave some paths and not all"
