#!/usr/bin/env python3
"""A model of the pipeline: what the measured kernels would give on more cores and a faster link.

Simulates the graph block by block (docs/architecture.md, "The graph"): one source thread that waits
for a slab and for part space; workers that compress, order, assemble and hash; the ordered part on
one of them at a time; a link that sends parts and gives their buffers back. Fed with the JSON of
pipeline_bench. EVERY FIGURE IS SIMULATED but for those of --check.

  pipeline_bench --workers 1 --level 1 --json l1w1.json       # measured kernels
  bench/model.py l1w1.json ... [--workers 1 2 4 8 16 32 64] [--gbit 10 100]
  bench/model.py --check l1w1.json l1w2.json ...              # against the runs they come from

What it does not know: cores that share memory bandwidth, caches, turbo clocks or a host; NUMA; a
server that is slower than the link. So it is an upper bound whose use is to say what binds first.
"""

import argparse
import collections
import heapq
import json
import random
import sys

MIB = 1 << 20

class Costs:
    """Nanoseconds a source byte of each kernel, and sizes, from one run of pipeline_bench."""

    def __init__(self, run, in_run=False):
        stages = run["stages"]

        def kernel(name):
            if not in_run:
                return stages[name]["kernel_ns_per_byte"]["median"]
            # Of the workers' time in the run, the processor's share.
            return (stages[name]["cpu_percent"]["median"] / 100 * run["workers"] * 1e3 /
                    run["figures"]["in_mb_s"]["median"])

        self.ratio = run["figures"]["ratio"]["median"]
        self.encode = kernel("read") + kernel("compress")
        self.digest = kernel("stream digest")
        self.copy = kernel("assemble")
        self.part_digest = kernel("part digest")
        self.block = run["block_bytes"]
        self.part = run["part_bytes"]
        self.stored_share = run["blocks_stored"] / run["blocks"]
        self.label = (f"{run.get('codec', 'gzip')} {run['level']}" +
                      ("" if run.get("stream_md5", True) else ", no stream MD5"))

    def serial(self):
        return self.digest + self.copy

    def total(self):
        return self.encode + self.serial() + self.part_digest


