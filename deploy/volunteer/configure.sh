#!/bin/sh
# Writes an overlay of base/ for this cluster: every value to choose is in DIRECTORY/values/kustomization.yaml. Run it again to change the
# components: it keeps that file, but adds what a new component needs.
#
# usage: configure.sh DIRECTORY URL [COMPONENT ...]
#   DIRECTORY   the directory of the overlay; it is created if necessary
#   URL         the collector: grpcs://HOST:PORT, or https://HOST/api/v1 for collectors of the original Spartakus
#   COMPONENT   folders of components/: one-shot, workloads, no-secret, proxy, spool, token
#
# then: kubectl apply -k DIRECTORY
set -eu
LC_ALL=C
export LC_ALL

fail() {
  echo "configure.sh: $1" >&2
  exit 2
}

if [ $# -lt 2 ]; then
  sed -n '2,/^set/s/^# \{0,1\}//p' "$0" | sed '/^set/d' >&2
  exit 2
fi
directory=$1
url=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd -P)

for component in "$@"; do
  case $component in
    one-shot | workloads | no-secret | proxy | spool | token) ;;
    *) fail "there is no component $component; the components are: one-shot workloads no-secret proxy spool token" ;;
  esac
done

# Only the characters of a URL (RFC 3986), because the URL is written into YAML, and after "://" a host.
case $url in
  *[!]A-Za-z0-9[._~:/?#@!$\&\'\(\)*+,\;=%-]*) scheme= ;;
  *://[/?#:]* | *://) scheme= ;;
  *) scheme=$(printf '%s' "${url%%://*}" | tr 'A-Z' 'a-z') ;;
esac
# The default ports.
case $scheme in
  grpcs | https) port=443 ;;
  grpc) port=8080 ;;
  http) port=80 ;;
  *) fail "'$url' is not a URL of a collector: write grpcs://HOST:PORT or https://HOST/api/v1" ;;
esac
authority=${url#*://}
authority=${authority%%[/?#]*}
case $authority in
  *@*) fail "the URL of the collector must not contain a user name or password" ;;
  *]) ;;
  *:*) port=${authority##*:} ;;
esac
case $port in
  '' | *[!0-9]*) fail "'$url' is not a URL of a collector: its port is not a number" ;;
esac

mkdir -p "$directory/values" "$directory/preview"
directory=$(cd "$directory" && pwd -P)

# kustomize requires relative paths: $2 as seen from the directory $1.
relative() {
  from=$1
  up=
  while [ "${2#"$from"/}" = "$2" ]; do
    from=$(dirname "$from")
    up=../$up
    [ "$from" = / ] && break
  done
  [ "$from" = / ] && echo "$up${2#/}" || echo "$up${2#"$from"/}"
}

values=$directory/values/kustomization.yaml
if [ ! -e "$values" ]; then
  # The minute of the day is a hash of random bytes: it is spread over a fleet, and constant for this overlay.
  minute=$(($(head -c 16 /dev/urandom | cksum | cut -d ' ' -f 1) % 1440))
  cat > "$values" << YAML
# Every value of this installation.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
namespace: spartakus
images:
  - name: spartakus
    newName: spartakus
    newTag: 2.0.0
configMapGenerator:
  # Options of the volunteer: docs/configuration.md has all variables.
  - name: spartakus-volunteer-options
    behavior: merge
    literals:
      - "SPARTAKUS_DATABASE=$url"
      # A random UUID of your own, or "auto", which derives one from the key of identifiers.
      - SPARTAKUS_CLUSTER_ID=auto
  # Key-value pairs to add to reports: name files of JSON objects here.
  - name: spartakus-volunteer-extensions
    behavior: merge
    files: []
patches:
  # The port of the collector, as in SPARTAKUS_DATABASE.
  - target:
      kind: NetworkPolicy
      name: spartakus-volunteer-collector
    patch: |
      - op: replace
        path: /spec/egress/0/ports/0/port
        value: $port
  # The time of the day of the component one-shot, in UTC.
  - target:
      kind: CronJob
      name: spartakus-volunteer
    patch: |
      - op: replace
        path: /spec/schedule
        value: $((minute % 60)) $((minute / 60)) * * *
YAML
elif ! grep -qF "SPARTAKUS_DATABASE=$url\"" "$values"; then
  fail "$values names another collector: change SPARTAKUS_DATABASE and the port there"
fi

for component in "$@"; do
  if [ "$component" = proxy ] && ! grep -q '^  - name: spartakus-volunteer-proxy$' "$values"; then
    cat >> "$values" << 'YAML'
  # The port of the proxy, as in HTTPS_PROXY.
  - target:
      kind: NetworkPolicy
      name: spartakus-volunteer-proxy
    patch: |
      - op: replace
        path: /spec/egress/0/ports/0/port
        value: 3128
secretGenerator:
  - name: spartakus-volunteer-proxy
    literals:
      - HTTPS_PROXY=http://proxy.example.com:3128
YAML
    # The URL of a proxy may contain a password.
    chmod 600 "$values"
    echo "$values: set HTTPS_PROXY, and the port of the proxy" >&2
  fi
done

overlay() {
  echo 'apiVersion: kustomize.config.k8s.io/v1beta1'
  echo 'kind: Kustomization'
  echo 'resources:'
  echo "  - $(relative "$1" "$(dirname "$here")/namespace")"
  echo "  - $(relative "$1" "$here/base")"
  echo 'components:'
  to=$1
  shift
  for component in "$@"; do echo "  - $(relative "$to" "$here/components/$component")"; done
  echo "  - $(relative "$to" "$directory/values")"
}
overlay "$directory" "$@" > "$directory/kustomization.yaml"
# Of the components, those that change what is read.
read=
for component in "$@"; do
  case $component in workloads | no-secret) read="$read $component" ;; esac
done
# shellcheck disable=SC2086
overlay "$directory/preview" preview $read > "$directory/preview/kustomization.yaml"
echo "$directory is ready: kubectl apply -k $directory"
