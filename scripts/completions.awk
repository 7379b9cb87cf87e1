# awk -v shell=bash|zsh|fish -f scripts/completions.awk: `pcopy --help` on standard input becomes a
# completion on standard output. The build runs it, so that no option can be forgotten. Of an option
#
#     -l, --long=ARGUMENT   text
#
# ARGUMENT says what is offered behind it: FILE, DIR and A,B,... are paths; what is in small letters
# is a word itself, or several with bars between. For other names words can be in the text, behind a
# colon: "make data stable: none, end (the default), file". A LIST is of several of them with commas
# between; if its text has no words it has those of the one before.
# Exit status 1 if the text cannot be read.

function fail(why) {
    print "completions.awk: " why | "cat >&2"
    bad = 1
    exit 1
}

# "-l, --long[=ARGUMENT]" to letter[], name[], argument[] and optional[].
function read_names(text,    at) {
    if (text !~ /^((-[A-Za-z0-9], )?--[a-z][a-z-]*(\[?=[^ ]+)?|-[A-Za-z0-9])$/)
        fail("no option: " text)
    options++
    letter[options] = text ~ /^-[^-]/ ? substr(text, 1, 2) : ""
    sub(/^-[^-](, )?/, "", text)
    optional[options] = sub(/\[=/, "=", text) && sub(/\]$/, "", text)
    at = index(text, "=")
    name[options] = at ? substr(text, 1, at - 1) : text
    argument[options] = at ? substr(text, at + 1) : ""
}

# What is offered behind option `i` to kind[] and values[], and its text cut short.
function understand(i,    list) {
    gsub(/ \([^()]*\)/, "", text[i])
    sub(/;.*/, "", text[i])
    if (argument[i] ~ /^[a-z]/)
        list = argument[i]
    else if (argument[i] !~ /^(FILE|DIR|A,B,\.\.\.)$/ && match(text[i], /: [a-z]+(, [a-z]+)+/)) {
        list = substr(text[i], RSTART + 2, RLENGTH - 2)
        text[i] = substr(text[i], 1, RSTART - 1)
    } else if (argument[i] == "LIST")
        list = last_list
    gsub(/, |\|/, " ", list)
    values[i] = list

    if (argument[i] == "LIST") {
        if (list == "")
            fail("no words for " name[i])
        kind[i] = "list"
        last_list = list
    } else if (list != "")
        kind[i] = "value"
    else if (argument[i] ~ /^(FILE|WHEN)$/)
        kind[i] = "file"
    else if (argument[i] == "DIR")
        kind[i] = "directory"
    else if (argument[i] == "A,B,...")
        kind[i] = "directories"
    else
        kind[i] = argument[i] == "" ? "nothing" : "other"
}

# Quotes for a shell.
function quoted(word) {
    if (shell == "fish")
        gsub(/[\\']/, "\\\\&", word)
    else
        gsub(/'/, "'\\''", word)
    return "'" word "'"
}

# ---- bash

# A branch of `case $option in` for all options of one kind (and with these values), if there are
# any. An argument that may be left out is behind = only, without a blank.
function bash_branch(want, list, command,    i, patterns) {
    for (i = 1; i <= options; i++) {
        if (kind[i] != want || values[i] != list)
            continue
        patterns = patterns (patterns == "" ? "    " : " |\\\n        ")
        if (!optional[i])
            patterns = patterns (letter[i] == "" ? "" : letter[i] " | ") name[i] " | "
        patterns = patterns name[i] "="
    }
    if (patterns == "")
        return
    print patterns ")"
    if (command != "")
        print "        " command
    print "        return"
    print "        ;;"
}

function write_bash(    i, done, words) {
    print "# bash completion for pcopy, made from pcopy --help"
    print ""
    print "_pcopy()"
    print "{"
    print "    local word=${COMP_WORDS[COMP_CWORD]} option=${COMP_WORDS[COMP_CWORD - 1]} before='' i"
    print "    COMPREPLY=()"
    print "    for ((i = 1; i < COMP_CWORD; i++)); do"
    print "        if [[ ${COMP_WORDS[i]} == -- ]]; then"
    print "            compopt -o default"
    print "            return"
    print "        fi"
    print "    done"
    print "    # Readline has cut --option=word in three."
    print "    if [[ $word == '=' ]]; then"
    print "        option=$option="
    print "        word=''"
    print "    elif [[ $option == '=' ]]; then"
    print "        option=${COMP_WORDS[COMP_CWORD - 2]}="
    print "    fi"
    print "    [[ $word == *,* ]] && before=${word%,*},"
    print "    case $option in"
    for (i = 1; i <= options; i++) {
        if (values[i] == "" || (kind[i], values[i]) in done)
            continue
        done[kind[i], values[i]] = 1
        bash_branch(kind[i], values[i], kind[i] == "list" ? \
            "compopt -o nospace\n        mapfile -t COMPREPLY < <(\n            " \
            "compgen -P \"$before\" -W " quoted(values[i]) " -- \"${word##*,}\")" : \
            "mapfile -t COMPREPLY < <(compgen -W " quoted(values[i]) " -- \"$word\")")
    }
    bash_branch("directories", "", "compopt -o nospace -o filenames\n" \
        "        mapfile -t COMPREPLY < <(compgen -P \"$before\" -d -- \"${word##*,}\")")
    bash_branch("directory", "", "compopt -o dirnames")
    bash_branch("file", "", "compopt -o default")
    bash_branch("other", "", "")
    print "    esac"
    print "    if [[ $word != -* ]]; then"
    print "        compopt -o default"
    print "        return"
    print "    fi"
    printf "    mapfile -t COMPREPLY < <(compgen -W '"
    for (i = 1; i <= options; i++) {
        words = letter[i] " " name[i]
        if (optional[i])
            words = words " " name[i]
        if (argument[i] != "")
            words = words "="
        gsub(/^ | $/, "", words)
        printf "\n        %s", words
    }
    print "' -- \"$word\")"
    print "    [[ ${COMPREPLY[0]-} == *= ]] && compopt -o nospace"
    print "} &&"
    print "    complete -F _pcopy pcopy"
}

# ---- zsh

# The argument of an option, in the words of _arguments.
function zsh_argument(i,    action) {
    if (kind[i] == "nothing")
        return ""
    action = " "
    if (kind[i] == "value")
        action = "(" values[i] ")"
    else if (kind[i] == "list")
        action = "_values -s , " argument[i] " " values[i]
    else if (kind[i] == "file")
        action = "_files"
    else if (kind[i] == "directory")
        action = "_files -/"
    else if (kind[i] == "directories")
        action = "_sequence _files -/ -"
    return (optional[i] ? "::" : ":") argument[i] ":" action
}

function write_zsh(    i, what, once) {
    print "#compdef pcopy"
    print "# zsh completion, made from pcopy --help"
    print ""
    print "_arguments -s -S \\"
    for (i = 1; i <= options; i++) {
        what = text[i]
        gsub(/[][\\:]/, "\\\\&", what)
        what = "[" what "]" zsh_argument(i)
        # What takes an argument may be given twice.
        once = argument[i] != "" ? "*" : \
            letter[i] != "" && name[i] != "" ? "(" letter[i] " " name[i] ")" : ""
        if (letter[i] != "")
            print "    " quoted(once letter[i] (argument[i] == "" ? "" : "+") what) " \\"
        if (name[i] != "")
            print "    " quoted(once name[i] (argument[i] == "" ? "" : \
                optional[i] ? "=-" : "=") what) " \\"
    }
    print "    '*:file:_files'"
}

# ---- fish

function write_fish(    i, line) {
    print "# fish completion for pcopy, made from pcopy --help"
    print ""
    for (i = 1; i <= options; i++) {
        line = "complete -c pcopy"
        if (letter[i] != "")
            line = line " -s " substr(letter[i], 2)
        if (name[i] != "")
            line = line " -l " substr(name[i], 3)
        if (kind[i] == "value")
            line = line (optional[i] ? " -f" : " -x") " -a " quoted(values[i])
        else if (kind[i] == "list")
            line = line " -x -a " quoted("(__fish_append , " values[i] ")")
        else if (kind[i] == "file")
            line = line " -r -F"
        else if (kind[i] == "directory")
            line = line " -x -a '(__fish_complete_directories)'"
        else if (kind[i] == "directories")
            line = line " -x -a " quoted("(__fish_append , (__fish_complete_directories " \
                "(commandline -ct | string replace -r '.*[,=]' '') ''))")
        else if (kind[i] == "other")
            line = line " -x"
        print line " -d " quoted(text[i])
    }
}

# The columns are those of pc_options_help().
/^  (-|    --)/ {
    names = substr($0, 3, 28)
    gsub(/^ +| +$/, "", names)
    read_names(names)
    text[options] = substr($0, 31)
}
/^ +[^ ]/ && index($0, $1) == 31 {
    text[options] = text[options] " " substr($0, 31)
}

END {
    if (bad)
        exit 1
    if (!options)
        fail("there are no options")
    for (i = 1; i <= options; i++)
        understand(i)
    if (shell == "bash")
        write_bash()
    else if (shell == "zsh")
        write_zsh()
    else if (shell == "fish")
        write_fish()
    else
        fail("shell is bash, zsh or fish")
}
