# What `tests/run` and `bench/run` have in common: which programs are there, and how to get them.
# Both source this file.

has_postgres() {
    [ -n "${DATABASE_URL:-}" ] && return
    local initdb
    for initdb in "$(command -v initdb || true)" /usr/lib/postgresql/*/bin/initdb \
        {/opt/homebrew,/usr/local,/home/linuxbrew/.linuxbrew}/opt/postgresql*/bin/initdb; do
        [ -x "$initdb" ] && return
    done
    return 1
}

has_node() {
    command -v npm >/dev/null && command -v node >/dev/null &&
        [ "$(node --print "process.versions.node.split('.')[0] >= 18")" = true ]
}

# Installs Debian's packages, if that is possible here.
install() {
    local as_root=()
    command -v apt-get >/dev/null || return 1
    if [ "$(id -u)" -ne 0 ]; then
        sudo --non-interactive true 2>/dev/null || return 1
        as_root=(sudo --non-interactive)
    fi
    echo "installing $*" >&2
    "${as_root[@]}" env DEBIAN_FRONTEND=noninteractive sh -c '
        apt-get update --quiet=2 &&
        apt-get install --quiet=2 --yes --no-install-recommends "$@"
    ' install "$@" >&2
}
