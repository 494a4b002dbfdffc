#!/bin/bash
# usage: deploy/image/layers.sh OUT [amd64|arm64]
#
# Makes the layers of the image: OUT/base (Debian's libraries and Node.js), OUT/program (Spartakus, licences, SBOM) and OUT/engine
# (MongoDB's embedded engine). The Dockerfile stacks them; rootfs.sh does the same without a container engine.
#
# No program of the layers is run, so either architecture is built on any machine, also without root and without CAP_SYS_ADMIN. Needs
# `npm ci` and `npm run build` first, and Debian's packages mmdebstrap and binutils-x86-64-linux-gnu or binutils-aarch64-linux-gnu.
set -euo pipefail
umask 022
project=$(cd -- "$(dirname -- "$0")/../.." && pwd)
out=$(mkdir -p -- "$1" && cd -- "$1" && pwd)
architecture=${2:-$(dpkg --print-architecture)}
suite=trixie
uid=65532
fail() { echo "deploy/image/layers.sh: $1" >&2; exit 1; }

case $architecture in
  amd64) cpu=x64 triplet=x86_64-linux-gnu ;;
  arm64) cpu=arm64 triplet=aarch64-linux-gnu ;;
  *) fail "the architecture is $architecture; it must be amd64 or arm64" ;;
esac
for tool in mmdebstrap "$triplet-strip" npm; do
  command -v "$tool" >/dev/null || fail "$tool is not installed"
done
[ -f "$project/dist/main.js" ] || fail 'dist/ is not built: npm run build'
[ -z "$(ls -A "$out")" ] || fail "$out is not empty"
work=$(mktemp -d)
trap 'kill $(jobs -p) 2>/dev/null || true; wait; rm -rf "$work"' EXIT
# For files without a time of their own, so that the same sources and packages make the same layers.
export SOURCE_DATE_EPOCH=${SOURCE_DATE_EPOCH:-$(git -C "$project" log -1 --format=%ct 2>/dev/null || echo 0)}

# The mirrors of this system, with the suite of the image.
sources() {
  local uris
  # shellcheck disable=SC2016 # the variables are apt's
  uris=$(apt-get indextargets --no-release-info --format '$(COMPONENT)|$(REPO_URI)' 'Created-By: Packages' 2>/dev/null |
    sed -n 's/^main|//p' | sort -u | grep -E '/debian(-security)?/$' || true)
  [ -n "$uris" ] || fail "apt has no mirror of Debian: run it on Debian, or in the Dockerfile's builder"
  for uri in $uris; do
    case $uri in
      */debian-security/) echo "deb $uri $suite-security main" ;;
      *) printf "deb $uri %s main\n" "$suite" "$suite-updates" ;;
    esac
  done
}

# What Node.js and the engine link to; what names the distribution and its packages, for scanners; the licences. No shell, no package
# manager, no certificates: Node.js has those of Mozilla.
debian() {
  local packages='libc6 libstdc++6 libgcc-s1 libatomic1' root=$work/debian libraries=()
  sources | mmdebstrap --quiet --mode=chrootless --variant=extract --architectures="$architecture" --skip=chroot,cleanup \
    --include="$packages base-files" "$suite" "$root" -
  for name in c m dl pthread rt resolv gcc_s stdc++ atomic; do
    libraries+=("$root/usr/lib/$triplet/lib$name.so."*)
  done
  mkdir -p "$out/base/var/lib/dpkg/status.d"
  # The packages' records, where scanners look for them in images without dpkg.
  for name in $packages gcc-14-base base-files; do
    dpkg-deb --field "$root/var/cache/apt/archives/${name}"_*.deb >"$out/base/var/lib/dpkg/status.d/$name"
  done
  ( cd "$root" && cp -a --parents lib* usr/lib*/ld-linux-* "usr/lib/$triplet"/ld-linux-* "${libraries[@]#"$root/"}" \
    etc/debian_version etc/os-release usr/lib/os-release usr/share/common-licenses usr/share/doc/{libc6,gcc-14-base,base-files}/copyright \
    usr/share/doc/{libstdc++6,libgcc-s1,libatomic1} "$out/base" )
}

