#!/bin/sh
# Writes an overlay of base/ for this installation. Run it again to change the collector, the components or the file "secrets": the
# client uuid, the key of ids, and values/kustomization.yaml with the image stay.
#
# usage: configure.sh DIRECTORY URL [COMPONENT ...]
#   DIRECTORY   the directory of the overlay; it is created if necessary
#   URL         the collector: grpcs://HOST:PORT; with the component http, https://HOST/api/kubermatic/v1
#   COMPONENT   folders of components/: http, lists, country, machine-deployments, spool, off
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

transport=grpc
for component in "$@"; do
  if [ "$component" = http ]; then transport=http; fi
  [ -d "$here/components/$component" ] ||
    fail "there is no component $component; the components are: $(ls "$here/components" | tr '\n' ' ')"
done

# Only the characters of a URL (RFC 3986): the URL is written into YAML. After "://" there must be a host.
case $url in
  *[!]A-Za-z0-9[._~:/?#@!$\&\'\(\)*+,\;=%-]*) scheme= ;;
  *://[/?#:]* | *://) scheme= ;;
  *) scheme=$(printf '%s' "${url%%://*}" | tr 'A-Z' 'a-z') ;;
esac
case $transport,$scheme in
  grpc,grpc | grpc,grpcs | http,http | http,https) ;;
  http,grpc | http,grpcs) fail "$url: the component http sends over HTTP: write https://HOST/api/kubermatic/v1, or leave out http" ;;
  grpc,http | grpc,https) fail "$url: reports are sent over gRPC: write grpcs://HOST:PORT, or add the component http" ;;
  *) fail "'$url' is not a URL of a collector: write grpcs://HOST:PORT, or with the component http https://HOST/api/kubermatic/v1" ;;
esac

case $scheme in
  grpcs | https) port=443 ;;
  grpc) port=8080 ;;
  *) port=80 ;;
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

mkdir -p "$directory"
directory=$(cd "$directory" && pwd -P)

# kustomize requires paths relative to the overlay.
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

# A random UUID, created once: it identifies this installation, and contains nothing of it.
if [ ! -s "$directory/client-uuid" ]; then
  (umask 077 && { cat /proc/sys/kernel/random/uuid 2> /dev/null || uuidgen | tr 'A-Z' 'a-z'; } | tr -d '\n' > "$directory/client-uuid")
fi
# The minute of the day is a hash of the UUID: it is spread over a fleet, and constant for an installation.
minute=$(($(cksum < "$directory/client-uuid" | cut -d ' ' -f 1) % 1440))

# The random key that ids are derived from, created once.
if [ ! -s "$directory/id-key" ]; then
  (umask 077 && od -An -v -N32 -tx1 /dev/urandom | tr -d ' \n' > "$directory/id-key")
fi

# The Secrets with kubeconfigs that the agents may read: a Role and a RoleBinding in the namespace of each. The default is that of the
# Community Edition's only seed.
if [ ! -e "$directory/secrets" ]; then echo 'kubermatic/kubeconfig-kubermatic' > "$directory/secrets"; fi
while IFS= read -r secret || [ -n "$secret" ]; do
  case $secret in
    '' | *[!a-z0-9./-]* | */*/* | /* | */) fail "$directory/secrets: '$secret' is not NAMESPACE/NAME of a Secret" ;;
    */*) ;;
    *) fail "$directory/secrets: '$secret' is not NAMESPACE/NAME of a Secret" ;;
  esac
done < "$directory/secrets"
for namespace in $(cut -d / -f 1 "$directory/secrets" | sort -u); do
  cat << YAML
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata:
  name: spartakus-kubermatic-kubeconfigs
  namespace: "$namespace"
rules:
  - apiGroups: [""]
    resources: [secrets]
    resourceNames: [$(awk -F / -v namespace="$namespace" '$1 == namespace { print "\"" $2 "\"" }' "$directory/secrets" | sort -u | paste -s -d , -)]
    verbs: [get]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: spartakus-kubermatic-kubeconfigs
  namespace: "$namespace"
roleRef:
  apiGroup: rbac.authorization.k8s.io
  kind: Role
  name: spartakus-kubermatic-kubeconfigs
subjects:
  - kind: ServiceAccount
    name: spartakus-kubermatic
    namespace: kubermatic
YAML
done > "$directory/kubeconfig-roles.yaml"

if [ ! -e "$directory/values/kustomization.yaml" ]; then
  mkdir -p "$directory/values"
  cat > "$directory/values/kustomization.yaml" << 'YAML'
# The image, and patches of your own: configure.sh keeps this file.
apiVersion: kustomize.config.k8s.io/v1alpha1
kind: Component
images:
  - name: spartakus
    newName: spartakus
    newTag: 2.0.0
YAML
fi

{
  echo 'apiVersion: kustomize.config.k8s.io/v1beta1'
  echo 'kind: Kustomization'
  echo 'resources:'
  echo "  - $(relative "$here/base")"
  if [ -s "$directory/kubeconfig-roles.yaml" ]; then echo '  - kubeconfig-roles.yaml'; fi
  echo 'components:'
  for component in "$@"; do echo "  - $(relative "$here/components/$component")"; done
  echo '  - values'
  cat << YAML
generatorOptions:
  disableNameSuffixHash: true
secretGenerator:
  - name: spartakus-client-uuid
    namespace: kubermatic
    files: [uuid=client-uuid]
  - name: spartakus-kubermatic
    namespace: kubermatic
    files: [id-key]
configMapGenerator:
  - name: spartakus-collector
    namespace: kubermatic
    literals: ["url=$url"]
patches:
  - target:
      kind: NetworkPolicy
      name: spartakus-kubermatic-collector
    patch: |
      - op: replace
        path: /spec/egress/0/ports/0/port
        value: $port
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
