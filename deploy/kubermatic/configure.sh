#!/bin/sh
# Writes an overlay of base/ with what only this installation has. Run it again to change the collector: the client uuid stays.
#
# usage: configure.sh DIRECTORY URL [COMPONENT ...]
#   DIRECTORY   where the overlay is written; made where it is missing
#   URL         the collector: grpcs://HOST:PORT; with the component http, https://HOST/api/kubermatic/v1
#   COMPONENT   folders of components/: http, machine-deployments, spool, off
#
# then: kubectl apply -k DIRECTORY
set -eu

if [ $# -lt 2 ]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '/^set/d' >&2
  exit 2
fi
directory=$1
url=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
mkdir -p "$directory"
directory=$(cd "$directory" && pwd)

for component in "$@"; do
  if [ ! -d "$here/components/$component" ]; then
    echo "configure.sh: there is no component $component; there are: $(ls "$here/components" | tr '\n' ' ')" >&2
    exit 2
  fi
done

# kustomize takes paths that are relative to the overlay.
relative() {
  from=$directory
  up=
  while [ "${1#"$from"/}" = "$1" ]; do
    from=$(dirname "$from")
    up=../$up
    [ "$from" = / ] && break
  done
  [ "$from" = / ] && echo "$up${1#/}" || echo "$up${1#"$from"/}"
}

# A random UUID, made once: it tells this installation from others, and says nothing of it.
if [ ! -s "$directory/client-uuid" ]; then
  (umask 077 && { cat /proc/sys/kernel/random/uuid 2> /dev/null || uuidgen | tr 'A-Z' 'a-z'; } | tr -d '\n' > "$directory/client-uuid")
fi
# The minute of the day by hash, so that a fleet spreads, and an installation keeps its own.
minute=$(($(cksum < "$directory/client-uuid" | cut -d ' ' -f 1) % 1440))

{
  echo 'apiVersion: kustomize.config.k8s.io/v1beta1'
  echo 'kind: Kustomization'
  echo 'resources:'
  echo "  - $(relative "$here/base")"
  if [ $# -gt 0 ]; then echo 'components:'; fi
  for component in "$@"; do echo "  - $(relative "$here/components/$component")"; done
  cat << YAML
namespace: kubermatic
generatorOptions:
  disableNameSuffixHash: true
secretGenerator:
  - name: spartakus-client-uuid
    files: [uuid=client-uuid]
configMapGenerator:
  - name: spartakus-collector
    literals: ["url=$url"]
patches:
  - target:
      kind: CronJob
      name: spartakus-kubermatic
    patch: |
      - op: replace
        path: /spec/schedule
        value: $((minute % 60)) $((minute / 60)) * * *
YAML
} > "$directory/kustomization.yaml"
echo "$directory is ready: kubectl apply -k $directory"
