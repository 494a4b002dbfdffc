#!/bin/sh
# npm run check:gen: fails where gen/ is not what `buf generate` makes of proto/.
set -eu
cd -- "$(dirname -- "$0")/.."
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
node_modules/.bin/buf generate --output "$made"
diff -r "$made/gen" gen || {
  echo 'gen/ is not what proto/ makes: run npm run generate and commit the result.' >&2
  exit 1
}
