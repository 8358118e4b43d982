#!/usr/bin/env bash
# Builds Citus beside the machine's own PostgreSQL, starts a coordinator and two
# workers, and prints the address for the tests.
#
#   scripts/citus-dev.sh build [SOURCE]   SOURCE: a directory with the source of Citus;
#                                         without it the release is fetched with git
#   scripts/citus-dev.sh start            prints BILLFOLD_TEST_CITUS_URL=…
#   scripts/citus-dev.sh stop             ends the servers and removes their data
#
# Everything goes into CITUS_DIR, ./bin/citus unless it is set. The PostgreSQL
# that PG_CONFIG describes is copied there and Citus is installed into the copy,
# so the machine's own stays as it is. Building needs that server's headers
# (Debian: postgresql-server-dev-15), flex, liblz4-dev and libzstd-dev.
set -euo pipefail
cd "$(dirname "$0")/.."
version=v13.2.2 # the newest for PostgreSQL 15; 14 dropped it
dir=${CITUS_DIR:-$PWD/bin/citus}
mkdir -p "$dir"
dir=$(cd "$dir" && pwd)
copy=$dir/server
nodes=(coordinator worker1 worker2)

fail() {
  echo "citus-dev: $*" >&2
  exit 1
}

# copied DIR says where a directory of the server lies in the copy.
copied() { echo "$copy/${1#"$root"}"; }

# The server looks for its files relative to its programs, so a copy finds its
# own when the directories keep their places under a common root.
find_server() {
  config=${PG_CONFIG:-$(ls /usr/lib/postgresql/*/bin/pg_config 2>/dev/null | sort -V | tail -n 1)}
  [ -x "${config:-/nonexistent}" ] || fail "no pg_config; set PG_CONFIG, or install postgresql-server-dev-15"
  bindir=$("$config" --bindir) sharedir=$("$config" --sharedir) libdir=$("$config" --pkglibdir)
  headers=$("$config" --includedir-server)
  root=${bindir%usr/lib/postgresql/*}
  [ "$root" != "$bindir" ] || fail "$bindir is not laid out as Debian's packages are"
}

build() {
  local source=${1:-$dir/source}
  find_server
  [ -f "$headers/postgres.h" ] || fail "no headers of the server in $headers; install postgresql-server-dev-15"
  if [ $# -eq 0 ] && [ ! -d "$source" ]; then
    git clone -q --depth 1 --branch "$version" "https://github.com/citusdata/citus" "$source"
  fi
  # Newer minor versions of the server export a function that Citus also defines.
  if grep -q have_createdb_privilege "$headers/commands/dbcommands.h"; then
    sed -i 's/^have_createdb_privilege(void)/citus_have_createdb_privilege(void)/' "$source/src/include/pg_version_compat.h"
  fi
  (
    cd "$source"
    [ -f Makefile.global ] || PG_CONFIG=$config ./configure --quiet --without-libcurl
    make --silent -j"$(nproc)" with_llvm=no extension
  )
  rm -rf "$copy"
  for from in "$(dirname "$bindir")" "$sharedir"; do
    mkdir -p "$(copied "$from")"
    cp -a "$from/." "$(copied "$from")"
  done
  stage=$dir/stage
  rm -rf "$stage"
  make --silent -C "$source" with_llvm=no DESTDIR="$stage" install-extension
  cp -a "$stage$libdir/." "$(copied "$libdir")"
  cp -a "$stage$sharedir/." "$(copied "$sharedir")"
  copied "$bindir" >"$dir/bindir"
  echo "built Citus $version for $("$config" --version) in $dir" >&2
}

# unprivileged runs a program of the server: it refuses to be root.
unprivileged() {
  local program=$bin/$1
  shift
  if [ "$(id -u)" = 0 ]; then
    (cd / && HOME=/ setpriv --reuid nobody --regid nogroup --clear-groups "$program" "$@")
  else
    "$program" "$@"
  fi
}

find_bin() {
  [ -f "$dir/bindir" ] || fail "build it first"
  bin=$(cat "$dir/bindir")
}

sql() { unprivileged psql -h 127.0.0.1 -U billfold -v ON_ERROR_STOP=1 -qAt "$@"; }

free_port() {
  local port
  while port=$((20000 + RANDOM)); do
    if ! (exec 3<>"/dev/tcp/127.0.0.1/$port") 2>/dev/null; then
      echo "$port"
      return
    fi
  done
}

start() {
  find_bin
  data=${CITUS_DATA:-$(mktemp -d "${TMPDIR:-/tmp}/billfold-citus-XXXXXX")}
  mkdir -p "$data"
  chmod 755 "$data"
  echo "$data" >"$dir/data"
  [ "$(id -u)" != 0 ] || chown nobody "$data"
  declare -A port
  for node in "${nodes[@]}"; do
    port[$node]=$(free_port)
    unprivileged initdb -D "$data/$node" --username=billfold --auth=trust --encoding=UTF8 --locale=C.UTF-8 >/dev/null
    cat >>"$data/$node/postgresql.conf" <<CONF
shared_preload_libraries = 'citus'
port = ${port[$node]}
listen_addresses = '127.0.0.1'
unix_socket_directories = ''
wal_level = logical
max_connections = 600
max_prepared_transactions = 600
max_worker_processes = 300
max_locks_per_transaction = 256
citus.node_conninfo = 'sslmode=disable'
citus.node_connection_timeout = '2s'
CONF
    unprivileged pg_ctl -D "$data/$node" -l "$data/$node.log" -w start >/dev/null
    sql -p "${port[$node]}" -d postgres -c 'create database billfold'
    sql -p "${port[$node]}" -d billfold -c 'create extension citus'
  done
  sql -p "${port[coordinator]}" -d billfold -c "select citus_set_coordinator_host('127.0.0.1', ${port[coordinator]})" >/dev/null
  for node in worker1 worker2; do
    sql -p "${port[coordinator]}" -d billfold -c "select citus_add_node('127.0.0.1', ${port[$node]})" >/dev/null
  done
  echo "BILLFOLD_TEST_CITUS_URL=postgres://billfold@127.0.0.1:${port[coordinator]}/billfold?sslmode=disable"
}

stop() {
  find_bin
  [ -f "$dir/data" ] || fail "nothing was started"
  data=$(cat "$dir/data")
  for node in "${nodes[@]}"; do
    unprivileged pg_ctl -D "$data/$node" -m immediate -w stop >/dev/null || true
    rm -rf "${data:?}/$node" "$data/$node.log"
  done
  rmdir "$data"
  rm "$dir/data"
}

verb=${1:-}
shift || true
case $verb in
build | start | stop) "$verb" "$@" ;;
*) fail "build, start or stop?" ;;
esac
