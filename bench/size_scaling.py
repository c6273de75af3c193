#!/usr/bin/env python3
"""Whether a GiB costs the same in a volume of 1 GiB and of 50, in time and in memory.

Three ways, as one machine has no room for all: pipeline_bench over a generated stream (memory to
nowhere); `volstream backup -` of a generated stream, whose archive goes to a directory and is
removed; and `volstream backup DIR` of trees of real bytes, as large as --tree-sizes says.
Processor time counts beside wall time, as a busy machine stretches the latter.

  bench/size_scaling.py --build build/bench [--sizes 1GiB 5GiB 10GiB 50GiB] [--work-dir /dev/shm]
"""

import argparse
import json
import os
import shutil
import sys
import tempfile

from measure import GIB, MIB, CommandFailed, machine, parse_size, run_pipe, spread

WAYS = ("engine", "stream", "tree")


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/bench", help="build directory")
    parser.add_argument("--volstream", help="the binary (default: BUILD/volstream)")
    parser.add_argument("--ways", nargs="+", choices=WAYS, default=list(WAYS))
    parser.add_argument("--sizes", nargs="+", type=parse_size,
                        default=[GIB, 5 * GIB, 10 * GIB, 50 * GIB])
    parser.add_argument("--tree-sizes", nargs="+", type=parse_size, default=[GIB, 5 * GIB])
    parser.add_argument("--level", type=int, default=1)
    parser.add_argument("--kind", default="mixed", help="of the stream: a corpus of make_corpus")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--work-dir", default=tempfile.gettempdir(),
                        help="for archives and trees: 1.7 times the largest tree, or 0.7 times the "
                        "largest stream")
    parser.add_argument("--json", help="also write the result to this file")
    return parser.parse_args()


class ChildOnly:
    """CPU of one process of a pipe, sampled: the generator's must not count."""

    def __init__(self, name):
        self.name = name
        self.seconds = 0.0
        self.rss_bytes = 0

    def __call__(self, pid):
        try:
            with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
                head, _, tail = stat.read().rpartition(")")
            if head.partition("(")[2] != self.name:
                return
            fields = tail.split()
            self.seconds = (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")
            with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
                for line in status:
                    if line.startswith("VmHWM:"):
                        self.rss_bytes = int(line.split()[1]) * 1024
        except (FileNotFoundError, ProcessLookupError):
            pass


def run_engine(args, size, directory):
    path = os.path.join(directory, "run.json")
    run_pipe([[os.path.join(args.build, "bench", "pipeline_bench"), "--bytes", str(size),
               "--kernel-bytes", "0", "--level", str(args.level), "--repeat", "1", "--json",
               path]], log_path=os.path.join(directory, "log"))
    with open(path, encoding="utf-8") as file:
        figures = json.load(file)["figures"]
    wall = size / figures["in_mb_s"]["median"] / 1e6
    return {"wall_seconds": wall, "cpu_seconds": wall * figures["cpu_cores"]["median"],
            # The corpus, which is in memory beforehand, is not the run's.
            "peak_rss_bytes": figures["peak_rss_above_corpus_mib"]["median"] * MIB}


def backup_command(args, source, directory):
    volstream = args.volstream or os.path.join(args.build, "volstream")
    return [volstream, "backup", source, "--to", directory, "--level", str(args.level),
            "--no-prune", "--quiet"]


def run_backup(args, commands, directory):
    destination = os.path.join(directory, "destination")
    os.mkdir(destination)
    watch = ChildOnly("volstream")
    result = run_pipe(commands(destination), log_path=os.path.join(directory, "log"), watch=watch)
    shutil.rmtree(destination)
    return {"wall_seconds": result["wall_seconds"], "cpu_seconds": watch.seconds,
            "peak_rss_bytes": watch.rss_bytes}


def run_stream(args, size, directory):
    generator = [os.path.join(args.build, "bench", "make_corpus"), "-", "--bytes", str(size),
                 "--stream-kind", args.kind]
    return run_backup(args, lambda destination: [
        generator, backup_command(args, "-", destination) + ["--name", "stream",
                                                             "--expected-size", str(size)]],
        directory)


def run_tree(args, size, directory):
    tree = os.path.join(directory, "tree")
    run_pipe([[os.path.join(args.build, "bench", "make_corpus"), tree, "--bytes", str(size)]],
             log_path=os.path.join(directory, "log"))
    try:
        return run_backup(args, lambda destination: [backup_command(args, tree, destination)],
                          directory)
    finally:
        shutil.rmtree(tree)


def report(way, runs):
    print(f"\n{way}: median (min..max); a GiB")
    print(f"{'GiB':>6} {'CPU s/GiB':>22} {'wall s/GiB':>22} {'peak RSS, MiB':>22}")
    sizes = sorted(runs)
    rows = {}
    for size in sizes:
        gib = size / GIB
        rows[size] = {"cpu": spread([run["cpu_seconds"] / gib for run in runs[size]]),
                      "wall": spread([run["wall_seconds"] / gib for run in runs[size]]),
                      "rss": spread([run["peak_rss_bytes"] / MIB for run in runs[size]])}
        cells = [f"{row['median']:8.2f} ({row['min']:.2f}..{row['max']:.2f})"
                 for row in rows[size].values()]
        print(f"{gib:6.1f} " + " ".join(cells))
    ratios = {key: rows[sizes[-1]][key]["median"] / rows[sizes[0]][key]["median"]
              for key in ("cpu", "wall", "rss")}
    print("largest over smallest: " + ", ".join(f"{key} {value:.3f}"
                                                for key, value in ratios.items()))
    return {"runs": {str(size): runs[size] for size in sizes}, "largest_over_smallest": ratios}


def main():
    args = arguments()
    run_of = {"engine": run_engine, "stream": run_stream, "tree": run_tree}
    results = {}
    with tempfile.TemporaryDirectory(prefix="volstream-sizes-", dir=args.work_dir) as directory:
        try:
            for way in args.ways:
                sizes = args.tree_sizes if way == "tree" else args.sizes
                runs = {size: [] for size in sizes}
                for number in range(args.rounds):
                    start = number % len(sizes)
                    for size in sizes[start:] + sizes[:start]:
                        runs[size].append(run_of[way](args, size, directory))
                results[way] = report(way, runs)
        except CommandFailed as failure:
            with open(os.path.join(directory, "log"), errors="replace") as log:
                sys.stderr.write(log.read()[-4000:])
            sys.exit(f"size_scaling.py: {failure}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "level": args.level, "results": results}, file,
                      indent=2)


if __name__ == "__main__":
    main()
