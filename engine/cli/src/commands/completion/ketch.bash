# bash completion for ketch: source <(ketch completion bash)
_ketch() {
    local line number=0 cur=$2
    local words=("${COMP_WORDS[@]:1:COMP_CWORD-1}")
    COMPREPLY=()
    while IFS= read -r line; do
        if [[ $line == :* ]]; then number=${line#:}; else COMPREPLY+=("$line"); fi
    done < <("${COMP_WORDS[0]}" __completeNoDesc "${words[@]}" "$cur" 2>/dev/null)
    # Nothing forbids files.
    if (( (number & 4) == 0 && ${#COMPREPLY[@]} == 0 )); then
        compopt -o default
    fi
}
complete -F _ketch ketch
