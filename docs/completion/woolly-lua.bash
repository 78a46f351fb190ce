# Completion for bash: scripts from --list, options from a script's own --help.
_woolly_lua() {
    local current=${COMP_WORDS[COMP_CWORD]} script= i
    for ((i = 1; i < COMP_CWORD; i++)); do
        case ${COMP_WORDS[i]} in
        -*) ;;
        *)
            script=${COMP_WORDS[i]}
            break
            ;;
        esac
    done
    if [[ -z $script ]]; then
        local names
        names=$("${COMP_WORDS[0]}" --list 2>/dev/null | awk '{ print $1 ".lua" }')
        mapfile -t COMPREPLY < <(compgen -W "$names --list --version --help" -- "$current"
            compgen -f -X '!*.lua' -- "$current")
    elif [[ $current == -* ]]; then
        local options
        options=$("${COMP_WORDS[0]}" "$script" --help 2>/dev/null |
            awk '$1 ~ /^--/ { print $1 }')
        mapfile -t COMPREPLY < <(compgen -W "$options" -- "$current")
    else
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
    fi
}
complete -o filenames -F _woolly_lua woolly-lua
