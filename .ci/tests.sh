#!/bin/bash
# Runs `npm test` with the arguments, and writes the number of tests, as in "123 passed, 0 failed", to the file that the first argument names.
# A run that fails has at least one failure: what fails after the last test, such as an embedded engine that is left, has no count of its own.
set -euo pipefail
cd -- "$(dirname -- "$0")/.."
export SPARTAKUS_TEST_COUNTS=$1
shift
rm -f "$SPARTAKUS_TEST_COUNTS"

npm test -- --reporter=default --reporter=./test/support/count-reporter.ts "$@" && grep -q ' 0 failed$' "$SPARTAKUS_TEST_COUNTS" && exit
[ -s "$SPARTAKUS_TEST_COUNTS" ] || echo '0 passed, 0 failed' >"$SPARTAKUS_TEST_COUNTS"
sed -i 's/ 0 failed$/ 1 failed/' "$SPARTAKUS_TEST_COUNTS"
exit 1
