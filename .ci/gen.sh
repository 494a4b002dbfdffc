#!/bin/sh
# npm run check:gen: fails if gen/ differs from the output of `buf generate`.
set -eu
cd -- "$(dirname -- "$0")/.."
made=$(mktemp -d)
trap 'rm -rf "$made"' EXIT
node_modules/.bin/buf generate --output "$made"
diff -r "$made/gen" gen || {
  echo 'gen/ is out of date: run npm run generate and commit the result.' >&2
  exit 1
}
