"""What the rounds of bench/peers.py say: figures, goals, a text table, a Markdown table.

A candidate's runs are in the order of the rounds, so that run i of one and run i of another are of
one round: what the machine did meanwhile hits both. Ratios are taken there, and only then medians.
"""

import dataclasses
import re

from measure import MIB, spread

REFERENCE = "volstream gzip -6"


def summarize(runs, tree_bytes, reference_runs):
    """Spreads over the rounds of one candidate; reference_runs may be None."""
    summary = {key: spread([run[key] for run in runs]) for key in runs[0]}
    summary["mb_s"] = spread([tree_bytes / run["wall_seconds"] / 1e6 for run in runs])
    # 2 cores for both: where this is near their number, the cores are what decides.
    summary["cores_busy"] = spread([(run["cpu_seconds"] + run["server_cpu_seconds"]) /
                                    run["wall_seconds"] for run in runs])
    if reference_runs:
        summary["wall_over_reference"] = ratio(runs, reference_runs)
    return summary


def ratio(runs, others):
    """Wall time of `runs` over that of `others`, round by round."""
    return spread([run["wall_seconds"] / other["wall_seconds"]
                   for run, other in zip(runs, others)])


@dataclasses.dataclass
class Goal:
    text: str
    peer: str              # prefix of the peer's name, and what must be in it as well
    ours: str              # prefix of the names of ours that may meet it
    at_least: float        # the peer's wall time over ours
    no_larger: bool        # than what the peer stores

    def judge(self, results):
        """The fastest of ours that may be taken, and how it did; None if somebody did not run."""
        peers = [name for name in results if name.startswith(self.peer)]
        ours = [name for name in results
                if name.startswith(self.ours) and "--no-stream-md5" not in name]
        if not peers or not ours:
            return None
        peer = results[peers[0]]

        def size_over_peer(name):
            return results[name]["stored_bytes"]["median"] / peer["stored_bytes"]["median"]

        small = [name for name in ours if size_over_peer(name) <= 1]
        candidates = small if self.no_larger and small else ours
        best = min(candidates, key=lambda name: results[name]["wall_seconds"]["median"])
        times = ratio(peer["runs"], results[best]["runs"])
        missed = []
        if times["median"] < self.at_least:
            missed.append("speed")
        if self.no_larger and size_over_peer(best) > 1:
            missed.append("size")
        return {"goal": self.text, "peer": peers[0], "ours": best, "at_least": self.at_least,
                "times": times, "size_over_peer": size_over_peer(best), "missed": missed}


GOALS = [
    Goal("gzip 6 against pigz -6 and rclone, no larger", "tar|pigz -6 ", "volstream gzip -6", 3,
         True),
    Goal("gzip 6 against gzip -6 and aws", "tar|gzip -6|aws", "volstream gzip -6", 6, False),
    Goal("fastest gzip against igzip -1 and rclone, no larger", "tar|igzip -1 ",
         "volstream gzip -", 1.8, True),
    Goal("fastest gzip against zstd -1 and rclone", "tar|zstd -1 ", "volstream gzip -", 1.8,
         False),
    Goal("zstd against zstd -1 and rclone, no larger", "tar|zstd -1 ", "volstream zstd -", 1.8,
         True),
    Goal("zstd against zstd -3 and rclone, no larger", "tar|zstd -3 ", "volstream zstd -", 1.8,
         True),
    Goal("zstd against restic's first backup", "restic", "volstream zstd -", 3, False),
]


def judge_goals(results):
    """Of goals whose candidates ran; the others are named in the second list."""
    judged = [(goal, goal.judge(results)) for goal in GOALS]
    return ([verdict for _, verdict in judged if verdict],
            [goal.text for goal, verdict in judged if not verdict])


def figure(value, digits):
    median, low, high = (f"{value[key]:.{digits}f}" for key in ("median", "min", "max"))
    return f"{median} ({low}..{high})"


HEADER = ["", "wall, s", "MB/s", "CPU, s", "server CPU, s", "cores busy", "peak RSS, MiB",
          "stored, MB", f"wall / {REFERENCE}"]


def rows_of(results):
    rows = []
    for name, result in results.items():
        over = result.get("wall_over_reference")
        rows.append([name, figure(result["wall_seconds"], 2), f"{result['mb_s']['median']:.0f}",
                     f"{result['cpu_seconds']['median']:.1f}",
                     f"{result['server_cpu_seconds']['median']:.1f}",
                     f"{result['cores_busy']['median']:.2f}",
                     f"{result['peak_rss_bytes']['median'] / MIB:.0f}",
                     f"{result['stored_bytes']['median'] / 1e6:.1f}",
                     "" if over is None else figure(over, 2)])
    return rows


GOAL_HEADER = ["goal", "ours", "times as fast", "goal is", "size / peer's", ""]


def goal_rows(verdicts):
    return [[verdict["goal"], verdict["ours"], figure(verdict["times"], 2),
             f"{verdict['at_least']:g}", f"{verdict['size_over_peer']:.4f}",
             "MISSED by " + " and ".join(verdict["missed"]) if verdict["missed"] else "met"]
            for verdict in verdicts]


def text_table(header, rows):
    widths = [max(len(row[i]) for row in [header, *rows]) for i in range(len(header))]
    lines = []
    for first, *rest in [header, *rows]:
        lines.append("  ".join([first.ljust(widths[0])] +
                               [cell.rjust(width) for cell, width in zip(rest, widths[1:])]))
    return "\n".join(lines)


def markdown_table(header, rows):
    def line(cells):
        # A bar would end the cell.
        return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
    return "\n".join([line(header).replace("|  |", "| |"), "|" + "---|" * len(header),
                      *map(line, rows)])


def number_of(version):
    found = re.search(r"[0-9]+[.][0-9][0-9.]*", version)
    return found.group(0) if found else version


def markdown(report):
    """A section for docs/performance.md, from the report that --json writes."""
    machine = report["machine"]
    tools = ", ".join(f"{tool} {number_of(version)}" for tool, version in
                      report["versions"].items() if version != "missing")
    parts = [f"{machine['cpu']}, {machine['cores']} cores, {machine['memory_bytes'] / 1e9:.0f} GB, "
             f"kernel {machine['kernel']}. {tools}.",
             f"A tree of {report['tree_bytes'] / 1e6:.0f} MB in {report['tree_files']} files; "
             f"{report['rounds']} rounds behind a warm-up; median (min..max).",
             "    " + report["command"],
             markdown_table(HEADER, rows_of(report["results"]))]
    notes = {}
    for result in report["results"].values():
        if result["note"]:
            notes.setdefault(result["note"], []).append(result["name"])
    if notes:
        parts.append("\n".join(f"- {'; '.join(f'`{name}`' for name in names)}: {note}."
                               for note, names in notes.items()))
    parts.append(markdown_table(GOAL_HEADER, goal_rows(report["goals"])))
    left_out = [f"{entry['name']} ({entry['why']})" for entry in report["skipped"]]
    if left_out:
        parts.append("Not run: " + "; ".join(left_out) + ".")
    return "\n\n".join(parts) + "\n"