class Simulation:
    """One run. Time is in nanoseconds."""

    def __init__(self, costs, workers, memory, link_bytes_per_second, blocks, seed=1):
        self.costs = costs
        self.workers = workers
        self.blocks = blocks
        self.link_ns_per_byte = 1e9 / link_bytes_per_second if link_bytes_per_second else 0.0
        # As DerivePoolShape divides it.
        slab = 2 * costs.block
        for_slabs = min(memory // 2, memory - 2 * costs.part)
        self.slabs = max(1, min(for_slabs // slab, 2 * workers + 2))
        self.part_space = (memory - self.slabs * slab) // costs.part * costs.part
        rng = random.Random(seed)
        self.encode_ns, self.out_bytes = [], []
        # Blocks that are stored cost a probe and a copy; of the others some take longer.
        stored_bytes = costs.block
        packed = max(0.02, (1 / costs.ratio - costs.stored_share) / (1 - costs.stored_share))
        stored_ns = min(0.3, costs.encode / 2)
        packed_ns = (costs.encode - costs.stored_share * stored_ns) / (1 - costs.stored_share)
        for _ in range(blocks):
            is_stored = rng.random() < costs.stored_share
            self.out_bytes.append(int(stored_bytes if is_stored else packed * costs.block))
            self.encode_ns.append(costs.block * (
                stored_ns if is_stored else packed_ns * rng.uniform(0.5, 1.5)))

    def run(self):
        costs, blocks = self.costs, self.blocks
        out_to_in = costs.ratio  # kernels count source bytes; parts are encoded ones
        free_slabs, free_space, reserved = self.slabs, self.part_space, 0
        idle = self.workers
        now, admitted, appended, waiting_ns = 0.0, 0, 0, 0.0
        encode_queue, ordered, part_queue = collections.deque(), set(), collections.deque()
        serial_busy, part_fill, link_free_at = False, 0, 0.0
        busy = {"encode": 0.0, "serial": 0.0, "part": 0.0, "link": 0.0}
        events, number = [], 0  # (time, number, kind, value)

        def at(time, kind, value):
            nonlocal number
            number += 1
            heapq.heappush(events, (time, number, kind, value))

        blocked_since = None
        while True:
            # The source: a block is a range, so admitting one costs nothing.
            while (admitted < blocks and free_slabs > 0 and
                   reserved + costs.block <= free_space):
                free_slabs -= 1
                reserved += costs.block
                encode_queue.append(admitted)
                admitted += 1
            starved = admitted < blocks and free_slabs > 0
            if starved and blocked_since is None:
                blocked_since = now
            if not starved and blocked_since is not None:
                waiting_ns += now - blocked_since
                blocked_since = None
            # Workers: what is nearest to its end first.
            while idle > 0:
                if part_queue:
                    size = part_queue.popleft()
                    took = size * costs.part_digest * out_to_in
                    busy["part"] += took
                    at(now + took, "hashed", size)
                elif not serial_busy and appended in ordered:
                    serial_busy = True
                    ordered.remove(appended)
                    took = self.out_bytes[appended] * costs.serial() * out_to_in
                    busy["serial"] += took
                    at(now + took, "appended", appended)
                elif encode_queue:
                    block = encode_queue.popleft()
                    busy["encode"] += self.encode_ns[block]
                    at(now + self.encode_ns[block], "encoded", block)
                else:
                    break
                idle -= 1
            if not events:
                break
            now, _, kind, value = heapq.heappop(events)
            if kind == "sent":
                free_space += value
                continue
            idle += 1
            if kind == "encoded":
                ordered.add(value)
            elif kind == "appended":
                serial_busy = False
                appended += 1
                free_slabs += 1
                reserved -= costs.block
                free_space -= self.out_bytes[value]
                part_fill += self.out_bytes[value]
                last = appended == blocks
                while part_fill >= costs.part or (last and part_fill > 0):
                    size = min(part_fill, costs.part)
                    part_fill -= size
                    part_queue.append(size)
            elif kind == "hashed":
                took = value * self.link_ns_per_byte
                link_free_at = max(link_free_at, now) + took
                busy["link"] += took
                at(link_free_at, "sent", value)
        worked = busy["encode"] + busy["serial"] + busy["part"]
        shares = {"workers": worked / (now * self.workers), "ordered part": busy["serial"] / now,
                  "link": busy["link"] / now, "memory": waiting_ns / now}
        return {"mb_s": blocks * costs.block / now * 1e3, "shares": shares,
                "binds": self.binds(shares)}

    def binds(self, shares):
        """The fullest of workers, ordered part and link; when none is full, the slabs are too few
        to keep all workers busy."""
        name = max(("workers", "ordered part", "link"), key=lambda key: shares[key])
        if shares[name] < 0.85:
            return "memory"
        return name if name != "workers" else "compress"


def gbit_to_bytes(gbit):
    return gbit * 1e9 / 8 if gbit else None


def simulate(costs, workers, memory, gbit, blocks):
    # Many workers need a longer run to reach their steady state.
    return Simulation(costs, workers, memory, gbit_to_bytes(gbit),
                      max(blocks, 64 * workers)).run()


def check(runs):
    """Each run against the model of itself: same workers, kernels of the same minutes, no link."""
    print(f"{'':24} {'workers':>7} {'measured MB/s':>24} {'simulated':>10} {'sim/measured':>12}"
          f" {'formula':>8}")
    results = []
    for run in runs:
        costs = Costs(run)
        measured = run["figures"]["in_mb_s"]
        workers = run["workers"]
        result = simulate(costs, workers, run["memory_bytes"], None, run["blocks"])
        formula = 1e3 / max(costs.total() / workers, costs.serial())
        print(f"{costs.label:24} {workers:7} {measured['median']:8.1f} ({measured['min']:.1f}.."
              f"{measured['max']:.1f}) {result['mb_s']:10.1f} "
              f"{result['mb_s'] / measured['median']:12.3f} {formula:8.1f}")
        results.append({"label": costs.label, "workers": workers, "measured": measured,
                        "simulated_mb_s": result["mb_s"], "formula_mb_s": formula})
    return results


def extrapolate(runs, args):
    results = []
    for run in runs:
        costs = Costs(run, args.in_run)
        print(f"\n{costs.label}: ratio "
              f"{costs.ratio:.2f}, {costs.total():.2f} ns a source byte, of it ordered "
              f"{costs.serial():.3f}; memory {args.memory >> 20} MiB (SIMULATED)")
        for gbit in args.gbit:
            cells = []
            for workers in args.workers:
                result = simulate(costs, workers, args.memory, gbit, args.blocks)
                results.append({"label": costs.label, "workers": workers, "gbit": gbit, "memory_bytes": args.memory,
                                "simulated": True, **result})
                cells.append(f"{workers:>3}: {result['mb_s']:7.0f} MB/s {result['binds']}")
            print(f"  {f'{gbit:g} Gbit/s' if gbit else 'no link'}")
            for cell in cells:
                print(f"    {cell}")
    return results


def main():
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("runs", nargs="+", help="JSON files of pipeline_bench")
    parser.add_argument("--check", action="store_true", help="compare with the runs themselves")
    parser.add_argument("--workers", type=int, nargs="+", default=[1, 2, 4, 8, 16, 32, 64])
    parser.add_argument("--gbit", type=float, nargs="+", default=[10, 100],
                        help="of the link; 0: none")
    parser.add_argument("--memory", type=lambda text: int(text) * MIB, default=1024 * MIB,
                        help="budget in MiB")
    parser.add_argument("--blocks", type=int, default=2048, help="at least so many are simulated")
    parser.add_argument("--in-run", action="store_true",
                        help="feed it with the processor time of the stages inside of the run in "
                        "place of the kernels' wall time: for a busy machine")
    parser.add_argument("--json", help="also write the result to this file")
    args = parser.parse_args()
    runs = []
    for path in args.runs:
        with open(path, encoding="utf-8") as file:
            run = json.load(file)
        if run.get("kernel_bytes", 0) == 0 and not args.in_run:
            sys.exit(f"model.py: {path} has no kernels: run pipeline_bench without "
                     "--kernel-bytes 0")
        runs.append(run)
    results = check(runs) if args.check else extrapolate(runs, args)
    if args.json:
        with open(args.json, "w", encoding="utf-8") as file:
            json.dump({"simulated": True, "results": results}, file, indent=2)


if __name__ == "__main__":
    main()