# The binary that nodejs.org publishes, as the npm package "node" installs it, without debug sections and symbol table (32 MiB).
nodejs() {
  local version file
  version=$(node -p 'require(process.argv[1]).devDependencies.node' "$project/package.json")
  file=$(cd "$work" && npm pack --silent --prefer-offline "node-linux-$cpu@$version")
  grep -q " $file$" "$project/deploy/image/node.sha512" ||
    fail "deploy/image/node.sha512 does not have $file: add the digests of the new version, after the comparison that docs/image.md names"
  ( cd "$work" && sha512sum --check --quiet --ignore-missing "$project/deploy/image/node.sha512" )
  tar -xzf "$work/$file" -C "$work" package/bin/node package/LICENSE
  mkdir -p "$out/base/usr/bin" "$out/base/usr/share/doc/nodejs"
  "$triplet-strip" --strip-all -o "$out/base/usr/bin/node" "$work/package/bin/node"
  cp "$work/package/LICENSE" "$out/base/usr/share/doc/nodejs/copyright"
}

accounts() {
  mkdir -p "$out"/base/{dev,etc,proc,run,sys,tmp,var/lib/spartakus}
  ln -s ../run "$out/base/var/run"
  echo "spartakus:x:$uid:$uid:spartakus:/var/lib/spartakus:/nonexistent" >"$out/base/etc/passwd"
  echo "spartakus:x:$uid:" >"$out/base/etc/group"
  echo 'hosts: files dns' >"$out/base/etc/nsswitch.conf"
  chmod 1777 "$out/base/tmp"
}

# The production dependencies of package-lock.json, without what only compilers and editors read.
dependencies() {
  mkdir -p "$1"
  cp "$project/package.json" "$project/package-lock.json" "$1"
  ( cd "$1" && npm ci --omit=dev "${@:2}" --os=linux --cpu="$cpu" --libc=glibc --ignore-scripts --prefer-offline --no-audit --no-fund \
    --loglevel=error >/dev/null )
  find "$1/node_modules" -type f \( -name '*.d.ts' -o -name '*.d.mts' -o -name '*.d.cts' -o -name '*.map' \) -delete
  rm -rf "$1"/node_modules/{@types,mongodb/src,bson/src,bson/vendor}
  # Hidden files are those of npm, which name the registry, and of other tools.
  find "$1/node_modules" -mindepth 1 \( -type d \( -name test -o -name tests \) -o -name '.?*' \) -prune -exec rm -r {} +
}

program() {
  local home=$out/program/usr/lib/spartakus
  mkdir -p "$home" "$out/program/usr/bin"
  dependencies "$work/slim" --omit=optional
  mv "$work/slim/node_modules" "$home/node_modules"
  cp -r "$project/dist" "$project/LICENSE" "$home"
  # Without `env`, which the image does not have.
  sed -i '1s|^#!.*|#!/usr/bin/node|' "$home/dist/main.js"
  # Of the manifest, what Node.js reads and what names the package.
  node -e '
    const { name, version, license, type, dependencies } = require(process.argv[1]);
    console.log(JSON.stringify({ name, version, license, type, dependencies }, null, 2));
  ' "$project/package.json" >"$home/package.json"
  ln -s ../lib/spartakus/dist/main.js "$out/program/usr/bin/spartakus"
}

engine() {
  local home=$out/engine/usr/lib/spartakus/node_modules
  mkdir -p "$home" "$out/engine/usr/share/doc/embedded-mongodb"
  dependencies "$work/full"
  mv "$work/full/node_modules/@0q" "$home"
  cp "$project/deploy/image/embedded-mongodb.copyright" "$out/engine/usr/share/doc/embedded-mongodb/copyright"
}

mkdir "$out/base" "$out/program" "$out/engine"
# Each waits for a network, so all at once.
running=()
for step in debian nodejs program engine; do
  "$step" &
  running+=($!)
done
for pid in "${running[@]}"; do wait "$pid"; done
accounts
"$project/node_modules/.bin/node" "$project/deploy/image/sbom.ts" "$out" "$architecture" "$project/package-lock.json"

# Programs: these, and the loader and its libraries.
find "$out/program" "$out/engine" -type f -exec chmod 644 {} +
chmod -R u=rwX,go=rX "$out"
chmod 755 "$out/base/usr/bin/node" "$out/program/usr/lib/spartakus/dist/main.js"
chmod 1777 "$out/base/tmp"
# A volume that is mounted here without an owner of its own takes that of the directory.
[ "$(id -u)" != 0 ] || { chown -R 0:0 "$out" && chown $uid:$uid "$out/base/var/lib/spartakus"; }
find "$out" -newermt "@$SOURCE_DATE_EPOCH" -exec touch --no-dereference --date="@$SOURCE_DATE_EPOCH" {} +
