#!/usr/bin/env bash
# Installs what the tests need and the machine lacks: Debian packages, and npm
# packages, which are the SDKs of the end-to-end tests, what the dashboard is built of
# and a second release of PostgreSQL. It does nothing where all is there, and says what is missing where
# it may not install it.
set -euo pipefail
cd "$(dirname "$0")/.."

# Each line: a command, and the Debian package that has it.
missing=()
while read -r command package; do
  command -v "$command" >/dev/null || missing+=("$package")
done <<'LIST'
gcc gcc
git git
curl curl
node nodejs
npm npm
php php-cli
python3 python3
mkfs.ext4 e2fsprogs
losetup mount
mount mount
pgbouncer pgbouncer
pkill procps
patroni patroni
etcd etcd-server
chromium chromium
LIST
# The server's programs are not on the PATH; no cluster of the machine's own is
# wanted, the tests make theirs.
if ! compgen -G '/usr/lib/postgresql/*/bin/postgres' >/dev/null; then
  missing+=(postgresql)
fi
# The race detector links against the C library's own headers and objects.
if [ ! -e /usr/include/stdlib.h ]; then
  missing+=(libc6-dev)
fi

if [ ${#missing[@]} -gt 0 ]; then
  if [ "$(id -u)" != 0 ] || ! command -v apt-get >/dev/null; then
    echo "test-deps: the tests need these Debian packages, install them first: ${missing[*]}" >&2
    exit 1
  fi
  echo "test-deps: installing ${missing[*]}"
  export DEBIAN_FRONTEND=noninteractive
  if [[ " ${missing[*]} " == *" postgresql "* ]] && [ ! -e /etc/postgresql-common/createcluster.conf ]; then
    mkdir -p /etc/postgresql-common
    echo 'create_main_cluster = false' >/etc/postgresql-common/createcluster.conf
  fi
  # Neither are the machine's own etcd and Patroni: their units are masked before
  # there is anything that could start them, here or at the next boot.
  for package in patroni etcd-server; do
    unit=/etc/systemd/system/${package%-server}.service
    if [[ " ${missing[*]} " == *" $package "* ]] && [ ! -e "$unit" ] && [ ! -L "$unit" ]; then
      mkdir -p "${unit%/*}"
      ln -s /dev/null "$unit"
    fi
  done
  # Where there is no systemd, a policy keeps packages from starting services.
  policy=/usr/sbin/policy-rc.d
  if [ ! -e "$policy" ]; then
    printf '#!/bin/sh\nexit 101\n' >"$policy"
    chmod 755 "$policy"
    trap 'rm -f "$policy"' EXIT
  fi
  apt-get update -qq </dev/null
  apt-get install -y -qq --no-install-recommends "${missing[@]}" </dev/null >/dev/null
fi

for lock in e2e/node/package-lock.json web/package-lock.json internal/pgtest/server18/package-lock.json; do
  [ -f "$lock" ] || continue
  folder=$(dirname "$lock")
  # npm writes this file last, so it is newer than the lock file exactly when
  # what the lock file names is installed.
  if [ ! "$folder/node_modules/.package-lock.json" -nt "$lock" ]; then
    echo "test-deps: installing the npm packages of $folder"
    (cd "$folder" && npm ci --no-audit --no-fund --ignore-scripts --loglevel=error </dev/null)
  fi
done
