#!/usr/bin/env python3
"""volstream and what people use instead, side by side: a tree to a real S3 server on loopback.

Makes a seeded tree with make_corpus, then runs every candidate once a round in rotated order, each
against a Ceph RGW started afresh by tests/rgw.sh (objects in memory, gone with the server). The
server shares the machine's cores with the candidate; its processor time is reported as well.
bench/README.md has the method.

  bench/peers.py --build build/bench [--bytes 1GiB] [--rounds 3] [--json FILE]
"""

import argparse
import json
import os
import shutil
import subprocess
import sys
import tempfile
import time
import urllib.parse
import xml.etree.ElementTree

from measure import (GIB, MIB, CommandFailed, cpu_seconds, machine, parse_size, run_pipe, spread)

HERE = os.path.dirname(os.path.abspath(__file__))
RGW_SCRIPT = os.path.join(HERE, "..", "tests", "rgw.sh")
BUCKET = "bench"
REGION = "us-east-1"
REFERENCE = "volstream -6"


def find_tool(name):
    """A distribution's own binary first: the shims of version managers cost time to start."""
    return shutil.which(name, path="/usr/local/bin:/usr/bin:/bin") or shutil.which(name)


class Server:
    """One RGW, from `with` to its end; objects in memory, or in a file of at most disk_bytes."""

    def __init__(self, state_dir, disk_bytes=None):
        self.state_dir = state_dir
        self.disk_bytes = disk_bytes

    def __enter__(self):
        env = dict(os.environ)
        if self.disk_bytes is not None:
            env["VOLSTREAM_RGW_DISK_BYTES"] = str(self.disk_bytes)
        subprocess.run([RGW_SCRIPT, "up", self.state_dir, "0", str(os.getpid())], check=True,
                       stdout=subprocess.DEVNULL, env=env)
        try:
            self._prepare()
        except BaseException:  # no __exit__ follows
            self.__exit__()
            raise
        return self

    def _prepare(self):
        self.endpoint = self._state("endpoint")
        self.access_key = self._state("access_key")
        self.secret_key = self._state("secret_key")
        # radosgw makes its pools when they are first needed; nobody's time shall pay for that.
        self.request("PUT", f"/{BUCKET}")
        self.request("PUT", f"/{BUCKET}/warm", data="x")
        upload = self.request("POST", f"/{BUCKET}/warm-parts?uploads=")
        upload_id = xml.etree.ElementTree.fromstring(upload).findtext("{*}UploadId")
        self.request("DELETE", f"/{BUCKET}/warm-parts?uploadId={upload_id}")
        self.request("DELETE", f"/{BUCKET}/warm")

    def __exit__(self, *unused):
        subprocess.run([RGW_SCRIPT, "down", self.state_dir], check=True)

    def _state(self, name):
        with open(os.path.join(self.state_dir, name), encoding="ascii") as file:
            return file.read().strip()

    def curl(self, path):
        return ["curl", "--silent", "--show-error", "--fail", "--aws-sigv4",
                f"aws:amz:{REGION}:s3", "--user", f"{self.access_key}:{self.secret_key}",
                "--header", "x-amz-content-sha256: UNSIGNED-PAYLOAD", self.endpoint + path]

    def request(self, method, path, data=None):
        command = self.curl(path) + ["--request", method]
        if data is not None:
            command += ["--data-raw", data]
        return subprocess.run(command, check=True, capture_output=True, text=True).stdout

    def objects(self):
        listing = xml.etree.ElementTree.fromstring(self.request("GET", f"/{BUCKET}?list-type=2"))
        return {item.findtext("{*}Key"): int(item.findtext("{*}Size"))
                for item in listing.findall("{*}Contents")}

    def cpu_seconds(self):
        run_dir = os.path.join(self.state_dir, "run")
        total = 0.0
        for name in os.listdir(run_dir):
            if name.endswith(".pid"):
                with open(os.path.join(run_dir, name), encoding="ascii") as file:
                    total += cpu_seconds(int(file.read()))
        return total

    def environment(self):
        """For the S3 tools; nothing of the user's own configuration is read."""
        kept = {name: value for name, value in os.environ.items()
                if not name.startswith(("AWS_", "RCLONE_", "S3_", "BACKUP_"))
                and not name.lower().endswith("_proxy")}
        return {**kept, "AWS_ACCESS_KEY_ID": self.access_key,
                "AWS_SECRET_ACCESS_KEY": self.secret_key, "AWS_REGION": REGION,
                "AWS_DEFAULT_REGION": REGION, "AWS_ENDPOINT_URL": self.endpoint,
                "AWS_CONFIG_FILE": os.devnull, "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
                "RCLONE_CONFIG": "", "RCLONE_CONFIG_S3_TYPE": "s3",
                "RCLONE_CONFIG_S3_PROVIDER": "Ceph", "RCLONE_CONFIG_S3_ENV_AUTH": "true",
                "RCLONE_CONFIG_S3_REGION": REGION, "RCLONE_CONFIG_S3_ENDPOINT": self.endpoint,
                "RCLONE_S3_NO_CHECK_BUCKET": "true"}


