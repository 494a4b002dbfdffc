#!/bin/bash
# usage: deploy/image/rootfs.sh OUT [amd64|arm64]
#
# Makes the root file systems of the image without a container engine: OUT/full and OUT/slim, one for each target of the Dockerfile, from
# the layers that its COPY instructions name. Files are hard links to those of OUT/layers. Needs what layers.sh needs.
set -euo pipefail
here=$(cd -- "$(dirname -- "$0")" && pwd)
mkdir -p -- "$1/layers"
out=$(cd -- "$1" && pwd)
"$here/layers.sh" "$out/layers" "${@:2}"
# A line for each target, such as "slim base program".
awk '
  $1 == "FROM" { target = $NF; layers[target] = layers[$2] }
  $1 == "COPY" && $2 == "--from=layers" { sub("^/layers/", "", $3); layers[target] = layers[target] " " $3 }
  END { for (target in layers) if (layers[target] != "") print target layers[target] }
' "$here/Dockerfile" | while read -r target layers; do
  mkdir "$out/$target"
  for layer in $layers; do cp -al --remove-destination "$out/layers/$layer/." "$out/$target"; done
done
