#!/usr/bin/env python3
"""Sending parts that are there already: upload_bench, `aws s3 cp FILE` and `rclone copyto FILE`.

Makes a file of random bytes, which is what an archive looks like on the wire, and has every
candidate send it once a round, in rotated order, each to a Ceph RGW started afresh. What counts is
the client's own processor time for each GiB, and the wall time. bench/README.md has the method.

  bench/upload.py --build build/bench [--bytes 2GiB] [--rounds 5] [--json FILE]
"""

import argparse
import json
import os
import sys
import tempfile
import time

from measure import GIB, MIB, CommandFailed, machine, parse_size, run_pipe, spread
from s3_server import BUCKET, Server, find_tool, versions

REFERENCE = "volstream"
KEY = "run/file"


def candidates(build, connections):
    """(name, tool it needs, f(file, server) -> command)."""
    rclone = ["--s3-chunk-size", "16M", "--s3-upload-concurrency", str(connections)]
    return [
        (REFERENCE, None, lambda file, server: [
            os.path.join(build, "bench", "upload_bench"), file, f"s3://{BUCKET}/{KEY}",
            "--connections", str(connections)]),
        ("aws s3 cp", "aws", lambda file, server: [
            find_tool("aws"), "s3", "cp", "--quiet", "--endpoint-url", server.endpoint, file,
            f"s3://{BUCKET}/{KEY}"]),
        ("rclone copyto", "rclone", lambda file, server: [
            find_tool("rclone"), "copyto", file, f"s3:{BUCKET}/{KEY}"]),
        (f"rclone copyto, {connections} x 16 MiB", "rclone", lambda file, server: [
            find_tool("rclone"), "copyto", *rclone, file, f"s3:{BUCKET}/{KEY}"]),
    ]


def make_file(path, size):
    with open(path, "wb") as file:
        left = size
        while left > 0:
            left -= file.write(os.urandom(min(left, 8 * MIB)))


def run_once(command_of, path, size, directory):
    with Server(os.path.join(directory, "rgw")) as server:
        server_cpu = server.cpu_seconds()
        result = run_pipe([command_of(path, server)], env=server.environment(),
                          log_path=os.path.join(directory, "log"))
        result["server_cpu_seconds"] = server.cpu_seconds() - server_cpu
        if server.objects() != {KEY: size}:
            raise CommandFailed(f"the server has {server.objects()}")
    return result


def report(names, runs, size):
    gib = size / GIB
    peers = [name for name in names if name != REFERENCE]
    print(f"\n{gib:.2f} GiB, median (min..max)")
    print(f"{'':28} {'CPU s/GiB':>22} {'wall s':>22} {'server CPU s':>13} {'RSS MiB':>8}")
    results = {}
    for name in names:
        cpu = spread([run["cpu_seconds"] / gib for run in runs[name]])
        wall = spread([run["wall_seconds"] for run in runs[name]])
        server = spread([run["server_cpu_seconds"] for run in runs[name]])
        rss = spread([run["peak_rss_bytes"] / MIB for run in runs[name]])
        results[name] = {"cpu_seconds_per_gib": cpu, "wall_seconds": wall, "rss_mib": rss,
                         "runs": runs[name]}
        print(f"{name:28} {cpu['median']:7.3f} ({cpu['min']:.3f}..{cpu['max']:.3f})"
              f" {wall['median']:8.2f} ({wall['min']:.2f}..{wall['max']:.2f})"
              f" {server['median']:13.2f} {rss['median']:8.0f}")
    # Ratios within a round, against the best peer of that round.
    rounds = range(len(runs[REFERENCE]))
    for key, label in (("cpu_seconds", "client CPU"), ("wall_seconds", "wall time")):
        ratio = spread([min(runs[name][i][key] for name in peers) / runs[REFERENCE][i][key]
                        for i in rounds])
        results[key + "_best_peer_over_volstream"] = ratio
        print(f"{label}: the best peer takes {ratio['median']:.2f} times as much"
              f" ({ratio['min']:.2f}..{ratio['max']:.2f})")
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/bench", help="build directory")
    parser.add_argument("--bytes", type=parse_size, default=2 * GIB)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--work-dir", default=tempfile.gettempdir())
    parser.add_argument("--json", help="also write the result to this file")
    args = parser.parse_args()
    runnable = []
    for name, tool, command_of in candidates(args.build, args.connections):
        if tool is None or find_tool(tool):
            runnable.append((name, command_of))
        else:
            print(f"not run: {name}: {tool} not installed")
    runs = {name: [] for name, _ in runnable}
    with tempfile.TemporaryDirectory(prefix="volstream-upload-", dir=args.work_dir) as directory:
        path = os.path.join(directory, "file")
        make_file(path, args.bytes)
        try:
            for number in range(args.rounds):
                start = number % len(runnable)
                for name, command_of in runnable[start:] + runnable[:start]:
                    run = run_once(command_of, path, args.bytes, directory)
                    runs[name].append(run)
                    print(f"round {number + 1}: {name}: {run['wall_seconds']:.2f} s,"
                          f" {run['cpu_seconds']:.2f} CPU s", flush=True)
                    time.sleep(1)
        except CommandFailed as failure:
            with open(os.path.join(directory, "log"), errors="replace") as log:
                sys.stderr.write(log.read()[-4000:])
            sys.exit(f"upload.py: {failure}")
    results = report([name for name, _ in runnable], runs, args.bytes)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "versions": versions(), "bytes": args.bytes,
                       "rounds": args.rounds, "results": results}, file, indent=2)


if __name__ == "__main__":
    main()
