"""Runs a pipe of commands and measures it: wall time, processor time, peak memory.

Memory is the sum over the pipe's processes of each one's own peak (VmHWM, sampled; the peaks need
not coincide). ru_maxrss would count the Python that a process was forked from. Processor time is
user plus system of the processes and of the children they waited for.
"""

import os
import statistics
import subprocess
import time

SAMPLE_SECONDS = 0.02
MIB = 1 << 20
GIB = 1 << 30


class CommandFailed(Exception):
    pass


def parse_size(text):
    """Bytes of '1GiB', '500MB' or '4096'; MB = 10^6, MiB = 2^20."""
    units = {"": 1, "B": 1}
    for power, letter in enumerate("KMGT", start=1):
        units[letter + "B"] = 1000**power
        units[letter + "IB"] = units[letter] = 1024**power
    digits = text.rstrip("BIKMGTbikmgt ")
    unit = text[len(digits):].strip().upper()
    if unit not in units or not digits:
        raise ValueError(f"not a size: {text}")
    return int(float(digits) * units[unit])


def peak_rss_bytes(pid):
    """VmHWM, or 0 for a process that has ended."""
    try:
        with open(f"/proc/{pid}/status", encoding="ascii", errors="replace") as status:
            for line in status:
                if line.startswith("VmHWM:"):
                    return int(line.split()[1]) * 1024
    except (FileNotFoundError, ProcessLookupError):
        pass
    return 0


def cpu_seconds(pid):
    """User and system time of a living process, 0 for one that has ended."""
    try:
        with open(f"/proc/{pid}/stat", encoding="ascii", errors="replace") as stat:
            fields = stat.read().rpartition(")")[2].split()
    except (FileNotFoundError, ProcessLookupError):
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


def run_pipe(commands, env=None, log_path=os.devnull, watch=None):
    """Runs commands (lists of words) connected by pipes. Raises CommandFailed if any fails.

    `watch(pid)` is called for every living process at each sample.
    """
    start = time.monotonic()
    processes = []
    stdin = subprocess.DEVNULL
    with open(log_path, "ab") as log:
        for i, command in enumerate(commands):
            stdout = log if i + 1 == len(commands) else subprocess.PIPE
            process = subprocess.Popen(command, stdin=stdin, stdout=stdout, stderr=log, env=env)
            if stdin is not subprocess.DEVNULL:
                stdin.close()  # the child has it; only then does its writer see a broken pipe
            stdin = process.stdout
            processes.append(process)

    peaks = {process.pid: 0 for process in processes}
    codes = {}
    cpu = 0.0
    while len(codes) < len(processes):
        for process in processes:
            if process.pid in codes:
                continue
            peaks[process.pid] = max(peaks[process.pid], peak_rss_bytes(process.pid))
            if watch is not None:
                watch(process.pid)
            pid, status, usage = os.wait4(process.pid, os.WNOHANG)
            if pid == 0:
                continue
            codes[pid] = process.returncode = os.waitstatus_to_exitcode(status)
            cpu += usage.ru_utime + usage.ru_stime
        if len(codes) < len(processes):
            time.sleep(SAMPLE_SECONDS)
    wall = time.monotonic() - start

    for command, process in zip(commands, processes):
        if codes[process.pid] != 0:
            raise CommandFailed(f"{' '.join(command)}: exit code {codes[process.pid]}, "
                                f"see {log_path}")
    return {"wall_seconds": wall, "cpu_seconds": cpu, "peak_rss_bytes": sum(peaks.values())}


def spread(values):
    return {"median": statistics.median(values), "min": min(values), "max": max(values)}


def machine():
    """What a figure depends on and nobody remembers afterwards."""
    model = "unknown"
    with open("/proc/cpuinfo", encoding="ascii", errors="replace") as info:
        for line in info:
            if line.startswith("model name"):
                model = line.split(":", 1)[1].strip()
                break
    return {"cpu": model, "cores": len(os.sched_getaffinity(0)), "kernel": os.uname().release,
            "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES")}
