#!/usr/bin/env python3
"""Peak memory of `volstream backup` for a small and a large source.

Makes a seeded tree of each size with make_corpus, backs it up to a local directory, prints the
peak resident memory and deletes everything. The trees are real bytes of real files: about a third
cannot shrink, so parts fill as fast as they can. With --real-bytes what is above that size is added
as sparse files, for disks that do not hold the whole: with --no-sparse volstream reads their holes
as zeros, so blocks pass faster but fill fewer parts.

The peak is told apart into the buffer pool, which is touched as far as the destination falls
behind the source and never beyond the budget, and all the rest, which a larger volume must not
make larger but for its file names.

  bench/memory.py --build build/bench [--sizes 2GiB 20GiB] [--level 1] [--memory 256MiB]
"""

import argparse
import json
import os
import shutil
import statistics
import sys
import tempfile
import time

from measure import GIB, MIB, CommandFailed, machine, parse_size, run_pipe


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/bench", help="build directory")
    parser.add_argument("--volstream", help="the binary (default: BUILD/volstream)")
    parser.add_argument("--sizes", nargs="+", type=parse_size, default=[2 * GIB, 20 * GIB])
    parser.add_argument("--real-bytes", type=parse_size,
                        help="at most this much of each size as real bytes, the rest sparse")
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--memory", default="256MiB", help="volstream's budget")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--work-dir", default=tempfile.gettempdir())
    parser.add_argument("--json", help="also write the result to this file")
    return parser.parse_args()


class PoolWatch:
    """Samples a process's mappings: the pool is the largest one, all else is the rest."""

    INTERVAL_SECONDS = 0.25

    def __init__(self, budget_bytes):
        self.budget_bytes = budget_bytes
        self.pool_bytes = 0
        self.rest_bytes = 0
        self.next_sample = 0.0

    def __call__(self, pid):
        if time.monotonic() < self.next_sample:
            return
        self.next_sample = time.monotonic() + self.INTERVAL_SECONDS
        size = pool = rest = 0
        try:
            with open(f"/proc/{pid}/smaps", encoding="utf-8", errors="replace") as smaps:
                for line in smaps:
                    if line.startswith("Size:"):
                        size = int(line.split()[1]) * 1024
                    elif line.startswith("Rss:"):
                        rss = int(line.split()[1]) * 1024
                        if size > 0.8 * self.budget_bytes:
                            pool += rss
                        else:
                            rest += rss
        except (FileNotFoundError, ProcessLookupError):
            return
        self.pool_bytes = max(self.pool_bytes, pool)
        self.rest_bytes = max(self.rest_bytes, rest)


def check_room(args, directory):
    largest = max(min(size, args.real_bytes or size) for size in args.sizes)
    free = shutil.disk_usage(directory).free
    if free < 1.8 * largest:  # the tree, and an archive of about 60 % of it
        sys.exit(f"memory.py: {directory} has {free / GIB:.1f} GiB free and "
                 f"{1.8 * largest / GIB:.1f} GiB are needed; see --real-bytes and --work-dir")


def measure_size(args, volstream, directory, size):
    tree = os.path.join(directory, "tree")
    archives = os.path.join(directory, "archives")
    log = os.path.join(directory, "log")
    real = min(size, args.real_bytes or size)
    make = [os.path.join(args.build, "bench", "make_corpus"), tree, "--bytes", str(real),
            "--sparse-bytes", str(size - real)]
    run_pipe([make], log_path=log)
    os.sync()  # else the tree on its way to disk holds up the archive
    files = sum(len(names) for _, _, names in os.walk(tree))
    os.mkdir(archives)
    watch = PoolWatch(parse_size(args.memory))
    result = run_pipe([[volstream, "backup", tree, "--to", archives, "--level", str(args.level),
                        "--memory", args.memory, "--no-prune", "--no-sparse"]], log_path=log, watch=watch)
    stored = sum(entry.stat().st_size for entry in os.scandir(archives))
    shutil.rmtree(tree)
    shutil.rmtree(archives)
    return {"source_bytes": size, "sparse_bytes": size - real, "files": files,
            "stored_bytes": stored, "peak_pool_bytes": watch.pool_bytes,
            "peak_rest_bytes": watch.rest_bytes, **result}


def main():
    args = arguments()
    volstream = args.volstream or os.path.join(args.build, "volstream")
    check_room(args, args.work_dir)
    runs = []
    with tempfile.TemporaryDirectory(prefix="volstream-memory-", dir=args.work_dir) as directory:
        for _ in range(args.repeat):
            for size in args.sizes:
                try:
                    run = measure_size(args, volstream, directory, size)
                except CommandFailed as failure:
                    with open(os.path.join(directory, "log"), errors="replace") as log:
                        sys.stderr.write(log.read()[-4000:])
                    sys.exit(f"memory.py: {failure}")
                runs.append(run)
                print(f"{size / GIB:5.1f} GiB ({run['sparse_bytes'] / GIB:.1f} sparse), "
                      f"{run['files']} files: peak RSS {run['peak_rss_bytes'] / MIB:.1f} MiB "
                      f"(pool {run['peak_pool_bytes'] / MIB:.1f}, rest "
                      f"{run['peak_rest_bytes'] / MIB:.1f}); {run['wall_seconds']:.1f} s, "
                      f"stored {run['stored_bytes'] / GIB:.2f} GiB", flush=True)

    def peak_ratio(key):
        largest, smallest = (
            statistics.median(run[key] for run in runs if run["source_bytes"] == size)
            for size in (max(args.sizes), min(args.sizes)))
        return largest / smallest if smallest else float("nan")

    ratios = {key: peak_ratio(key)
              for key in ("peak_rss_bytes", "peak_pool_bytes", "peak_rest_bytes")}
    print(f"largest source over smallest, medians: peak RSS {ratios['peak_rss_bytes']:.3f}, "
          f"pool {ratios['peak_pool_bytes']:.3f}, rest {ratios['peak_rest_bytes']:.3f}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "level": args.level, "memory": args.memory,
                       "runs": runs, "ratios": ratios}, file, indent=2)


if __name__ == "__main__":
    main()
