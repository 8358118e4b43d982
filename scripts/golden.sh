#!/usr/bin/env bash
# Writes generated files and golden files anew. Golden files belong to tests
# that have a flag whose name begins with "update"; each is run with its flag.
set -euo pipefail
cd "$(dirname "$0")/.."

go generate ./...
grep -rnoE --include='*_test.go' 'flag\.Bool\("update[a-z-]*' . |
  sed -E 's,^\./(.*)/[^/]+:[0-9]+:flag\.Bool\("(.*)$,./\1 -\2,' | sort -u |
  while read -r package flag; do
    echo "golden: $package $flag"
    go test -count=1 "$package" "$flag" </dev/null
  done
