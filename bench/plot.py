#!/usr/bin/env python3
"""Throughput against stored size, of a report of bench/peers.py, as SVG.

  bench/plot.py peers.json docs/performance.svg
"""

import json
import sys
from xml.sax.saxutils import escape

WIDTH, HEIGHT = 900, 560
LEFT, RIGHT, TOP, BOTTOM = 70, 30, 60, 60
FONT = 11
CHARACTER = 5.6  # of a label, on the average
OURS = ["#c0392b", "#d35400", "#8e44ad", "#b7950b"]
PEERS = ["#1f618d", "#117864", "#5d6d7e", "#2e86c1", "#148f77", "#6c7a89", "#34495e", "#7d6608"]


def ticks(high, count=8):
    """Round values from 0 to at least `high`."""
    step = 1.0
    while step * count < high:
        step *= 2.5 if f"{step:.0e}"[0] == "2" else 2
    return [i * step for i in range(int(high / step) + 2)]


class Canvas:
    """Shapes in the plot's own units; labels where they hide the least."""

    def __init__(self, x_range, y_range):
        self.x_range, self.y_range = x_range, y_range
        self.shapes = []
        self.taken = []  # boxes: left, top, right, bottom

    def x(self, value):
        low, high = self.x_range
        return LEFT + (value - low) / (high - low) * (WIDTH - LEFT - RIGHT)

    def y(self, value):
        low, high = self.y_range
        return HEIGHT - BOTTOM - (value - low) / (high - low) * (HEIGHT - TOP - BOTTOM)

    def line(self, x1, y1, x2, y2, color, width=1.0):
        self.shapes.append(f'<line x1="{x1:.1f}" y1="{y1:.1f}" x2="{x2:.1f}" y2="{y2:.1f}" '
                           f'stroke="{color}" stroke-width="{width}"/>')

    def text(self, x, y, text, anchor="start", color="#222", size=FONT, extra=""):
        self.shapes.append(f'<text x="{x:.1f}" y="{y:.1f}" font-size="{size}" fill="{color}" '
                           f'text-anchor="{anchor}"{extra}>{escape(text)}</text>')

    def point(self, x, y, color, ours):
        if ours:
            self.shapes.append(f'<circle cx="{x:.1f}" cy="{y:.1f}" r="5" fill="{color}"/>')
        else:
            self.shapes.append(f'<rect x="{x - 4:.1f}" y="{y - 4:.1f}" width="8" height="8" '
                               f'fill="{color}"/>')
        self.taken.append((x - 6, y - 6, x + 6, y + 6))

    def label(self, x, y, text, color):
        width = CHARACTER * len(text)
        best = None
        for rise in (0, -12, 12, -24, 24, -36, 36, -48, 48):
            for side in (1, -1):
                left = x + 9 if side > 0 else x - 9 - width
                box = (left, y + rise - FONT / 2 - 1, left + width, y + rise + FONT / 2 + 1)
                outside = max(0, LEFT - box[0]) + max(0, box[2] - (WIDTH - 2))
                cost = (10 * outside + 0.3 * abs(rise) +
                        sum(overlap(box, other) for other in self.taken))
                if best is None or cost < best[0]:
                    best = (cost, box)
        box = best[1]
        self.taken.append(box)
        if abs((box[1] + box[3]) / 2 - y) > 6:
            self.line(x, y, box[0] if box[0] > x else box[2], (box[1] + box[3]) / 2, "#bbb", 0.7)
        self.text(box[0], box[3] - 3, text, color=color, extra=' paint-order="stroke" '
                  'stroke="white" stroke-width="3"')

    def svg(self):
        return "\n".join([
            f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {WIDTH} {HEIGHT}" '
            f'width="{WIDTH}" height="{HEIGHT}" font-family="sans-serif">',
            f'<rect width="{WIDTH}" height="{HEIGHT}" fill="white"/>', *self.shapes, "</svg>", ""])


