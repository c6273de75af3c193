#!/usr/bin/env python3
"""Time and peak memory of `volstream list` and `volstream prune` over very many keys.

Fills a bucket of a real Ceph gateway (tests/rgw.sh) and a directory with backups, each a small
archive and its receipt, one an hour back from a fixed day, and runs list, prune --dry-run and prune
over them. Nothing is measured of the filling.

  bench/listing.py --build build/bench [--keys 100000] [--local-only]
"""

import argparse
import concurrent.futures
import datetime
import hashlib
import hmac
import http.client
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading

from measure import MIB, machine, run_pipe

BUCKET = "listing"
PREFIX = "p/"
ARCHIVE = b"an archive that nobody reads"


def arguments():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--build", default="build/bench", help="build directory")
    parser.add_argument("--keys", type=int, default=100_000, help="an archive and a receipt are two")
    parser.add_argument("--keep-last", type=int, default=20)
    parser.add_argument("--local-only", action="store_true", help="no S3")
    parser.add_argument("--work-dir", default=tempfile.gettempdir())
    parser.add_argument("--json", help="also write the result to this file")
    return parser.parse_args()


def objects(keys):
    """(name, contents) of the backups, the oldest first."""
    newest = datetime.datetime(2025, 6, 1)
    count = keys // 2
    for i in range(count):
        time = newest - datetime.timedelta(hours=count - i)
        name = f"volume_{time:%Y%m%d_%H%M%S}.tar.gz"
        receipt = {"volstream_receipt": 1, "archive": name, "bytes": len(ARCHIVE)}
        yield name, ARCHIVE
        yield name + ".receipt.json", json.dumps(receipt).encode()


class S3:
    """Just enough of S3 to fill a bucket, signed by AWS Signature Version 4."""

    def __init__(self, endpoint, access_key, secret_key):
        self.host = endpoint.partition("://")[2]
        self.access_key = access_key
        self.secret_key = secret_key
        self.local = threading.local()

    def put(self, path, body=b""):
        now = datetime.datetime.now(datetime.timezone.utc)
        date, stamp = f"{now:%Y%m%d}", f"{now:%Y%m%dT%H%M%SZ}"
        digest = hashlib.sha256(body).hexdigest()
        names = "host;x-amz-content-sha256;x-amz-date"
        canonical = (f"PUT\n{path}\n\nhost:{self.host}\nx-amz-content-sha256:{digest}\n"
                     f"x-amz-date:{stamp}\n\n{names}\n{digest}")
        scope = f"{date}/us-east-1/s3/aws4_request"
        to_sign = (f"AWS4-HMAC-SHA256\n{stamp}\n{scope}\n"
                   f"{hashlib.sha256(canonical.encode()).hexdigest()}")
        key = ("AWS4" + self.secret_key).encode()
        for part in (date, "us-east-1", "s3", "aws4_request"):
            key = hmac.new(key, part.encode(), hashlib.sha256).digest()
        signature = hmac.new(key, to_sign.encode(), hashlib.sha256).hexdigest()
        headers = {"x-amz-date": stamp, "x-amz-content-sha256": digest,
                   "Authorization": f"AWS4-HMAC-SHA256 Credential={self.access_key}/{scope}, "
                                    f"SignedHeaders={names}, Signature={signature}"}
        if not hasattr(self.local, "connection"):
            self.local.connection = http.client.HTTPConnection(self.host, timeout=60)
        self.local.connection.request("PUT", path, body, headers)
        response = self.local.connection.getresponse()
        text = response.read()
        if response.status != 200:
            sys.exit(f"PUT {path}: HTTP {response.status} {text.decode(errors='replace')}")


def fill_bucket(s3, keys):
    s3.put(f"/{BUCKET}")
    with concurrent.futures.ThreadPoolExecutor(16) as pool:
        for _ in pool.map(lambda item: s3.put(f"/{BUCKET}/{PREFIX}{item[0]}", item[1]),
                          objects(keys)):
            pass


def fill_directory(directory, keys):
    os.mkdir(directory)
    for name, contents in objects(keys):
        with open(os.path.join(directory, name), "wb") as file:
            file.write(contents)


def measure(volstream, destination, keep_last, env, log):
    results = {}
    rules = ["--keep-last", str(keep_last), "--keep-daily", "30", "--keep-monthly", "12"]
    for what, command in (
            ("list", ["list", destination]),
            ("list --brief", ["list", destination, "--brief"]),
            ("list --json", ["list", destination, "--json"]),
            ("prune --dry-run", ["prune", destination, "--dry-run"] + rules),
            ("prune", ["prune", destination] + rules),
            ("list afterwards", ["list", destination])):
        run = run_pipe([[volstream] + command], env=env, log_path=log)
        results[what] = run
        print(f"  {what:16} {run['wall_seconds']:7.1f} s  {run['cpu_seconds']:6.1f} s processor  "
              f"{run['peak_rss_bytes'] / MIB:6.1f} MiB", flush=True)
    return results


def main():
    args = arguments()
    volstream = os.path.join(args.build, "volstream")
    script = os.path.join(os.path.dirname(os.path.abspath(__file__)), "..", "tests", "rgw.sh")
    work = tempfile.mkdtemp(prefix="volstream-listing-", dir=args.work_dir)
    log = os.path.join(work, "log")
    result = {"machine": machine(), "keys": args.keys}
    env = {"PATH": os.environ["PATH"]}
    try:
        directory = os.path.join(work, "backups")
        fill_directory(directory, args.keys)
        print(f"{args.keys} files in a directory", flush=True)
        result["local"] = measure(volstream, directory, args.keep_last, env, log)
        if not args.local_only:
            state = os.path.join(work, "rgw")
            subprocess.run([script, "up", state, "0", str(os.getpid())], check=True,
                           stdout=subprocess.DEVNULL)
            try:
                with open(state + "/endpoint", encoding="ascii") as file:
                    env["AWS_ENDPOINT_URL"] = file.read().strip()
                with open(state + "/access_key", encoding="ascii") as file:
                    env["AWS_ACCESS_KEY_ID"] = file.read().strip()
                with open(state + "/secret_key", encoding="ascii") as file:
                    env["AWS_SECRET_ACCESS_KEY"] = file.read().strip()
                fill_bucket(S3(env["AWS_ENDPOINT_URL"], env["AWS_ACCESS_KEY_ID"],
                               env["AWS_SECRET_ACCESS_KEY"]), args.keys)
                print(f"{args.keys} keys under a prefix", flush=True)
                result["s3"] = measure(volstream, f"s3://{BUCKET}/{PREFIX}", args.keep_last, env,
                                       log)
            finally:
                subprocess.run([script, "down", state], check=True)
        if args.json:
            with open(args.json, "w", encoding="utf-8") as file:
                json.dump(result, file, indent=2)
    finally:
        shutil.rmtree(work)


if __name__ == "__main__":
    main()
