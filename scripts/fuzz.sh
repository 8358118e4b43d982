#!/usr/bin/env bash
# Runs every fuzz target for a while, 10 seconds each unless FUZZTIME says
# otherwise, and fails when a target fails or when one has not really fuzzed:
# a target that never ran has found nothing.
#
#   scripts/fuzz.sh [PATTERN]    only targets whose package or name matches
set -euo pipefail
cd "$(dirname "$0")/.."
time=${FUZZTIME:-10s}
pattern=${1:-.}

targets=$(grep -rnoE --include='*_test.go' '^func Fuzz[A-Za-z0-9_]+' . |
  sed -E 's,^\./(.*)/[^/]+:[0-9]+:func (Fuzz.*)$,./\1 \2,' | grep -E "$pattern" | sort || true)
if [ -z "$targets" ]; then
  echo "fuzz: no target matches $pattern" >&2
  exit 1
fi

log=$(mktemp)
trap 'rm -f "$log"' EXIT
passed=0 failed=0
while read -r package name; do
  echo "== $package $name for $time"
  if ! go test "$package" -run '^$' -fuzz "^$name\$" -fuzztime "$time" >"$log" 2>&1 </dev/null; then
    cat "$log"
    failed=$((failed + 1))
    continue
  fi
  # The last progress line has the number of inputs that were tried.
  tried=$(grep -oE 'execs: [0-9]+' "$log" | tail -n 1 | grep -oE '[0-9]+' || true)
  if [ "${tried:-0}" -eq 0 ]; then
    cat "$log"
    echo "fuzz: $name tried no input" >&2
    failed=$((failed + 1))
    continue
  fi
  echo "   $tried inputs tried"
  passed=$((passed + 1))
done <<<"$targets"

echo "$passed passed, $failed failed"
[ "$failed" -eq 0 ]
