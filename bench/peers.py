#!/usr/bin/env python3
"""volstream and what people use instead, side by side: a tree to a real S3 server on loopback.

Makes a seeded tree with make_corpus, then runs every candidate (peer_candidates.py) once a round in
rotated order, each against a Ceph RGW started afresh by tests/rgw.sh (objects in memory, gone with
the server). A round before the first warms the machine up, is not counted, and reads back what was
stored. The server shares the machine's cores with the candidate; its processor time is reported as
well. bench/README.md has the method.

  bench/peers.py --build build/bench [--bytes 1GiB] [--rounds 5] [--only REGEX] [--max-seconds N]
                 [--json FILE] [--markdown FILE] [--plot FILE]
"""

import argparse
import json
import os
import re
import shlex
import subprocess
import sys
import tempfile
import time

import plot
from measure import GIB, CommandFailed, machine, parse_size, run_pipe
from peer_candidates import Place, all_candidates
from peer_report import (GOAL_HEADER, HEADER, REFERENCE, goal_rows, judge_goals, markdown, rows_of,
                         summarize, text_table)
from s3_server import VERSION_FLAGS, Server, versions


class Harness:
    """Runs the candidates over one tree and keeps what they did."""

    def __init__(self, candidates, tree, work_dir, memory_dir):
        self.candidates = candidates
        self.tree = tree
        self.work_dir = work_dir
        self.memory_dir = memory_dir
        self.log = os.path.join(work_dir, "log")
        files = [os.path.join(root, name) for root, _, names in os.walk(tree) for name in names]
        self.tree_files = len(files)
        self.tree_bytes = sum(os.lstat(path).st_size for path in files)
        self.warm_up = {}
        self.runs = {candidate.name: [] for candidate in candidates}

    def run_warm_up(self):
        for candidate in self.candidates:
            run = self._run(candidate, check=True)
            self.warm_up[candidate.name] = run
            print(f"warm-up: {candidate.name}: {run['wall_seconds']:.2f} s, checked", flush=True)

    def run_rounds(self, rounds, deadline):
        """How many rounds were made: the last may begin only if it would end before `deadline`."""
        for number in range(rounds):
            begin = time.monotonic()
            start = number % len(self.candidates)
            for candidate in self.candidates[start:] + self.candidates[:start]:
                run = self._run(candidate, check=False)
                self.runs[candidate.name].append(run)
                print(f"round {number + 1}: {candidate.name}: {run['wall_seconds']:.2f} s",
                      flush=True)
            now = time.monotonic()
            if number + 1 < rounds and now + (now - begin) > deadline:
                print(f"{number + 1} of {rounds} rounds: --max-seconds has no room for another",
                      flush=True)
                return number + 1
        return rounds

    def _run(self, candidate, check):
        with tempfile.TemporaryDirectory(prefix="volstream-peer-", dir=self.memory_dir) as scratch:
            if not candidate.needs_server:
                return self._measure(candidate, Place(self.tree, self.tree_bytes, None, scratch),
                                     check)
            with Server(os.path.join(self.work_dir, "rgw")) as server:
                return self._measure(candidate, Place(self.tree, self.tree_bytes, server, scratch),
                                     check)

    def _measure(self, candidate, place, check):
        environment = place.environment()
        for command in candidate.prepare(place):
            run_pipe([command], env=environment, log_path=self.log)
        time.sleep(1)  # what a server or a repository still does at its start is not the run's
        server_cpu = place.server.cpu_seconds() if place.server else 0
        run = run_pipe(candidate.commands(place), env=environment, log_path=self.log)
        run["server_cpu_seconds"] = (place.server.cpu_seconds() - server_cpu if place.server
                                     else 0.0)
        run["stored_bytes"] = candidate.stored(place)
        if check:
            candidate.check(place)
        return run

    def results(self):
        reference = self.runs.get(REFERENCE)
        return {candidate.name: {"name": candidate.name, "family": candidate.family,
                                 "note": candidate.note,
                                 **summarize(self.runs[candidate.name], self.tree_bytes, reference),
                                 "warm_up": self.warm_up[candidate.name],
                                 "runs": self.runs[candidate.name]}
                for candidate in self.candidates}


