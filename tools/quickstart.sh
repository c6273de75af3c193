#!/bin/bash
# Installs what volstream needs on Debian 12, builds it, and backs up a real directory to a local one.
# usage: tools/quickstart.sh [SOURCE [DEST]]     by default /usr/share and build/backups
set -euo pipefail
source=$(realpath "${1:-/usr/share}")
destination=${2:+$(realpath -m "$2")}
cd "$(dirname "$0")/.."
destination=${destination:-$PWD/build/backups}
as_root=$([ "$(id -u)" = 0 ] || echo sudo)

$as_root apt-get update -q
DEBIAN_FRONTEND=noninteractive $as_root apt-get install -y -q --no-install-recommends \
  ca-certificates g++ cmake ninja-build pkg-config libtbb-dev libcurl4-openssl-dev libssl-dev libdeflate-dev \
  libxxhash-dev libisal-dev libzstd-dev libabsl-dev libcli11-dev libspdlog-dev libfmt-dev \
  nlohmann-json3-dev libpugixml-dev libarchive-dev libsqlite3-dev libinih-dev zlib1g-dev
cmake --preset release
cmake --build --preset release

mkdir -p "$(dirname "$destination")"
set -x
build/release/volstream backup "$source" --to "$destination" --stats
build/release/volstream list "$destination"
