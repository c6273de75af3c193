#!/usr/bin/env python3
"""Where the processor time of a command goes: perf, summed up by library and function.

Functions of libraries without symbols (Debian's libdeflate, for one) are one line a library.

  bench/profile.py [--top 20] -- build/bench/volstream backup DIR --to DIR2 --level 6
"""

import argparse
import collections
import os
import re
import subprocess
import sys
import tempfile

LINE = re.compile(r"^\s*([0-9.]+)%\s+(\S+)\s+\[[.k]\]\s+(.+?)\s*$")


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--top", type=int, default=20, help="lines")
    parser.add_argument("--frequency", type=int, default=499, help="samples a second and core")
    parser.add_argument("command", nargs="+")
    args = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="volstream-profile-") as directory:
        data = os.path.join(directory, "data")
        record = ["perf", "record", "-q", "-F", str(args.frequency), "-e", "cpu-clock", "-o", data,
                  "--", *args.command]
        try:
            subprocess.run(record, check=True, stdout=subprocess.DEVNULL)
            report = subprocess.run(
                ["perf", "report", "-i", data, "--stdio", "--sort", "dso,symbol"], check=True,
                stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True).stdout
        except (OSError, subprocess.CalledProcessError) as failure:
            sys.exit(f"profile.py: {failure}")
    by_library = collections.Counter()
    by_function = collections.Counter()
    for line in report.splitlines():
        match = LINE.match(line)
        if not match:
            continue
        share, library, function = float(match[1]), match[2], re.split(r"\s{2,}", match[3])[0]
        by_library[library] += share
        unnamed = function.startswith("0x")
        by_function[library, "(no symbols)" if unnamed else function] += share
    print("by library")
    for library, share in by_library.most_common(10):
        print(f"{share:6.1f} %  {library}")
    print("by function")
    for (library, function), share in by_function.most_common(args.top):
        print(f"{share:6.1f} %  {library:24} {function[:90]}")


if __name__ == "__main__":
    main()