def overlap(box, other):
    width = min(box[2], other[2]) - max(box[0], other[0])
    height = min(box[3], other[3]) - max(box[1], other[1])
    return width * height if width > 0 and height > 0 else 0


def axes(canvas, x_ticks, y_ticks, title, subtitle):
    bottom = HEIGHT - BOTTOM
    for value in x_ticks:
        canvas.line(canvas.x(value), TOP, canvas.x(value), bottom, "#eee")
        canvas.text(canvas.x(value), bottom + 16, f"{value:g} %", "middle")
    for value in y_ticks:
        canvas.line(LEFT, canvas.y(value), WIDTH - RIGHT, canvas.y(value), "#eee")
        canvas.text(LEFT - 8, canvas.y(value) + 4, f"{value:g}", "end")
    canvas.line(LEFT, TOP, LEFT, bottom, "#444")
    canvas.line(LEFT, bottom, WIDTH - RIGHT, bottom, "#444")
    canvas.text((LEFT + WIDTH - RIGHT) / 2, HEIGHT - 16, "stored size, % of the source "
                "(left is smaller)", "middle")
    middle = (TOP + bottom) / 2
    canvas.text(18, middle, "throughput, MB of source a second (up is faster)", "middle",
                extra=f' transform="rotate(-90 18 {middle:.0f})"')
    canvas.text(LEFT, 24, title, size=16)
    canvas.text(LEFT, 42, subtitle, color="#555")


def colors_of(families):
    palettes = {True: list(OURS), False: list(PEERS)}
    colors = {}
    for family in families:
        palette = palettes[family.startswith("volstream")]
        colors[family] = palette[0]
        palette.append(palette.pop(0))
    return colors


def draw(report):
    points = []
    for name, result in report["results"].items():
        size = 100 * result["stored_bytes"]["median"] / report["tree_bytes"]
        points.append((name, result["family"], size, result["mb_s"]))
    low = min(size for _, _, size, _ in points)
    high = max(size for _, _, size, _ in points)
    # Sizes are near each other: the axis begins below the smallest.
    margin = max(1.0, 0.15 * (high - low))
    step = max(1, round((high - low + 2 * margin) / 8))
    first = int((low - margin) // step) * step
    x_ticks = list(range(max(0, first), int(high + margin) + step + 1, step))
    y_ticks = ticks(max(speed["max"] for _, _, _, speed in points))
    canvas = Canvas((x_ticks[0], x_ticks[-1]), (0, y_ticks[-1]))
    machine = report["machine"]
    axes(canvas, x_ticks, y_ticks, "A backup to an S3 server on loopback",
         f"{report['tree_bytes'] / 1e6:.0f} MB, {machine['cpu']}, {machine['cores']} cores shared "
         f"with the server, {report['rounds']} rounds: median and extremes")
    colors = colors_of(dict.fromkeys(family for _, family, _, _ in points))
    for family, color in colors.items():
        members = sorted((size, speed["median"]) for _, of, size, speed in points if of == family)
        for (size, speed), (next_size, next_speed) in zip(members, members[1:]):
            canvas.line(canvas.x(size), canvas.y(speed), canvas.x(next_size),
                        canvas.y(next_speed), color, 1.2)
    for _, family, size, speed in points:
        x = canvas.x(size)
        canvas.line(x, canvas.y(speed["min"]), x, canvas.y(speed["max"]), colors[family], 1.5)
        canvas.point(x, canvas.y(speed["median"]), colors[family], family.startswith("volstream"))
    for name, family, size, speed in points:
        canvas.label(canvas.x(size), canvas.y(speed["median"]), name, colors[family])
    return canvas.svg()


def write_svg(report, path):
    with open(path, "w", encoding="utf-8") as file:
        file.write(draw(report))


def main():
    if len(sys.argv) != 3:
        sys.exit(__doc__.strip())
    with open(sys.argv[1], encoding="utf-8") as file:
        write_svg(json.load(file), sys.argv[2])


if __name__ == "__main__":
    main()
