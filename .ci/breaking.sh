#!/bin/bash
# npm run check:breaking: fails if proto/ is incompatible with the last schema: in generated code, on the wire or in JSON.
#
# The last schema is that of the last commit of main whose proto/ differs from the working tree's, so that a change is checked
# before it is committed and after. SPARTAKUS_BREAKING_BASE names another commit. Works offline: proto/ is self-contained.
set -euo pipefail
cd -- "$(dirname -- "$0")/.."

# The last commit of main in this history.
main=HEAD
for ref in origin/main main; do
  if main=$(git merge-base HEAD "$ref" 2>/dev/null); then break; else main=HEAD; fi
done

base=${SPARTAKUS_BREAKING_BASE:-}
if [ -z "$base" ]; then
  # The tree of proto/ in the working tree, including untracked files. A temporary index leaves that of git unchanged.
  index=$(mktemp -u)
  trap 'rm -f "$index"' EXIT
  ours=$(GIT_INDEX_FILE=$index git add proto && GIT_INDEX_FILE=$index git write-tree --prefix=proto/)
  while read -r commit; do
    theirs=$(git rev-parse --quiet --verify "$commit:proto" || true)
    [ -n "$theirs" ] || break # older commits have no schema
    if [ "$theirs" != "$ours" ]; then base=$commit; break; fi
  done < <(git rev-list --first-parent "$main")
fi

if [ -z "$base" ]; then
  if [ "$(git rev-parse --is-shallow-repository)" = true ]; then
    echo 'check:breaking: passed unchecked: this clone is shallow and holds no earlier schema (git fetch --unshallow brings them).'
  else
    echo 'check:breaking: there is no earlier schema to break.'
  fi
  exit 0
fi
git rev-parse --quiet --verify "$base^{commit}" >/dev/null || { echo "check:breaking: SPARTAKUS_BREAKING_BASE: there is no commit $base here" >&2; exit 2; }

# git archive works in worktrees and shallow clones as well; buf cannot read their .git.
against=$(mktemp -d)
trap 'rm -rf "$against" "${index:-$against}"' EXIT
git archive "$base" proto buf.yaml | tar -x -C "$against"
echo "check:breaking: against the schema of $(git log -1 --format='%h (%s)' "$base")"
node_modules/.bin/buf breaking --against "$against"
