# Bash completion for weft(1). SPDX-License-Identifier: BSL-1.0

_weft() {
    local current=${COMP_WORDS[COMP_CWORD]} previous=${COMP_WORDS[COMP_CWORD - 1]} words=
    COMPREPLY=()
    case $previous in
    -o | --output | --data-binary | -d | --data)
        compopt -o filenames 2>/dev/null
        # After @ comes the name of a file.
        if [[ $current == @* ]]; then
            mapfile -t COMPREPLY < <(compgen -P @ -f -- "${current#@}")
        else
            mapfile -t COMPREPLY < <(compgen -f -- "$current")
        fi
        return
        ;;
    --cacert | -E | --cert | --key | --tls-cert | --tls-key)
        compopt -o filenames 2>/dev/null
        mapfile -t COMPREPLY < <(compgen -f -- "$current")
        return
        ;;
    --bind) words="127.0.0.1:8080 0.0.0.0:8080 [::1]:8080" ;;
    --type) words="A AAAA" ;;
    --alpn) words="h2,http/1.1 h2 http/1.1" ;;
    --server) return ;;
    -X | --request) words="GET HEAD POST PUT PATCH DELETE OPTIONS" ;;
    -H | --header | --data-raw | --threads | --max-body | -m | --max-time | --connect-timeout | --max-redirs | --resolve | -w | --write-out | --server-name)
        return
        ;;
    *)
        case ${COMP_WORDS[1]}:$COMP_CWORD in
        *:1) words="serve send resolve probe --help --version" ;;
        probe:2) words="tls" ;;
        probe:*) words="--server-name --alpn --cacert -E --cert --key -m --max-time --help" ;;
        resolve:*) words="--type --system --cares --server --help" ;;
        serve:2) words="http-test echo discard" ;;
        serve:*) words="--bind --threads --max-body --tls-cert --tls-key --tls-self-signed --ktls --http1 --http2 --watchdog
            --help" ;;
        send:*) words="-X --request -I --head -H --header -d --data --data-raw --data-binary -o --output -i
            --include -v --verbose -s --silent -S --show-error -f --fail -m --max-time --connect-timeout -L
            --location --max-redirs --compressed --http1.1 --http2 --http2-prior-knowledge -k --insecure --cacert -E --cert
            --key --resolve -w --write-out --help http:// https://" ;;
        esac
        ;;
    esac
    mapfile -t COMPREPLY < <(compgen -W "$words" -- "$current")
}
complete -F _weft weft
