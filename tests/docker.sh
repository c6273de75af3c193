#!/bin/bash
# A real Docker engine for the tests: Debian's dockerd on a socket of its own, without any network.
#
#   tests/docker.sh up STATE_DIR [OWNER_PID]   starts it; prints the value of DOCKER_HOST
#   tests/docker.sh down STATE_DIR             stops it and removes STATE_DIR
#
# Its one image is volstream-test:1, a busybox. It runs in a process and a mount namespace of its
# own: when its first process ends, so do all others, containers included, and no mount is left.
# With OWNER_PID the engine goes down by itself when that process has ended, however it ended.
# Engines in different directories do not meet, nor does one of the machine's own. Needs root, and
# from Debian 12: apt-get install -y --no-install-recommends docker.io busybox-static curl
set -Eeuo pipefail

readonly kDeadlineSeconds=30

die() {
  echo "docker.sh: $*" >&2
  exit 1
}

api() {  # METHOD PATH CURL_ARGS...
  local method=$1 path=$2
  shift 2
  curl --silent --show-error --fail --max-time 60 --unix-socket "$state/docker.sock" \
    --request "$method" "http://docker/v1.41$path" "$@"
}

# Its command line holds the state directory; without it the pid is somebody else's by now.
alive() {
  local pid
  pid=$(cat "$state/$1.pid" 2>/dev/null) || return 1
  grep -qzF "$state" "/proc/$pid/cmdline" 2>/dev/null
}

stop_engine() {
  local deadline=$((SECONDS + 10)) id
  if alive engine && [ -S "$state/docker.sock" ]; then
    # So that the engine itself tidies up: control groups outlive namespaces.
    for id in $(api GET '/containers/json?all=1' | grep -o '"Id":"[0-9a-f]*"' | cut -d'"' -f4); do
      api DELETE "/containers/$id?force=1" || true
    done
    kill -TERM "$(pgrep -P "$(cat "$state/engine.pid")" -f "$state" | head -1)" 2>/dev/null || true
    while alive engine && [ "$SECONDS" -lt "$deadline" ]; do read -rt 0.05 <> <(:) || true; done
  fi
  if alive engine; then kill -KILL "$(cat "$state/engine.pid")" || true; fi
  while alive engine; do read -rt 0.05 <> <(:) || true; done
}

report_failure() {
  local status=$? line=$1
  trap - ERR EXIT
  stop_engine
  {
    echo "docker.sh: could not start a Docker engine in $state (line $line, status $status)"
    [ ! -s "$state/log" ] || { echo "--- end of $state/log"; tail -n 25 "$state/log"; }
  } >&2
  exit 1
}

# The first process of the namespace is a shell: it reaps what containers leave behind, passes
# SIGTERM on, and ends with the engine.
launch() {
  setsid unshare --mount --propagation private --pid --fork --kill-child --mount-proc \
    bash -c '
      state=$1
      # Docker 20.10 writes a key there.
      mkdir -p /etc/docker && mount -t tmpfs tmpfs /etc/docker || true
      dockerd --config-file "$state/daemon.json" --data-root "$state/data" \
        --exec-root "$state/exec" --pidfile "$state/dockerd.pid" --host "unix://$state/docker.sock" \
        --storage-driver vfs --cgroup-parent "volstream-test" --bridge none --iptables=false \
        --ip6tables=false --ip-forward=false --ip-masq=false --userland-proxy=false &
      trap "kill -TERM $!" TERM
      wait $! || wait $!' engine "$state" \
    </dev/null >>"$state/log" 2>&1 &
  echo $! > "$state/engine.pid"
  disown
}

wait_for_engine() {
  local deadline=$((SECONDS + kDeadlineSeconds))
  until api GET /_ping --output /dev/null 2>/dev/null; do
    alive engine || die "dockerd ended before it answered"
    [ "$SECONDS" -lt "$deadline" ] || die "dockerd did not answer in $kDeadlineSeconds s"
    read -rt 0.05 <> <(:) || true
  done
}

import_image() {
  local root=$state/image applet
  mkdir -p "$root"/{bin,tmp}
  cp "$(command -v busybox)" "$root/bin/busybox"
  for applet in sh cat echo ls mkdir rm sleep test touch true; do
    ln -s busybox "$root/bin/$applet"
  done
  tar --create --directory "$root" . |
    api POST '/images/create?fromSrc=-&repo=volstream-test&tag=1' \
      --header 'Content-Type: application/x-tar' --data-binary @-
  rm -r "$root"
}

# That it answers does not mean that it can run anything here.
try_container() {
  local id
  id=$(api POST /containers/create --header 'Content-Type: application/json' --data \
    '{"Image":"volstream-test:1","Cmd":["true"],"HostConfig":{"NetworkMode":"none"}}' |
    cut -d'"' -f4)
  api POST "/containers/$id/start"
  api POST "/containers/$id/wait" | grep -q '"StatusCode":0'
  api DELETE "/containers/$id"
}

up() {
  local owner=${1:-} tool
  [ "$(id -u)" = 0 ] || die "a Docker engine needs root"
  for tool in dockerd containerd runc busybox curl unshare pgrep; do
    command -v "$tool" >/dev/null || die "$tool is missing; install it with: apt-get install -y \
--no-install-recommends docker.io busybox-static curl"
  done
  [ ! -e "$state/engine.pid" ] || die "$state is in use; run: tests/docker.sh down $state"
  mkdir -p "$state"
  # EXIT and not only ERR: a die() inside must report the log as well.
  trap 'report_failure $LINENO' ERR EXIT
  echo '{}' > "$state/daemon.json"  # none of the machine's settings
  launch
  wait_for_engine
  import_image >>"$state/log"
  try_container >>"$state/log"
  if [ -n "$owner" ]; then
    # Its own session and no inherited descriptors: a caller that reads our output sees its end.
    setsid bash -c 'tail --pid="$1" -f /dev/null; exec "$2" down "$3"' \
      watcher "$owner" "$(realpath "$0")" "$state" </dev/null >/dev/null 2>&1 &
    echo $! > "$state/watcher.pid"
  fi
  trap - ERR EXIT
  echo "unix://$state/docker.sock"
}

down() {
  [ -e "$state" ] || return 0
  local pid
  # With its `tail`, hence the group. It may be the watcher itself that runs this.
  pid=$(cat "$state/watcher.pid" 2>/dev/null) || pid=
  if alive watcher && [ "$pid" != $$ ]; then kill -KILL -- "-$pid" || true; fi
  stop_engine
  rm -rf "$state"
  # Empty by now, unless another engine of the tests runs.
  find /sys/fs/cgroup -type d -name volstream-test -exec rmdir {} + 2>/dev/null || true
}

[ $# -ge 2 ] || die "usage: tests/docker.sh up STATE_DIR [OWNER_PID] | down STATE_DIR"
state=$(realpath -m "$2")
case $1 in
  up) up "${3:-}" ;;
  down) down ;;
  *) die "unknown command $1" ;;
esac
