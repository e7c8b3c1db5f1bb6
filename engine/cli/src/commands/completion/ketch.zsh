#compdef ketch
# zsh completion for ketch: ketch completion zsh >"${fpath[1]}/_ketch"
_ketch() {
    local line number=0
    local -a found
    while IFS= read -r line; do
        if [[ $line == :* ]]; then number=${line#:}; continue; fi
        # A colon would end the word.
        line=${line//:/\\:}
        found+=("${line/$'\t'/:}")
    done < <("${words[1]}" __complete "${(@)words[2,CURRENT-1]}" "${words[CURRENT]}" 2>/dev/null)
    if (( $#found )); then
        _describe ketch found
    elif (( (number & 4) == 0 )); then
        _files
    fi
}
compdef _ketch ketch
