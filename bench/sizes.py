#!/usr/bin/env python3
"""What an archive and its index take: index bytes an entry, and the archive against pigz.

Backs up each tree to a directory, and packs the tar of that archive with pigz at the same level.
Without TREEs: what is at hand of /usr/include, /usr/share/doc and Python's library, a tree of small
files with random times, and the mixed corpus. Sizes do not depend on the machine's load, so each is
made once.

  bench/sizes.py --build build/bench [--levels 1 6] [TREE...]
"""

import argparse
import json
import os
import random
import shutil
import subprocess
import sys
import sysconfig
import tempfile

import source
from measure import MIB, CommandFailed, machine, parse_size, run_pipe
from s3_server import find_tool, versions


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("trees", nargs="*")
    parser.add_argument("--build", default="build/bench", help="build directory")
    parser.add_argument("--volstream", help="the binary (default: BUILD/volstream)")
    parser.add_argument("--levels", type=int, nargs="+", default=[1, 6])
    parser.add_argument("--files", type=int, default=50_000, help="of the tree with random times")
    parser.add_argument("--bytes", type=parse_size, default=512 * MIB, help="of the mixed corpus")
    parser.add_argument("--work-dir", default=tempfile.gettempdir())
    parser.add_argument("--json", help="also write the result to this file")
    return parser.parse_args()


def scatter_times(tree):
    """Times with all their nanoseconds, of the last ten years: the worst that an index can meet."""
    rng = random.Random(2)
    for root, directories, names in os.walk(tree):
        for name in directories + names:
            time = rng.randrange(1_450_000_000 * 10**9, 1_760_000_000 * 10**9)
            os.utime(os.path.join(root, name), ns=(time, time))


def default_trees(args, directory, log):
    trees = [path for path in ("/usr/include", "/usr/share/doc", sysconfig.get_path("stdlib"))
             if os.path.isdir(path)]
    scattered = os.path.join(directory, "random-times")
    source.make_tree(scattered, args.files, large_files=0)
    scatter_times(scattered)
    mixed = os.path.join(directory, "mixed")
    run_pipe([[os.path.join(args.build, "bench", "make_corpus"), mixed, "--bytes",
               str(args.bytes)]], log_path=log)
    return trees + [scattered, mixed]


def measure(volstream, tree, level, directory, log):
    destination = os.path.join(directory, "destination")
    os.mkdir(destination)
    run_pipe([[volstream, "backup", tree, "--to", destination, "--level", str(level), "--sqlite",
               "copy", "--no-prune", "--quiet"]], log_path=log)
    [name] = [name for name in os.listdir(destination) if name.endswith(".receipt.json")]
    with open(os.path.join(destination, name), encoding="utf-8") as file:
        receipt = json.load(file)
    packed = os.path.join(directory, "packed")
    # A pipe's last command writes to the log: here that is the file.
    run_pipe([[find_tool("gzip"), "-d", "-c", os.path.join(destination, receipt["archive"])],
              [find_tool("pigz"), f"-{level}", "-c"]], log_path=packed)
    pigz_bytes = os.path.getsize(packed)
    os.unlink(packed)
    shutil.rmtree(destination)
    return {"tree": tree, "level": level, "pigz_bytes": pigz_bytes,
            **{key: receipt[key] for key in ("bytes", "tar_bytes", "index_bytes", "entries")}}


def main():
    args = arguments()
    volstream = args.volstream or os.path.join(args.build, "volstream")
    if not os.access(volstream, os.X_OK):
        sys.exit(f"sizes.py: there is no {volstream}; build it, or see --volstream")
    if not find_tool("pigz"):
        sys.exit("sizes.py: there is no pigz; install it")
    results = []
    with tempfile.TemporaryDirectory(prefix="volstream-sizes-", dir=args.work_dir) as directory:
        log = os.path.join(directory, "log")
        try:
            for tree in args.trees or default_trees(args, directory, log):
                for level in args.levels:
                    result = measure(volstream, tree, level, directory, log)
                    results.append(result)
                    print(f"{os.path.basename(tree):14} level {level}: {result['entries']:7} "
                          f"entries, tar {result['tar_bytes'] / 1e6:7.1f} MB, archive "
                          f"{result['bytes'] / 1e6:7.1f} MB, pigz "
                          f"{result['pigz_bytes'] / 1e6:7.1f} MB, archive/pigz "
                          f"{result['bytes'] / result['pigz_bytes']:.4f}, index "
                          f"{result['index_bytes'] / result['entries']:.2f} bytes an entry",
                          flush=True)
        except (CommandFailed, subprocess.CalledProcessError) as failure:
            with open(log, errors="replace") as file:
                sys.stderr.write(file.read()[-4000:])
            sys.exit(f"sizes.py: {failure}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "versions": versions(), "results": results}, file,
                      indent=2)


if __name__ == "__main__":
    main()
