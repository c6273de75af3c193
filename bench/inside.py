#!/usr/bin/env python3
"""Reading less than a whole archive: one file of a large one, `ls` of a long one, `verify --deep`.

  one     a file of about 1 MiB out of an archive of 10 GiB at a Ceph RGW (tests/rgw.sh, its objects
          on disk): requests and bytes, counted by a relay (bench/relay.py)
  ls      time and memory of `ls` of an archive of 1,000,000 entries, in a directory and at RGW
  verify  `verify --deep` of a local archive, against gzip -t, pigz -t and igzip -t of the same file

  bench/inside.py [one] [ls] [verify] --build build/bench [--json FILE]
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
from relay import CountingRelay
from restore import back_up


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("what", nargs="*", help="one, ls, verify; default: all")
    parser.add_argument("--build", default="build/bench", help="build directory")
    parser.add_argument("--volstream", help="the binary (default: BUILD/volstream)")
    parser.add_argument("--bytes", type=parse_size, default=17 * GIB,
                        help="one: size of the tree; its archive has 60 %% of it")
    parser.add_argument("--entries", type=int, default=1_000_000, help="ls")
    parser.add_argument("--verify-bytes", type=parse_size, default=GIB, help="size of the tree")
    parser.add_argument("--rounds", type=int, default=5, help="of ls and verify")
    parser.add_argument("--work-dir", default=tempfile.gettempdir())
    parser.add_argument("--tree-dir", default="/dev/shm", help="of the many empty files of ls")
    parser.add_argument("--json", help="also write the result to this file")
    args = parser.parse_args()
    args.volstream = args.volstream or os.path.join(args.build, "volstream")
    if not os.access(args.volstream, os.X_OK):
        sys.exit(f"inside.py: there is no {args.volstream}; build it, or see --volstream")
    return args


def make_corpus(args, tree, size, log):
    run_pipe([[os.path.join(args.build, "bench", "make_corpus"), tree, "--bytes", str(size)]],
             log_path=log)


def files_of_a_mib(tree):
    """The first, the middle and the last, in the archive's order, of within 5 % of 1 MiB."""
    found = []
    for root, directories, names in os.walk(tree):
        directories.sort()
        for name in sorted(names):
            path = os.path.join(root, name)
            size = os.lstat(path).st_size
            if abs(size - MIB) < MIB / 20:
                found.append((path, size))
    if not found:
        raise CommandFailed(f"no file of {tree} is near 1 MiB")
    return [found[0], found[len(found) // 2], found[-1]]


def count_one(volstream, server, key, tree, directory, log):
    """Requests and bytes of a restore and of a cat of single files."""
    results = []
    with CountingRelay(server.endpoint) as relay:
        env = {**server.environment(), "AWS_ENDPOINT_URL": relay.endpoint}
        url = f"s3://{BUCKET}/{key}"
        for path, size in files_of_a_mib(tree):
            name = os.path.relpath(path, tree)
            target = os.path.join(directory, "target")
            out = os.path.join(directory, "out")
            for what, command, restored in (
                    ("restore", ["restore", url, target, name], os.path.join(target, name)),
                    ("cat", ["cat", url, name], out)):
                relay.take()
                # A pipe's last command writes to the log: here that is the file.
                run = run_pipe([[volstream, *command, "--quiet"]] if what == "restore"
                               else [[volstream, *command]], env=env,
                               log_path=log if what == "restore" else out)
                counts = relay.take()
                run_pipe([["cmp", path, restored]], log_path=log)
                print(f"{what:8} {name}, {size} bytes: {counts['requests']} requests, "
                      f"{counts['answer_bytes'] / MIB:.2f} MiB fetched, "
                      f"{run['wall_seconds']:.2f} s", flush=True)
                results.append({"what": what, "file": name, "bytes": size, **counts, **run})
            shutil.rmtree(target)
            os.unlink(out)
    return results


def one(args, directory, log):
    tree = os.path.join(directory, "large")
    make_corpus(args, tree, args.bytes, log)
    with Server(os.path.join(directory, "rgw"), disk_bytes=args.bytes + 4 * GIB) as server:
        key = back_up(args.volstream, server, "large", tree, log)
        stored = server.objects()[key]
        print(f"archive of {stored / GIB:.2f} GiB")
        runs = count_one(args.volstream, server, key, tree, directory, log)
    shutil.rmtree(tree)
    return {"archive_bytes": stored, "runs": runs}


def report(runs, reference):
    for name, list_of_runs in runs.items():
        wall = spread([run["wall_seconds"] for run in list_of_runs])
        cpu = spread([run["cpu_seconds"] for run in list_of_runs])
        rss = max(run["peak_rss_bytes"] for run in list_of_runs) / MIB
        ratio = spread([run["wall_seconds"] / ref["wall_seconds"]
                        for run, ref in zip(list_of_runs, runs[reference])])
        print(f"  {name:24} {wall['median']:6.2f} s ({wall['min']:.2f}..{wall['max']:.2f}), CPU "
              f"{cpu['median']:5.2f} s, peak RSS {rss:6.1f} MiB, this/{reference} "
              f"{ratio['median']:.2f} ({ratio['min']:.2f}..{ratio['max']:.2f})", flush=True)


def rotate(args, candidates, env, log):
    """Runs of each of {name: pipe}, in rotated order; what they print is dropped."""
    runs = {name: [] for name in candidates}
    names = list(candidates)
    for number in range(args.rounds):
        start = number % len(names)
        for name in names[start:] + names[:start]:
            runs[name].append(run_pipe(candidates[name], env=env, log_path=log))
    return runs


def local_archive(args, tree, destination, log):
    run_pipe([[args.volstream, "backup", tree, "--to", destination, "--no-prune", "--quiet"]],
             log_path=log)
    [name] = [name for name in os.listdir(destination) if name.endswith(".tar.gz")]
    return os.path.join(destination, name)


def ls(args, directory, log):
    with tempfile.TemporaryDirectory(prefix="volstream-inside-", dir=args.tree_dir) as place:
        tree = os.path.join(place, "many")
        source.make_empty_files(tree, args.entries)
        local = os.path.join(directory, "ls")
        os.mkdir(local)
        archive = local_archive(args, tree, local, log)
        with Server(os.path.join(directory, "rgw")) as server:
            url = f"s3://{BUCKET}/{back_up(args.volstream, server, 'many', tree, log)}"
            shutil.rmtree(tree)
            drop = [["cat"]]
            runs = rotate(args, {
                "ls FILE": [[args.volstream, "ls", archive]] + drop,
                "ls -l FILE": [[args.volstream, "ls", "-l", archive]] + drop,
                "ls s3://": [[args.volstream, "ls", url]] + drop,
                "tar tzf FILE": [[find_tool("tar"), "-t", "-z", "-f", archive]] + drop,
            }, server.environment(), os.devnull)
    with open(archive + ".receipt.json", encoding="utf-8") as file:
        receipt = json.load(file)
    print(f"archive of {receipt['entries']} entries, {receipt['bytes']} bytes, its index "
          f"{receipt['index_bytes']}; memory is of volstream and cat together")
    report(runs, "ls FILE")
    return {"receipt": receipt, "runs": runs}


def verify(args, directory, log):
    tree = os.path.join(directory, "tree")
    make_corpus(args, tree, args.verify_bytes, log)
    local = os.path.join(directory, "verify")
    os.mkdir(local)
    archive = local_archive(args, tree, local, log)
    shutil.rmtree(tree)
    candidates = {"verify --deep": [[args.volstream, "verify", "--deep", "--no-record", archive]]}
    for tool in ("gzip", "pigz", "igzip"):
        if find_tool(tool):
            candidates[f"{tool} -t"] = [[find_tool(tool), "-t", archive]]
    runs = rotate(args, candidates, None, log)
    print(f"archive of {os.path.getsize(archive) / 1e6:.0f} MB")
    report(runs, "verify --deep")
    return {"archive_bytes": os.path.getsize(archive), "runs": runs}


def main():
    args = arguments()
    parts = {"one": one, "ls": ls, "verify": verify}
    result = {"machine": machine(), "versions": versions(), "rounds": args.rounds}
    with tempfile.TemporaryDirectory(prefix="volstream-inside-", dir=args.work_dir) as directory:
        log = os.path.join(directory, "log")
        try:
            for name in args.what or parts:
                print(f"{name}:", flush=True)
                result[name] = parts[name](args, directory, log)
        except (CommandFailed, subprocess.CalledProcessError) as failure:
            with open(log, errors="replace") as file:
                sys.stderr.write(file.read()[-4000:])
            sys.exit(f"inside.py: {failure}")
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump(result, file, indent=2)


if __name__ == "__main__":
    main()
