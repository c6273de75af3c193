#!/bin/bash
# A real S3 server for the tests: Ceph's radosgw over a monitor and one OSD whose store is memory.
#
#   tests/rgw.sh up STATE_DIR PORT [OWNER_PID]   PORT 0 takes a free one; prints the endpoint
#   tests/rgw.sh stop-gateway STATE_DIR          kills radosgw alone (SIGKILL); the data stay
#   tests/rgw.sh start-gateway STATE_DIR         starts it again and waits until it answers
#   tests/rgw.sh down STATE_DIR                  stops it and removes STATE_DIR
#
# After `up`, STATE_DIR/endpoint, access_key and secret_key hold what a client needs;
# guest_access_key and guest_secret_key are those of a user who may do nothing in others' buckets;
# tls_endpoint is the same server over TLS, its certificate for localhost, 127.0.0.1 and s3.test
# signed by the CA of tls/ca.pem. Encryption with the server's keys (SSE-KMS) knows vstest-key.
# With VOLSTREAM_RGW_DISK_BYTES=N in the environment of `up` objects lie in a file of at most so many
# bytes in STATE_DIR instead of memory, for a bench that stores more than that has room for.
# Buckets go by path and, at *.localhost, by virtual host. With OWNER_PID the server goes down by
# itself when that process has ended, however it ended. Instances in different directories do not
# meet. Needs, from Debian 12:
#   apt-get install -y --no-install-recommends ceph-mon ceph-osd radosgw ceph-common curl openssl
set -Eeuo pipefail

readonly kAccessKey=VSTESTACCESSKEY00001
readonly kSecretKey=vsTestSecret/NotARealOne+0123456789abcdef
readonly kGuestAccessKey=VSTESTACCESSKEY00002
readonly kGuestSecretKey=vsTestSecret/NotARealGuest+0123456789abc
# 32 bytes, base64.
readonly kKmsKeys=vstest-key=dm9sc3RyZWFtLXRlc3Qta2V5LW5vdC1hLXJlYWwtMSE=
readonly kDeadlineSeconds=60

die() {
  echo "rgw.sh: $*" >&2
  exit 1
}

# Without this check radosgw would fail to bind, and whoever holds the port would answer for it.
port_is_free() {
  python3 -c 'import socket, sys; socket.socket().bind(("127.0.0.1", int(sys.argv[1])))' "$1" \
    2>/dev/null
}

free_port() {  # below the ephemeral range, so that no client socket can take it meanwhile
  python3 - <<'PY'
import random, socket
while True:
    port = random.randrange(15000, 32000)
    with socket.socket() as s:
        try:
            s.bind(("127.0.0.1", port))
        except OSError:
            continue
    print(port)
    break
PY
}

# Starts a daemon and notes its pid. In the foreground (-f): when a Ceph daemon puts itself into the
# background, nothing says when it has written its pid file, or whether it got that far.
launch() {
  local name=$1
  shift
  setsid "$@" -f </dev/null >>"$state/log/start.log" 2>&1 &
  echo $! > "$state/run/$name.pid"
  disown  # or bash would remark on it when it is killed
}

# Each daemon carries the path of its configuration in its command line; a pid file whose process
# does not is stale, and its number may be somebody else's by now.
daemon_alive() {
  local pid
  pid=$(cat "$1" 2>/dev/null) || return 1
  grep -qzF "$state/ceph.conf" "/proc/$pid/cmdline" 2>/dev/null
}

