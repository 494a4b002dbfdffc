#!/bin/sh
# Writes an overlay for production: settings, generated Secrets, and a kustomization that uses both. Run it again to change settings: the
# Secrets stay.
#
# usage: configure.sh DIRECTORY ENTRY KEY=VALUE ...
#   DIRECTORY   the directory of the overlay; it is created if necessary
#   ENTRY       how clients reach the collector: gateway, ingress or load-balancer
#   KEY=VALUE   for all: host=NAME (of the collector), issuer=NAME (a ClusterIssuer of cert-manager),
#                 monitoring-namespace=NAME (of Prometheus), and, if it is not spartakus:2.0.0, image=NAME:TAG
#               for gateway: gateway-class=NAME, grpc-host=NAME (a second name, for gRPC)
#               for ingress: ingress-class=NAME (of ingress-nginx)
#               for gateway and ingress: proxy-namespace=NAME (where the proxy's pods are),
#                 trusted-proxies=NETWORKS (their addresses, such as 10.244.0.0/16)
# Changes of your own are a component in DIRECTORY/site, which the overlay uses last if it is there.
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
entry=$2
shift 2
here=$(cd "$(dirname "$0")" && pwd)
collector=$(cd "$here/../../collector" && pwd)

keys='host issuer monitoring-namespace'
case $entry in
  gateway)
    keys="$keys gateway-class grpc-host proxy-namespace trusted-proxies"
    components=gateway
    ;;
  ingress)
    keys="$keys ingress-class proxy-namespace trusted-proxies"
    components=ingress
    ;;
  load-balancer) components='load-balancer tls' ;;
  *) fail "'$entry' is not an entry: use gateway, ingress or load-balancer" ;;
esac

# The value of a key among the arguments that follow it; empty if there is none.
value() {
  wanted=$1
  shift
  found=
  for argument in "$@"; do
    case $argument in "$wanted="*) found=${argument#*=} ;; esac
  done
  printf '%s' "$found"
}

for argument in "$@"; do
  case " $keys image " in
    *" ${argument%%=*} "*) ;;
    *) fail "'$argument' is not a setting for $entry: they are $keys image, each as KEY=VALUE" ;;
  esac
done
for key in $keys; do
  [ -n "$(value "$key" "$@")" ] || fail "$key is missing: add $key=VALUE"
done
for key in $keys; do
  text=$(value "$key" "$@")
  case $key in
    trusted-proxies)
      case $text in
        *[!0-9a-fA-F.:/,]*) fail "$key=$text: use addresses and networks, separated by commas, such as 10.244.0.0/16" ;;
        */0 | */0,*) fail "$key=$text: this would trust every client; name the networks of the proxy's pods" ;;
      esac
      for network in $(echo "$text" | tr ',' ' '); do
        case $network in
          *.*.*.* | *:*) ;;
          *) fail "$key=$text: $network is not an address or a network, such as 10.244.0.0/16" ;;
        esac
      done
      ;;
    *)
      case $text in
        *[!a-z0-9.-]* | [.-]* | *[.-]) fail "$key=$text: is not a name of DNS or Kubernetes" ;;
      esac
      ;;
  esac
done
case $(value host "$@") in
  *.*) ;;
  *) fail "host=$(value host "$@"): use the full name that clients use, such as collector.example.com" ;;
esac
[ "$(value host "$@")" != "$(value grpc-host "$@")" ] || fail 'grpc-host must be another name than host: a gateway routes gRPC by name'
image=$(value image "$@")
image=${image:-spartakus:2.0.0}
case $image in *[!A-Za-z0-9._:/@-]*) fail "image=$image: is not the name of an image" ;; esac
# The part before a tag; the port of a registry is no tag.
name=${image%@*}
case ${name##*/} in *:*) name=${name%:*} ;; esac
case ${image##*/} in
  *@sha256:*) version="digest: ${image##*@}" ;;
  *:*) version="newTag: '${image##*:}'" ;;
  *) fail "image=$image: has neither a tag nor a digest" ;;
esac

mkdir -p "$directory"
directory=$(cd "$directory" && pwd)

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

# Random hexadecimal digits, which need no escapes in a connection string. Made once.
secret() {
  [ -s "$secrets/$1" ] || head -c "$2" /dev/urandom | od -An -v -tx1 | tr -d ' \n' > "$secrets/$1"
}

umask 077
secrets=$directory/secrets
mkdir -p "$secrets"
echo 'secrets/' > "$directory/.gitignore"
secret keyfile 384
secret collector 24
secret init 24
secret backup 24
secret token 24

hosts=
for member in 0 1 2; do
  hosts=$hosts${hosts:+,}spartakus-mongodb-$member.spartakus-mongodb.spartakus.svc:27017
done
uri() {
  printf 'mongodb://%s:%s@%s/spartakus?replicaSet=spartakus&authSource=admin' "$1" "$(cat "$secrets/$1")" "$hosts"
}
uri collector > "$secrets/uri"
uri init > "$secrets/init-uri"

umask 022
{
  cat << 'YAML'
# Written by configure.sh: everything that was chosen for this installation. It is not applied, but copied to where it is needed.
apiVersion: v1
kind: ConfigMap
metadata:
  name: spartakus-settings
  annotations:
    config.kubernetes.io/local-config: "true"
data:
YAML
  for key in $keys; do echo "  $key: '$(value "$key" "$@")'"; done
} > "$directory/settings.yaml"
{
  cat << YAML
apiVersion: kustomize.config.k8s.io/v1beta1
kind: Kustomization
namespace: spartakus
resources:
  - settings.yaml
components:
  - $(relative "$here")
YAML
  for component in $components; do echo "  - $(relative "$collector/components/$component")"; done
  [ ! -e "$directory/site/kustomization.yaml" ] || echo '  - site'
  cat << YAML
generatorOptions:
  disableNameSuffixHash: true
secretGenerator:
  - name: spartakus-collector-database
    files: [secrets/uri, secrets/init-uri]
  - name: spartakus-collector-console
    files: [secrets/token]
  - name: spartakus-mongodb-keyfile
    files: [secrets/keyfile]
  - name: spartakus-mongodb-users
    files: [secrets/collector, secrets/init, secrets/backup]
images:
  - name: spartakus
    newName: $name
    $version
YAML
} > "$directory/kustomization.yaml"
echo "$directory is ready: kubectl apply -k $directory"
