#!/bin/bash
# Installs what the tests need on Debian 12, builds everything, and runs the tests: all of them in
# the ordinary build, before them the unit tests under ASan with UBSan and the engine's under TSan,
# and a few seconds of fuzzing for each parser of what others wrote.
# usage: tests/run.sh [--no-sanitizers]
# All unit tests under TSan: cmake --build --preset tsan && ctest --preset tsan -L "unit|engine"
set -euo pipefail
cd "$(dirname "$0")/.."
as_root=$([ "$(id -u)" = 0 ] || echo sudo)

# Readers that must agree with us, a real S3 server, a real Docker engine, and what the tests are
# built with. busybox-static is both a reader and the engine's image.
$as_root apt-get update -q
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends \
  g++ cmake ninja-build pkg-config libtbb-dev libcurl4-openssl-dev libssl-dev libdeflate-dev \
  libxxhash-dev libisal-dev libzstd-dev libabsl-dev libcli11-dev libspdlog-dev libfmt-dev \
  nlohmann-json3-dev libpugixml-dev libarchive-dev libsqlite3-dev libinih-dev zlib1g-dev \
  libgtest-dev libgmock-dev libbenchmark-dev libcpp-httplib-dev liburing-dev \
  tar gzip pigz zstd busybox-static libarchive-tools p7zip-full python3 curl openssl procps \
  util-linux \
  ceph-mon ceph-osd radosgw ceph-common \
  docker.io \
  clang libclang-rt-14-dev

run_preset() {  # PRESET TARGETS... -- CTEST_ARGS...
  local preset=$1
  shift
  local targets=()
  while [ "$1" != -- ]; do targets+=("$1"); shift; done
  shift
  cmake --preset "$preset"
  cmake --build --preset "$preset" ${targets:+--target "${targets[@]}"}
  ctest --preset "$preset" "$@"
}

if [ "${1:-}" != --no-sanitizers ]; then
  run_preset asan volstream_engine_tests volstream_tests -- -L "unit|engine" -j "$(nproc)"
  run_preset tsan volstream_engine_tests -- -L engine -j "$(nproc)"
  run_preset fuzz -- -j "$(nproc)"
fi
run_preset test -- -j "$(nproc)"
# What was left out, and why: ctest shows no output of a skipped test.
grep -h '^\*\*\* ' build/test/Testing/Temporary/LastTest.log || true
