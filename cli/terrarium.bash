# Completion of terrarium's words for bash. Installed as share/bash-completion/completions/terrarium.
_terrarium()
{
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD-1]} command=${COMP_WORDS[1]}
    local options="--policy --python --seed --schedule --record --bundle --report --mount --image --cwd --env --limit --export --capture --har --trap --sign --trace
        --quiet --verbose --require-reproducible --help"
    local limits="cpu= wall= memory= output= processes= files= open_files= file_count="
    COMPREPLY=()
    if ((COMP_CWORD == 1)); then
        COMPREPLY=($(compgen -W "run exec policy doctor replay trace diff verify keygen --help --version" -- "$current"))
        return
    fi
    local word
    for word in "${COMP_WORDS[@]:2:COMP_CWORD-2}"; do
        if [[ $word == -- ]]; then # what follows is the guest's
            COMPREPLY=($(compgen -f -- "$current"))
            return
        fi
    done
    case $previous in
    --policy)
        COMPREPLY=($(compgen -W "grading forensic offline" -- "$current") $(compgen -f -- "$current"))
        return ;;
    --python|--report|--record|--image|--mount|--export|--capture|--har|--sign)
        COMPREPLY=($(compgen -f -- "$current"))
        return ;;
    --limit)
        COMPREPLY=($(compgen -W "$limits" -- "$current"))
        compopt -o nospace
        return ;;
    --trap)
        COMPREPLY=($(compgen -W "all" -- "$current"))
        return ;;
    --seed|--schedule|--cwd|--env)
        return ;;
    esac
    case $command in
    run|exec|verify)
        [[ $command == verify ]] && options="-n --schedules --load --exec $options"
        if [[ $current == -* ]]; then
            COMPREPLY=($(compgen -W "$options --" -- "$current"))
        else
            COMPREPLY=($(compgen -f -- "$current"))
        fi ;;
    replay)
        COMPREPLY=($(compgen -W "--mount --limit --until --files --maps --stack --shell --gdb --report --capture --har --help" -- "$current") $(compgen -f -- "$current")) ;;
    policy)
        if ((COMP_CWORD == 2)); then
            COMPREPLY=($(compgen -W "check explain show --help" -- "$current"))
        elif [[ $current == -* ]]; then
            COMPREPLY=($(compgen -W "--policy --help" -- "$current"))
        elif [[ ${COMP_WORDS[2]} != explain ]]; then
            COMPREPLY=($(compgen -W "grading forensic offline" -- "$current") $(compgen -f -- "$current"))
        fi ;;
    trace)
        if [[ $current == -* ]]; then
            COMPREPLY=($(compgen -W "--json --jsonl --html --filter --times --verify-signature --help" -- "$current"))
        else
            COMPREPLY=($(compgen -f -- "$current"))
        fi ;;
    diff|keygen)
        COMPREPLY=($(compgen -f -- "$current")) ;;
    doctor)
        COMPREPLY=($(compgen -W "--json --help" -- "$current")) ;;
    esac
}
complete -o filenames -F _terrarium terrarium