stop_daemons() {
  local file
  for file in "$state"/run/*.pid; do
    if daemon_alive "$file"; then kill -KILL "$(cat "$file")" || true; fi
  done
  for file in "$state"/run/*.pid; do
    while daemon_alive "$file"; do read -rt 0.02 <> <(:) || true; done
  done
}

report_failure() {
  local status=$? line=$1 log
  trap - ERR EXIT
  stop_daemons
  {
    echo "rgw.sh: could not start Ceph RGW in $state (line $line, status $status)"
    for log in "$state"/log/*.log; do
      [ -s "$log" ] || continue
      echo "--- end of $log"
      tail -n 25 "$log"
    done
  } >&2
  exit 1
}

write_store_config() {
  if [ -n "${VOLSTREAM_RGW_DISK_BYTES:-}" ]; then
    cat <<CONF
osd_objectstore = bluestore
bluestore_block_create = true
bluestore_block_size = $VOLSTREAM_RGW_DISK_BYTES
CONF
  else
    cat <<CONF
# Objects live in memory; nothing outlives the test, and no disk is measured.
osd_objectstore = memstore
memstore_device_bytes = 8589934592
# The other layout of memstore copies pages, and is slower for large objects.
memstore_page_set = false
CONF
  fi
}

write_config() {
  cat > "$state/ceph.conf" <<CONF
[global]
fsid = $fsid
mon_host = [v2:127.0.0.1:$mon_port/0]
keyring = $state/keyring
public_network = 127.0.0.0/8
# One messenger: the second (v1) port would be one more to collide on.
ms_bind_msgr1 = false
run_dir = $state/run
pid_file =
log_file = $state/log/\$name.log
# No admin sockets: their paths may not be longer than 107 bytes, and build trees are deep.
admin_socket =
mon_data = $state/mon
osd_data = $state/osd
$(write_store_config)
# Room for parts in flight; the default throttle of 100 MB stalls many large writes at once.
ms_dispatch_throttle_bytes = 1073741824
osd_max_object_size = 134217728
# A cluster of one: no replicas, no second host to place them on, and no warning about it.
osd_pool_default_size = 1
osd_pool_default_min_size = 1
osd_crush_chooseleaf_type = 0
mon_allow_pool_size_one = true
mon_warn_on_pool_no_redundancy = false
# radosgw makes a dozen pools at its first start; few placement groups each.
osd_pool_default_pg_num = 2
osd_pool_default_pgp_num = 2
# By default the monitor collects changes for a second before it proposes them, and every new pool
# waits for that: twelve seconds of start. With these the whole cluster is up in one.
paxos_propose_interval = 0.02
paxos_min_wait = 0.01
# A full disk under STATE_DIR is no reason to refuse: only the monitor's small store is there.
mon_data_avail_warn = 1
mon_data_avail_crit = 0
auth_allow_insecure_global_id_reclaim = false
[client.rgw]
rgw_data = $state/rgw
rgw_frontends = beast endpoint=127.0.0.1:$port ssl_endpoint=127.0.0.1:$tls_port \
ssl_certificate=$state/tls/server.pem ssl_private_key=$state/tls/server.key
# So that virtual-host addressing works: *.localhost is this machine to libcurl.
rgw_dns_name = localhost
rgw_crypt_require_ssl = false
rgw_crypt_s3_kms_backend = testing
rgw_crypt_s3_kms_encryption_keys = $kKmsKeys
rgw_thread_pool_size = 64
rgw_enable_usage_log = false
# One gateway alone: with a cache it would, after a kill, wait half a minute for its former self to
# hear of changes.
rgw_cache_enabled = false
# No multi-site: no sync threads.
rgw_run_sync_thread = false
# Free the memory of deleted objects soon, not after two hours.
rgw_gc_obj_min_wait = 1
rgw_gc_processor_period = 5
debug_rgw = 0
CONF
}

make_keys() {
  local keyring=$state/keyring
  ceph-authtool --create-keyring "$keyring" --gen-key -n mon. --cap mon 'allow *'
  ceph-authtool "$keyring" --gen-key -n client.admin --cap mon 'allow *' --cap osd 'allow *'
  ceph-authtool "$keyring" --gen-key -n osd.0 --cap mon 'allow profile osd' --cap osd 'allow *'
  ceph-authtool "$keyring" --gen-key -n client.rgw --cap mon 'allow rwx' --cap osd 'allow rwx'
}

# A CA of this instance's own, and a server certificate signed by it.
make_certificates() {
  local tls=$state/tls
  openssl req -x509 -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes -days 3650 \
    -subj "/CN=volstream test CA" -keyout "$tls/ca.key" -out "$tls/ca.pem"
  openssl req -new -newkey ec -pkeyopt ec_paramgen_curve:prime256v1 -nodes \
    -subj "/CN=localhost" -keyout "$tls/server.key" -out "$tls/server.csr"
  openssl x509 -req -in "$tls/server.csr" -CA "$tls/ca.pem" -CAkey "$tls/ca.key" \
    -set_serial 2 -days 3650 -out "$tls/server.pem" \
    -extfile <(echo "subjectAltName = DNS:localhost, DNS:*.localhost, DNS:s3.test, IP:127.0.0.1")
}

launch_gateway() {
  local as_root=()
  [ "$(id -u)" != 0 ] || as_root=(--setuser root --setgroup root)
  launch rgw radosgw -c "$state/ceph.conf" -n client.rgw "${as_root[@]}"
  wait_for_http
}

wait_for_http() {
  local deadline=$((SECONDS + kDeadlineSeconds))
  until curl --silent --output /dev/null --max-time 5 "http://127.0.0.1:$port/"; do
    kill -0 "$(cat "$state/run/rgw.pid")" 2>/dev/null || die "radosgw ended before it answered"
    [ "$SECONDS" -lt "$deadline" ] || die "radosgw did not answer in $kDeadlineSeconds s"
    read -rt 0.05 <> <(:) || true
  done
}

up() {
  port=$1
  local owner=${2:-} tool mon_port fsid osd_uuid osd_id as_root=()
  for tool in ceph ceph-mon ceph-osd ceph-authtool monmaptool radosgw radosgw-admin curl openssl \
    python3; do
    command -v "$tool" >/dev/null || die "$tool is missing; install it with: apt-get install -y \
--no-install-recommends ceph-mon ceph-osd radosgw ceph-common curl openssl"
  done
  [ ! -e "$state/ceph.conf" ] || die "$state is in use; run: tests/rgw.sh down $state"
  [ "$port" != 0 ] || port=$(free_port)
  port_is_free "$port" || die "port $port is taken; give another, or 0 for a free one"
  mon_port=$(free_port)
  tls_port=$(free_port)
  fsid=$(cat /proc/sys/kernel/random/uuid)
  osd_uuid=$(cat /proc/sys/kernel/random/uuid)
  # Started as root the daemons would change to user ceph, who may not enter STATE_DIR.
  [ "$(id -u)" != 0 ] || as_root=(--setuser root --setgroup root)

  mkdir -p "$state"/{mon,osd,rgw,run,log,tls}
  # EXIT and not only ERR: a die() inside must report the logs as well.
  trap 'report_failure $LINENO' ERR EXIT
  write_config
  local config=(-c "$state/ceph.conf") log=$state/log/start.log
  make_keys >>"$log" 2>&1
  make_certificates >>"$log" 2>&1
  monmaptool --create --addv a "[v2:127.0.0.1:$mon_port/0]" --fsid "$fsid" "$state/monmap" \
    >>"$log" 2>&1
  ceph-mon "${config[@]}" -i a --mkfs --monmap "$state/monmap" --keyring "$state/keyring" \
    "${as_root[@]}" >>"$log" 2>&1
  launch mon ceph-mon "${config[@]}" -i a "${as_root[@]}"
  osd_id=$(ceph "${config[@]}" --connect-timeout $kDeadlineSeconds osd new "$osd_uuid" 2>>"$log")
  ceph-osd "${config[@]}" -i "$osd_id" --mkfs --osd-uuid "$osd_uuid" "${as_root[@]}" >>"$log" 2>&1
  launch osd ceph-osd "${config[@]}" -i "$osd_id" "${as_root[@]}"
  launch_gateway
  local user=(radosgw-admin "${config[@]}" -n client.rgw user create)
  "${user[@]}" --uid=volstream --display-name=volstream \
    --access-key="$kAccessKey" --secret-key="$kSecretKey" >>"$log" 2>&1
  "${user[@]}" --uid=guest --display-name=guest \
    --access-key="$kGuestAccessKey" --secret-key="$kGuestSecretKey" >>"$log" 2>&1

  echo "$kAccessKey" > "$state/access_key"
  echo "$kSecretKey" > "$state/secret_key"
  echo "$kGuestAccessKey" > "$state/guest_access_key"
  echo "$kGuestSecretKey" > "$state/guest_secret_key"
  echo "https://localhost:$tls_port" > "$state/tls_endpoint"
  echo "http://127.0.0.1:$port" > "$state/endpoint"
  if [ -n "$owner" ]; then
    # Its own session and no inherited descriptors: a caller that reads our output sees its end.
    setsid bash -c 'tail --pid="$1" -f /dev/null; exec "$2" down "$3"' \
      watcher "$owner" "$(realpath "$0")" "$state" </dev/null >/dev/null 2>&1 &
    echo $! > "$state/run/watcher"
  fi
  trap - ERR EXIT
  cat "$state/endpoint"
}

stop_gateway() {
  local file=$state/run/rgw.pid
  daemon_alive "$file" || die "no gateway runs in $state"
  kill -KILL "$(cat "$file")"
  while daemon_alive "$file"; do read -rt 0.02 <> <(:) || true; done
}

start_gateway() {
  port=$(sed 's/.*://' "$state/endpoint")
  launch_gateway
}

# With its `tail`, hence the group. It may be the watcher itself that runs this.
stop_watcher() {
  local pid
  pid=$(cat "$state/run/watcher" 2>/dev/null) || return 0
  if [ "$pid" != $$ ] && grep -qzxF "$state" "/proc/$pid/cmdline" 2>/dev/null; then
    kill -KILL -- "-$pid" || true
  fi
}

down() {
  [ -e "$state/ceph.conf" ] || return 0
  stop_watcher
  stop_daemons
  rm -rf "$state"
}

[ $# -ge 2 ] || die "usage: tests/rgw.sh up STATE_DIR PORT [OWNER_PID] | \
stop-gateway|start-gateway|down STATE_DIR"
state=$(realpath -m "$2")
case $1 in
  up) up "${3:-0}" "${4:-}" ;;
  stop-gateway) stop_gateway ;;
  start-gateway) start_gateway ;;
  down) down ;;
  *) die "unknown command $1" ;;
esac
