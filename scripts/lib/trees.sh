# Fresh trees of Debian releases, to be tried in and thrown away; to be sourced by bash after
# base.sh. Everything is mounted in a mount namespace of the script's own, and its processes
# are in a process namespace of its own: both go with the script, however it ends.
#
# trees_isolate ARGUMENT…          the calling script goes on in such namespaces (root only)
# trees_base RELEASE [PACKAGES]    makes a pristine tree with these (a,b,…), once; sets
#                                  trees_pristine
# trees_fresh NAME                 a copy of it in which may be written; sets trees_tree
# trees_do TREE COMMAND…           runs it there, as root with a clean environment
# trees_do_as USER TREE COMMAND…   the same as that user

# shellcheck shell=bash
trees_dir=${OFFLOOP_TREES:-/var/tmp/offloop-trees}
trees_mirror=${OFFLOOP_MIRROR:-}
trees_ccache=${OFFLOOP_CCACHE:-} # a folder: what is compiled in the trees is kept there

trees_isolate() {
    [ -z "${OFFLOOP_ISOLATED:-}" ] || return 0
    [ "$(id -u)" = 0 ] || die "only root can make trees and mount in them"
    OFFLOOP_ISOLATED=yes exec unshare --mount --pid --fork --kill-child --mount-proc \
        --propagation private -- "$0" "$@"
}

trees_base() {
    local name=$1${2:+-${2//,/-}}
    trees_pristine=$trees_dir/$name
    [ ! -e "$trees_dir/$name.complete" ] || return 0
    packages_need mmdebstrap
    say "mmdebstrap $1 (into $trees_pristine)"
    rm -rf --one-file-system "$trees_pristine"
    mkdir -p "$trees_dir"
    mmdebstrap --mode=root --variant=minbase ${2:+--include="$2"} --dpkgopt=force-unsafe-io \
        "$1" "$trees_pristine" ${trees_mirror:+"$trees_mirror"} >"$trees_dir/$name.log" 2>&1 ||
        { tail -n 5 "$trees_dir/$name.log" >&2 && die "mmdebstrap failed (all of it: $trees_dir/$name.log)"; }
    touch "$trees_dir/$name.complete"
}

trees_fresh() {
    local above
    above=$(mktemp -d "$trees_dir/$1.XXXXXX")
    chmod 755 "$above"
    trees_made+=("$above")
    mkdir "$above/upper" "$above/work" "$above/tree"
    trees_tree=$above/tree
    mount -t overlay overlay -o "lowerdir=$trees_pristine,upperdir=$above/upper,workdir=$above/work" \
        "$trees_tree" || die "no overlay can be mounted here"
    mount -t proc proc "$trees_tree/proc"
    mount --rbind /sys "$trees_tree/sys"
    mount --bind /dev "$trees_tree/dev"
    mkdir -p "$trees_tree/dev/pts" "$trees_tree/dev/shm"
    mount --bind /dev/pts "$trees_tree/dev/pts"
    mount -t tmpfs -o mode=1777 tmpfs "$trees_tree/dev/shm"
    mount -t tmpfs -o mode=755 tmpfs "$trees_tree/run"
    cp -L /etc/resolv.conf "$trees_tree/etc/resolv.conf"
    [ -n "$trees_ccache" ] || return 0
    mkdir -p "$trees_ccache" "$trees_tree/var/cache/ccache"
    mount --bind "$trees_ccache" "$trees_tree/var/cache/ccache"
}
trees_made=()

# What compiling in the trees takes from the environment.
trees_compiling=()
if [ -n "$trees_ccache" ]; then
    trees_compiling=(CMAKE_C_COMPILER_LAUNCHER=ccache CCACHE_DIR=/var/cache/ccache CCACHE_BASEDIR=/root CCACHE_NOHASHDIR=1)
fi

# Unmounts and removes what trees_fresh made; the pristine trees stay. Nothing that is still
# mounted is looked into: it is the machine's own.
trees_remove() {
    local one
    for one in "${trees_made[@]}"; do
        umount -R -l "$one/tree" && rm -rf --one-file-system "$one"
    done
}

trees_do_as() {
    local user=$1 tree=$2
    shift 2
    chroot --userspec="$user" "$tree" /usr/bin/env -i PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin \
        HOME="$(awk -F: -v user="$user" '$1 == user { print $6 }' "$tree/etc/passwd")" \
        LANG=C.UTF-8 DEBIAN_FRONTEND=noninteractive TERM=dumb "${trees_compiling[@]}" "$@"
}

trees_do() {
    trees_do_as root "$@"
}
