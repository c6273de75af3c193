#!/usr/bin/env python3
"""Restoring a whole tree from a real S3 server on loopback: volstream and what people use instead.

Two trees, one of mixed files and one of small ones, are backed up once to a Ceph RGW
(tests/rgw.sh). Then every candidate restores the same object into a fresh directory, once a round
in rotated order. The directories are removed between the runs, outside of the timing; in the first
round each is compared with the tree. bench/README.md has the method.

  bench/restore.py --build build/bench [--bytes 1GiB] [--files 100000] [--rounds 5] [--json FILE]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile

import source
from measure import GIB, MIB, CommandFailed, machine, parse_size, run_pipe, spread
from s3_server import BUCKET, Server, find_tool, versions

REFERENCE = "volstream"


def candidates(volstream):
    """(name, tools it needs, f(key, target, server) -> commands of the pipe)."""
    def untar(target, *options):
        return [find_tool("tar"), "-x", *options, "-C", target]

    def through_aws(key, target, server):
        return [[find_tool("aws"), "s3", "cp", "--endpoint-url", server.endpoint,
                 f"s3://{BUCKET}/{key}", "-"], untar(target, "-z", "-f", "-")]

    def through_rclone(key, target, server):
        return [[find_tool("rclone"), "cat", f"s3:{BUCKET}/{key}"], [find_tool("igzip"), "-dc"],
                untar(target, "-f", "-")]

    return [(REFERENCE, [], lambda key, target, server: [
                [volstream, "restore", f"s3://{BUCKET}/{key}", target, "--quiet"]]),
            ("aws s3 cp|tar xz", ["aws", "tar", "gzip"], through_aws),
            ("rclone cat|igzip -dc|tar x", ["rclone", "igzip", "tar"], through_rclone)]


def make_trees(args, directory, log):
    """(name, path, bytes of the files)."""
    mixed = os.path.join(directory, "mixed")
    run_pipe([[os.path.join(args.build, "bench", "make_corpus"), mixed, "--bytes",
               str(args.bytes)]], log_path=log)
    trees = [("mixed", mixed, args.bytes)]
    if args.files > 0:
        small = os.path.join(directory, "small")
        source.make_tree(small, args.files, large_files=0)
        sizes = (os.path.getsize(os.path.join(root, name))
                 for root, _, names in os.walk(small) for name in names)
        trees.append(("small", small, sum(sizes)))
    return trees


def back_up(volstream, server, name, tree, log):
    """The key of its archive."""
    run_pipe([[volstream, "backup", tree, "--to", f"s3://{BUCKET}/{name}/", "--no-prune",
               "--quiet"]], env=server.environment(), log_path=log)
    keys = [key for key in server.objects()
            if key.startswith(name + "/") and key.endswith(".tar.gz")]
    if len(keys) != 1:
        raise CommandFailed(f"expected one archive of {name}, found {keys}")
    return keys[0]


def run_once(commands_of, key, tree, target, server, log, check):
    os.mkdir(target)
    try:
        server_cpu = server.cpu_seconds()
        result = run_pipe(commands_of(key, target, server), env=server.environment(), log_path=log)
        result["server_cpu_seconds"] = server.cpu_seconds() - server_cpu
        if check:
            run_pipe([["diff", "-r", "--no-dereference", tree, target]], log_path=log)
    finally:
        shutil.rmtree(target)
    return result


def print_table(name, size, runs):
    def figure(values, digits=2):
        values = spread(values)
        median, low, high = (f"{values[key]:.{digits}f}" for key in ("median", "min", "max"))
        return f"{median} ({low}..{high})"

    print(f"\n{name}, {size / 1e6:.0f} MB of files; median (min..max)")
    print(f"{'':28} {'wall s':>20} {'MB/s':>6} {'CPU s':>20} {'server CPU s':>13} {'RSS MiB':>8}"
          f" {'wall / ' + REFERENCE:>20}")
    for candidate, list_of_runs in runs.items():
        wall = [run["wall_seconds"] for run in list_of_runs]
        # Pairs of one round: what the machine did meanwhile hits both.
        ratio = [run["wall_seconds"] / reference["wall_seconds"]
                 for run, reference in zip(list_of_runs, runs[REFERENCE])]
        rss = max(run["peak_rss_bytes"] for run in list_of_runs) / MIB
        server = spread([run["server_cpu_seconds"] for run in list_of_runs])["median"]
        print(f"{candidate:28} {figure(wall):>20} {size / spread(wall)['median'] / 1e6:6.0f}"
              f" {figure([run['cpu_seconds'] for run in list_of_runs]):>20} {server:13.2f}"
              f" {rss:8.0f} {figure(ratio):>20}", flush=True)


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/bench", help="build directory")
    parser.add_argument("--volstream", help="the binary (default: BUILD/volstream)")
    parser.add_argument("--bytes", type=parse_size, default=GIB, help="size of the mixed tree")
    parser.add_argument("--files", type=int, default=100_000, help="of 1 to 16 KiB; 0 for none")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--work-dir", default=tempfile.gettempdir(), help="of the trees")
    parser.add_argument("--target-dir", default="/dev/shm", help="where they are restored")
    parser.add_argument("--json", help="also write the result to this file")
    return parser.parse_args()


def main():
    args = arguments()
    volstream = args.volstream or os.path.join(args.build, "volstream")
    if not os.access(volstream, os.X_OK):
        sys.exit(f"restore.py: there is no {volstream}; build it, or see --volstream")
    runnable = []
    for name, tools, commands_of in candidates(volstream):
        missing = [tool for tool in tools if find_tool(tool) is None]
        if missing:
            print(f"not run: {name}: {', '.join(missing)} not installed", flush=True)
        else:
            runnable.append((name, commands_of))
    results = []
    with tempfile.TemporaryDirectory(prefix="volstream-restore-", dir=args.work_dir) as directory, \
            tempfile.TemporaryDirectory(prefix="volstream-target-", dir=args.target_dir) as targets:
        log = os.path.join(directory, "log")
        try:
            trees = make_trees(args, directory, log)
            os.sync()
            with Server(os.path.join(directory, "rgw")) as server:
                for tree_name, tree, size in trees:
                    key = back_up(volstream, server, tree_name, tree, log)
                    runs = {name: [] for name, _ in runnable}
                    for number in range(args.rounds):
                        start = number % len(runnable)
                        for name, commands_of in runnable[start:] + runnable[:start]:
                            run = run_once(commands_of, key, tree, os.path.join(targets, "target"),
                                           server, log, check=number == 0)
                            runs[name].append(run)
                            print(f"{tree_name}, round {number + 1}: {name}: "
                                  f"{run['wall_seconds']:.2f} s", flush=True)
                    print_table(tree_name, size, runs)
                    results.append({"tree": tree_name, "bytes": size,
                                    "stored_bytes": server.objects()[key], "runs": runs})
        except (CommandFailed, subprocess.CalledProcessError) as failure:
            with open(log, errors="replace") as file:
                sys.stderr.write(file.read()[-4000:])
            sys.exit(f"restore.py: {failure}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "versions": versions(), "rounds": args.rounds,
                       "target_dir": args.target_dir, "results": results}, file, indent=2)


if __name__ == "__main__":
    main()
