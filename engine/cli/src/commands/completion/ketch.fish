# fish completion for ketch: ketch completion fish | source
function __ketch_complete
    set -l words (commandline -opc)
    set -l found ($words[1] __complete $words[2..-1] (commandline -ct) 2>/dev/null)
    set -l number 0
    for line in $found
        if string match -q ':*' -- $line
            set number (string sub -s 2 -- $line)
        else
            echo $line
        end
    end
    if test $number = 0 -a (count $found) -le 1
        __fish_complete_path (commandline -ct)
    end
end
complete -c ketch -f -a '(__ketch_complete)'