def candidates(volstream, cores):
    """(name, tools it needs, f(tree, server) -> commands of the pipe)."""
    def backup(level):
        return lambda tree, server: [[volstream, "backup", tree, "--to", f"s3://{BUCKET}/run/",
                                      "--level", str(level), "--no-prune", "--quiet"]]

    def tar(tree):
        return [find_tool("tar"), "-C", tree, "-c", "."]

    def through_rclone(tool, *options):
        return lambda tree, server: [tar(tree), [find_tool(tool), *options, "-c"],
                                     [find_tool("rclone"), "rcat",
                                      f"s3:{BUCKET}/run/backup.tar.gz"]]

    def through_aws(tree, server):
        return [tar(tree), [find_tool("gzip"), "-6", "-c"],
                [find_tool("aws"), "s3", "cp", "--endpoint-url", server.endpoint, "-",
                 f"s3://{BUCKET}/run/backup.tar.gz"]]

    return [(REFERENCE, [], backup(6)),
            ("volstream -1", [], backup(1)),
            ("tar|gzip -6|aws s3 cp", ["tar", "gzip", "aws"], through_aws),
            (f"tar|pigz -6 -p{cores}|rclone rcat", ["tar", "pigz", "rclone"],
             through_rclone("pigz", "-6", "-p", str(cores))),
            (f"tar|igzip -1 -T{cores}|rclone rcat", ["tar", "igzip", "rclone"],
             through_rclone("igzip", "-1", "-T", str(cores)))]


def versions():
    commands = {"tar": "--version", "gzip": "--version", "pigz": "--version",
                "igzip": "--version", "rclone": "version", "aws": "--version",
                "radosgw": "--version"}
    found = {}
    for tool, flag in commands.items():
        path = find_tool(tool)
        if path is None:
            found[tool] = "missing"
            continue
        result = subprocess.run([path, flag], capture_output=True, text=True, check=False)
        lines = (result.stdout + result.stderr).splitlines()
        found[tool] = lines[0] if lines else "unknown"
    return found


def check_archive(server, source_bytes):
    """Reads the archive back: gzip must accept it and it must hold the tree."""
    archives = [key for key in server.objects() if key.endswith(".tar.gz")]
    if len(archives) != 1:
        raise CommandFailed(f"expected one archive, found {archives}")
    curl = subprocess.Popen(server.curl(f"/{BUCKET}/" + urllib.parse.quote(archives[0])),
                            stdout=subprocess.PIPE)
    gzip = subprocess.Popen([find_tool("gzip"), "-dc"], stdin=curl.stdout, stdout=subprocess.PIPE)
    curl.stdout.close()
    tar_bytes = 0
    while chunk := gzip.stdout.read(MIB):
        tar_bytes += len(chunk)
    if gzip.wait() != 0 or curl.wait() != 0 or tar_bytes < source_bytes:
        raise CommandFailed(f"{archives[0]} does not hold the tree: {tar_bytes} bytes of tar")


def run_once(commands_of, tree, source_bytes, directory, check):
    with Server(os.path.join(directory, "rgw")) as server:
        server_cpu = server.cpu_seconds()
        result = run_pipe(commands_of(tree, server), env=server.environment(),
                          log_path=os.path.join(directory, "log"))
        result["server_cpu_seconds"] = server.cpu_seconds() - server_cpu
        result["stored_bytes"] = sum(server.objects().values())
        if check:
            check_archive(server, source_bytes)
    return result