def levels(text):
    return [int(level) for level in text.split(",") if level]


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/bench", help="build directory")
    parser.add_argument("--volstream", help="the binary (default: BUILD/volstream)")
    parser.add_argument("--bytes", type=parse_size, default=GIB, help="size of the mixed tree")
    parser.add_argument("--kind", action="append", default=[], metavar="KIND=SIZE",
                        help="instead of the mix so many bytes of text, json, logs, sqlite, floats,"
                             " random or zeros; may be repeated")
    parser.add_argument("--small-files", type=int, default=0,
                        help="so many files of 1 to 16 KiB beside them")
    parser.add_argument("--seed", type=int, help="of the tree")
    parser.add_argument("--tree", help="a directory to back up instead of a made one")
    parser.add_argument("--rounds", type=int, default=5, help="behind the warm-up")
    parser.add_argument("--max-seconds", type=float, default=float("inf"),
                        help="no round begins that would end later; one is always made")
    parser.add_argument("--levels", type=levels, default=[1, 3, 6, 9], help="of gzip (1,3,6,9)")
    parser.add_argument("--zstd-levels", type=levels, default=[1, 3, 9], help="(1,3,9)")
    parser.add_argument("--only", default="", metavar="REGEX",
                        help="candidates whose name it is found in")
    parser.add_argument("--list", action="store_true", help="name the candidates, and run none")
    parser.add_argument("--work-dir", default=tempfile.gettempdir(), help="of the tree")
    parser.add_argument("--memory-dir", default="/dev/shm", help="of what is not sent to a server")
    parser.add_argument("--json", help="also write the result to this file")
    parser.add_argument("--markdown", help="also write the tables to this file")
    parser.add_argument("--plot", help="also draw throughput against stored size: an SVG file")
    return parser.parse_args()


def choose(args):
    """Those that can run, and why the others cannot."""
    volstream = args.volstream or os.path.join(args.build, "volstream")
    if not os.access(volstream, os.X_OK):
        sys.exit(f"peers.py: there is no {volstream}; build it, or see --volstream")
    runnable, skipped = [], []
    for candidate in all_candidates(volstream, len(os.sched_getaffinity(0)), args.levels,
                                    args.zstd_levels):
        if not re.search(args.only, candidate.name):
            continue
        why = candidate.missing()
        if why:
            skipped.append({"name": candidate.name, "why": why})
            print(f"not run: {candidate.name}: {why}", flush=True)
        else:
            runnable.append(candidate)
    if not runnable:
        sys.exit("peers.py: no candidate is left to run")
    return runnable, skipped


def make_tree(args, directory, log):
    if args.tree:
        return args.tree
    tree = os.path.join(directory, "tree")
    command = [os.path.join(args.build, "bench", "make_corpus"), tree, "--bytes", str(args.bytes)]
    for kind in args.kind:
        command += ["--kind", kind]
    if args.small_files:
        command += ["--small-files", str(args.small_files)]
    if args.seed is not None:
        command += ["--seed", str(args.seed)]
    run_pipe([command], log_path=log)
    os.sync()
    return tree


def command_line():
    """Without the paths that say where things lie on this machine."""
    words = ["bench/peers.py"]
    rest = iter(sys.argv[1:])
    for word in rest:
        name, equals, _ = word.partition("=")
        if name in ("--json", "--markdown", "--plot", "--work-dir", "--memory-dir", "--volstream"):
            if not equals:
                next(rest)
        else:
            words.append(word)
    return shlex.join(words)


def write(path, text):
    if path:
        with open(path, "w", encoding="utf-8") as file:
            file.write(text)


def main():
    args = arguments()
    begin = time.monotonic()
    runnable, skipped = choose(args)
    if args.list:
        for candidate in runnable:
            print(candidate.name)
        return
    os.makedirs(args.work_dir, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="volstream-peers-", dir=args.work_dir) as directory:
        log = os.path.join(directory, "log")
        try:
            harness = Harness(runnable, make_tree(args, directory, log), directory, args.memory_dir)
            harness.run_warm_up()
            rounds = harness.run_rounds(args.rounds, begin + args.max_seconds)
        except (CommandFailed, subprocess.CalledProcessError) as failure:
            if os.path.exists(log):
                with open(log, errors="replace") as file:
                    sys.stderr.write(file.read()[-4000:])
            sys.exit(f"peers.py: {failure}")

    results = harness.results()
    verdicts, not_judged = judge_goals(results)
    report = {"machine": machine(), "versions": versions(VERSION_FLAGS),
              "command": command_line(),
              "tree_bytes": harness.tree_bytes, "tree_files": harness.tree_files,
              "rounds": rounds, "skipped": skipped, "goals": verdicts,
              "goals_not_measured": not_judged, "results": results}
    print("\nmedian (min..max)\n" + text_table(HEADER, rows_of(results)))
    if verdicts:
        print("\n" + text_table(GOAL_HEADER, goal_rows(verdicts)))
    for text in not_judged:
        print(f"not measured: {text}")
    write(args.json, json.dumps(report, indent=2))
    write(args.markdown, markdown(report))
    if args.plot:
        plot.write_svg(report, args.plot)


if __name__ == "__main__":
    main()
