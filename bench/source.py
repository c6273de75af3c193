#!/usr/bin/env python3
"""Reading a tree of many small files: volstream's source against tar, warm and cold.

Makes a seeded tree (1 to 16 KiB each, and a few large ones), then runs in rotated order
  volstream   source_bench: plan, read, tar stream through the engine, dropped
  tar         tar cf - TREE | cat >/dev/null
and with --ways also read_bench: the small files alone, read one after another, by more threads, in
batches, by io_uring. --cold drops the page cache (as root) before each. --plan-files adds a tree of
that many files and tells what the plan of it takes in memory.

  bench/source.py --build build/test [--files 200000] [--rounds 5] [--cold] [--ways]
"""

import argparse
import json
import os
import random
import subprocess
import sys
import tempfile

from measure import MIB, machine, run_pipe, spread

FILES_A_DIRECTORY = 200
LARGE_FILES = 4
LARGE_BYTES = 64 * MIB
WAYS = [("pread", 2, 1), ("pread", 16, 1), ("willneed", 2, 128), ("uring", 2, 128)]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/bench", help="build directory")
    parser.add_argument("--files", type=int, default=200_000)
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--cold", action="store_true", help="also with an empty page cache (root)")
    parser.add_argument("--ways", action="store_true", help="also the ways to read small files")
    parser.add_argument("--plan-files", type=int, help="measure the plan of so many empty files")
    parser.add_argument("--work-dir", default=tempfile.gettempdir())
    parser.add_argument("--json", help="also write the result to this file")
    return parser.parse_args()


def make_tree(root, files, large_files=LARGE_FILES):
    """The same arguments give the same tree."""
    rng = random.Random(1)
    pool = rng.randbytes(MIB) + b"the quick brown fox, row after row; " * 30_000
    for first in range(0, files, FILES_A_DIRECTORY):
        number = first // FILES_A_DIRECTORY
        directory = os.path.join(root, f"d{number // 50:03}", f"s{number % 50:02}")
        os.makedirs(directory)
        for i in range(min(FILES_A_DIRECTORY, files - first)):
            size = rng.randint(1024, 16 * 1024)
            start = rng.randrange(len(pool) - size)
            with open(os.path.join(directory, f"file{i:04}.dat"), "wb") as file:
                file.write(pool[start:start + size])
    for i in range(large_files):
        with open(os.path.join(root, f"large{i}"), "wb") as file:
            for _ in range(LARGE_BYTES // MIB):
                file.write(pool[:MIB])


def make_empty_files(root, files):
    for first in range(0, files, 1000):
        directory = os.path.join(root, f"directory{first // 1000:06}")
        os.makedirs(directory)
        for i in range(min(1000, files - first)):
            os.close(os.open(os.path.join(directory, f"file-of-usual-length-{i:06}"),
                             os.O_CREAT | os.O_WRONLY))


def drop_caches():
    os.sync()
    with open("/proc/sys/vm/drop_caches", "w", encoding="ascii") as file:
        file.write("3")


def run_json(command):
    return json.loads(subprocess.run(command, check=True, capture_output=True).stdout)


def run_tar(tree):
    result = run_pipe([["tar", "cf", "-", "-C", tree, "."], ["cat"]])
    return {"seconds": result["wall_seconds"], "cpu_seconds": result["cpu_seconds"]}


def compare(args, tree, file_list):
    bench = os.path.join(args.build, "bench", "source_bench")
    candidates = {"volstream": lambda: run_json([bench, tree]), "tar": lambda: run_tar(tree)}
    if args.ways:
        reader = os.path.join(args.build, "bench", "read_bench")
        for mode, threads, batch in WAYS:
            command = [reader, file_list, "--mode", mode, "--threads", str(threads), "--batch",
                       str(batch)]
            if subprocess.run(command, capture_output=True).returncode != 0:
                print(f"{mode} is not built in: install liburing-dev", file=sys.stderr)
                continue
            candidates[f"{mode}, {threads} threads, batch {batch}"] = (
                lambda command=command: run_json(command))
    results = {}
    for cache in ["warm", "cold"] if args.cold else ["warm"]:
        runs = {name: [] for name in candidates}
        if cache == "warm":
            candidates["tar"]()
        names = list(candidates)
        for round_number in range(args.rounds):
            for name in names[round_number % len(names):] + names[:round_number % len(names)]:
                if cache == "cold":
                    drop_caches()
                runs[name].append(candidates[name]())
        results[cache] = runs
        print(f"{cache} cache, {args.rounds} rounds: median (least..most)")
        for name, list_of_runs in runs.items():
            wall = spread([run["seconds"] for run in list_of_runs])
            cpu = spread([run["cpu_seconds"] for run in list_of_runs])
            ratio = spread([tar["seconds"] / run["seconds"]
                            for tar, run in zip(runs["tar"], list_of_runs)])
            print(f"  {name:30} {wall['median']:6.2f} s ({wall['min']:.2f}..{wall['max']:.2f}), "
                  f"CPU {cpu['median']:5.2f} s, tar/this {ratio['median']:.2f} "
                  f"({ratio['min']:.2f}..{ratio['max']:.2f})", flush=True)
    return results


def main():
    args = arguments()
    result = {"machine": machine(), "files": args.files, "rounds": args.rounds}
    with tempfile.TemporaryDirectory(prefix="volstream-source-", dir=args.work_dir) as directory:
        tree = os.path.join(directory, "tree")
        make_tree(tree, args.files)
        file_list = os.path.join(directory, "list")
        if args.ways:
            subprocess.run([os.path.join(args.build, "bench", "read_bench"), file_list,
                            "--make-list", tree], check=True)
        os.sync()
        result["runs"] = compare(args, tree, file_list)
        if args.plan_files:
            many = os.path.join(directory, "many")
            make_empty_files(many, args.plan_files)
            plan = run_json([os.path.join(args.build, "bench", "source_bench"), many,
                             "--plan-only"])
            result["plan"] = plan
            print(f"plan of {plan['entries']} entries: {plan['plan_seconds']:.2f} s, "
                  f"{plan['plan_resident_bytes'] / plan['entries']:.0f} bytes an entry resident, "
                  f"{plan['plan_peak_bytes'] / plan['entries']:.0f} at the peak")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=1)


if __name__ == "__main__":
    main()
