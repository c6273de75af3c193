#!/usr/bin/env python3
"""The pipeline on 1 to N workers of this machine, and on more than it has cores.

Runs pipeline_bench (memory to nowhere) for each number of workers, in rotated order in each round,
with its kernels before and after. Prints speed against one worker, processor time a GiB (which must
not grow), and pipeline/limit; keeps the JSON files, with which bench/model.py is checked and fed.

  bench/scaling.py --build build/bench --keep DIR [--levels 1 6] [--workers 1 2 4 8]
  bench/model.py --check DIR/*.json
"""

import argparse
import json
import os
import subprocess
import sys

from measure import machine, spread

GIB = 1 << 30


def arguments():
    cores = len(os.sched_getaffinity(0))
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/bench", help="build directory")
    parser.add_argument("--keep", required=True, help="directory for the JSON files")
    parser.add_argument("--levels", type=int, nargs="+", default=[1, 6])
    parser.add_argument("--workers", type=int, nargs="+",
                        default=sorted({1 << i for i in range(cores.bit_length())} |
                                       {cores, 2 * cores, 4 * cores}))
    parser.add_argument("--bytes", default="1GiB", help="of the stream")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--option", action="append", default=[],
                        help="for pipeline_bench too, as --option=--no-stream-md5")
    parser.add_argument("--json", help="also write the result to this file")
    return parser.parse_args()


def run_once(args, level, workers, number):
    path = os.path.join(args.keep, f"level{level}-workers{workers}-round{number}.json")
    subprocess.run([os.path.join(args.build, "bench", "pipeline_bench"), "--bytes", args.bytes,
                    "--level", str(level), "--workers", str(workers), "--repeat", "1", "--json",
                    path, *args.option], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    with open(path, encoding="utf-8") as file:
        run = json.load(file)
    figures = {key: value["median"] for key, value in run["figures"].items()}
    figures["cpu_seconds_per_gib"] = figures["cpu_cores"] / figures["in_mb_s"] * GIB / 1e6
    return figures


def text(values):
    return f"{values['median']:8.2f} ({values['min']:.2f}..{values['max']:.2f})"


def main():
    args = arguments()
    os.makedirs(args.keep, exist_ok=True)
    runs = {(level, workers): [] for level in args.levels for workers in args.workers}
    keys = list(runs)
    try:
        for number in range(args.rounds):
            start = number % len(keys)
            for level, workers in keys[start:] + keys[:start]:
                runs[level, workers].append(run_once(args, level, workers, number + 1))
    except (OSError, subprocess.CalledProcessError) as failure:
        sys.exit(f"scaling.py: {failure}")
    results = []
    for level in args.levels:
        print(f"\nlevel {level}: median (min..max) of {args.rounds} rounds; ratios within a round")
        print(f"{'workers':>7} {'MB/s':>26} {'/ one worker':>22} {'CPU s/GiB':>22}"
              f" {'/ limit':>22}")
        for workers in args.workers:
            mine, one = runs[level, workers], runs[level, args.workers[0]]
            result = {
                "level": level, "workers": workers,
                "in_mb_s": spread([run["in_mb_s"] for run in mine]),
                "over_first": spread([run["in_mb_s"] / base["in_mb_s"]
                                      for run, base in zip(mine, one)]),
                "cpu_seconds_per_gib": spread([run["cpu_seconds_per_gib"] for run in mine]),
                "over_limit": spread([run["pipeline_over_limit"] for run in mine])}
            results.append(result)
            print(f"{workers:7} " + " ".join(text(result[key]) for key in (
                "in_mb_s", "over_first", "cpu_seconds_per_gib", "over_limit")), flush=True)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "options": args.option, "results": results}, file,
                      indent=2)


if __name__ == "__main__":
    main()