def summarize(name, runs, reference_runs, source_bytes):
    summary = {key: spread([run[key] for run in runs]) for key in runs[0]}
    summary["mb_s"] = spread([source_bytes / run["wall_seconds"] / 1e6 for run in runs])
    # Pairs of one round: what the machine did meanwhile hits both.
    summary["wall_over_reference"] = spread(
        [run["wall_seconds"] / ref["wall_seconds"] for run, ref in zip(runs, reference_runs)])
    summary["stored_over_reference"] = (summary["stored_bytes"]["median"] / spread(
        [ref["stored_bytes"] for ref in reference_runs])["median"])
    return {"name": name, **summary, "runs": runs}


def print_table(results):
    def figure(value, digits):
        median, low, high = (f"{value[key]:.{digits}f}" for key in ("median", "min", "max"))
        return f"{median} ({low}..{high})"

    rows = [["", "wall s", "MB/s", "CPU s", "server CPU s", "RSS MiB", "stored MB",
             f"wall / {REFERENCE}", "size"]]
    for result in results:
        rows.append([result["name"], figure(result["wall_seconds"], 2),
                     f"{result['mb_s']['median']:.1f}", f"{result['cpu_seconds']['median']:.1f}",
                     f"{result['server_cpu_seconds']['median']:.1f}",
                     f"{result['peak_rss_bytes']['median'] / MIB:.0f}",
                     f"{result['stored_bytes']['median'] / 1e6:.1f}",
                     figure(result["wall_over_reference"], 2),
                     f"{result['stored_over_reference']:.3f}"])
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    print("\nmedian (min..max)")
    for row in rows:
        first, *rest = row
        print("  ".join([first.ljust(widths[0])] +
                        [cell.rjust(width) for cell, width in zip(rest, widths[1:])]))


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/bench", help="build directory")
    parser.add_argument("--volstream", help="the binary (default: BUILD/volstream)")
    parser.add_argument("--bytes", type=parse_size, default=GIB, help="size of the tree")
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--work-dir", default=tempfile.gettempdir())
    parser.add_argument("--json", help="also write the result to this file")
    return parser.parse_args()


def main():
    args = arguments()
    volstream = args.volstream or os.path.join(args.build, "volstream")
    if not os.access(volstream, os.X_OK):
        sys.exit(f"peers.py: there is no {volstream}; build it, or see --volstream")
    runnable, skipped = [], []
    for name, tools, commands_of in candidates(volstream, len(os.sched_getaffinity(0))):
        missing = [tool for tool in tools if find_tool(tool) is None]
        if missing:
            skipped.append({"name": name, "missing": missing})
            print(f"not run: {name}: {', '.join(missing)} not installed", flush=True)
        else:
            runnable.append((name, commands_of))

    runs = {name: [] for name, _ in runnable}
    if args.work_dir:
        os.makedirs(args.work_dir, exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="volstream-peers-", dir=args.work_dir) as directory:
        tree = os.path.join(directory, "tree")
        log = os.path.join(directory, "log")
        try:
            run_pipe([[os.path.join(args.build, "bench", "make_corpus"), tree, "--bytes",
                       str(args.bytes)]], log_path=log)
            os.sync()
            for number in range(args.rounds):
                start = number % len(runnable)
                for name, commands_of in runnable[start:] + runnable[:start]:
                    run = run_once(commands_of, tree, args.bytes, directory, check=number == 0)
                    runs[name].append(run)
                    print(f"round {number + 1}: {name}: {run['wall_seconds']:.2f} s", flush=True)
                    time.sleep(1)
        except (CommandFailed, subprocess.CalledProcessError) as failure:
            with open(log, errors="replace") as file:
                sys.stderr.write(file.read()[-4000:])
            sys.exit(f"peers.py: {failure}")

    results = [summarize(name, runs[name], runs[REFERENCE], args.bytes) for name, _ in runnable]
    print_table(results)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"machine": machine(), "versions": versions(), "bytes": args.bytes,
                       "rounds": args.rounds, "skipped": skipped, "results": results}, file,
                      indent=2)


if __name__ == "__main__":
    main()
