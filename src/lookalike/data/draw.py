"""A picture of linked tables: boxes with columns, lines with crow's feet; as SVG, and as text for a terminal.

Tables stand in layers, each to the right of those that it links to (Sugiyama et al. 1981: layers, fewest crossings by barycentres; a
line that passes a layer gets a place of its own there, so that it runs behind no box).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import partial
from html import escape
from itertools import pairwise

from lookalike.data.linked import optional, parents_first
from lookalike.schema import Link, Schema, Table

_ROW, _HEAD, _PAD, _GAP, _CHANNEL, _LANE, _MARGIN = 19.0, 27.0, 10.0, 26.0, 92.0, 16.0, 22.0
_MOST = 12
"""Columns of a table that are named at most; keys and links are always."""
_LETTER, _BOLD = 7.1, 7.9
"""Width of a letter of 12 pixels, a little more than the mean; and of one in bold."""
_TAGS = 42.0
"""Width of the column of tags: PK, FK."""

_STYLE = """
.er{font:12px ui-sans-serif,system-ui,"Segoe UI",Helvetica,Arial,sans-serif;background:var(--er-paper,#fff)}
.er .box{fill:var(--er-box,#fff);stroke:var(--er-rim,#c3cad6)}
.er .head{fill:var(--er-head,#eef1f6)}
.er .subject .head{fill:var(--er-accent,#2f5fb3)}
.er .subject .box{stroke:var(--er-accent,#2f5fb3)}
.er .public .box{stroke-dasharray:4 3}
.er text{fill:var(--er-ink,#1d2433)}
.er .name{font-weight:600;font-size:13px}
.er .subject .name,.er .subject .count{fill:var(--er-on-accent,#fff)}
.er .quiet,.er .count{fill:var(--er-quiet,#6d7789)}
.er .key{font-weight:600}
.er .tag{font-size:9px;font-weight:700;letter-spacing:.03em;fill:var(--er-tag,#2f5fb3)}
.er .rule{stroke:var(--er-rim,#c3cad6)}
.er .line{fill:none;stroke:var(--er-line,#7b879b);stroke-width:1.4}
.er .foot{fill:var(--er-paper,#fff);stroke:var(--er-line,#4f5b70);stroke-width:1.4}
.er .bar{fill:none;stroke:var(--er-line,#4f5b70);stroke-width:1.4}
.er g.link:hover .line{stroke:var(--er-accent,#2f5fb3);stroke-width:2.4}
@media(prefers-color-scheme:dark){.er{--er-paper:#14171d;--er-box:#1b1f27;--er-head:#262c37;--er-rim:#3b4454;--er-ink:#e6e9ef;--er-quiet:#98a2b3;
--er-line:#8c98ab;--er-accent:#5b8def;--er-on-accent:#0d1117;--er-tag:#8fb1f5}}
"""


def text(schema: Schema, *, rows: Mapping[str, int] | None = None) -> str:
    """The tables for a terminal, each after those that it links to.

    `>──┤` leads from many rows to one, `├──┤` from one to one; an `o` says that a row need not have the other.
    """
    lines = []
    for name in parents_first(schema):
        table = schema[name]
        said = [f"{rows[name]:,} rows"] if rows and name in rows else []
        said += ["the subject"] if name == schema.subject_table.name and schema.linked else []
        said += ["public"] if table.public else []
        said += [f"in the order of {table.order}"] if table.order else []
        key = f" [{' + '.join(table.key)}]" if table.key else ""
        lines.append(name + key + (f"  ({', '.join(said)})" if said else ""))
        shown = [" + ".join(x.columns) for x in table.links]
        width = max(map(len, shown), default=0)
        for link, mine in zip(table.links, shown, strict=True):
            sign = ("├" if _single(table, link) else ">") + "──" + ("o┤" if optional(table, link) else "─┤")
            lines.append(f"    {mine:<{width}}  {sign} {link.table}.{' + '.join(link.references)}")
    return "\n".join(lines)


def svg(schema: Schema, *, rows: Mapping[str, int] | None = None) -> str:
    """The tables as an SVG picture, which stands by itself or in a page (colours: CSS variables `--er-ink`, `--er-accent` …).

    Args:
        rows: number of rows by table, to be shown beside its name.
    """
    boxes = {t.name: _Box(schema, t, (rows or {}).get(t.name)) for t in schema.tables}
    lines = [_Line(t.name, link, schema) for t in schema.tables for link in t.links]
    layers = _layers(schema, boxes, lines)
    width, height = _place(layers, boxes, lines)
    drawn = [line.svg(boxes) for line in lines] + [boxes[t.name].svg() for t in schema.tables]
    title = f"{len(schema.tables)} tables and {len(lines)} links"
    size = f'width="{width:.0f}" height="{height:.0f}" viewBox="0 0 {width:.0f} {height:.0f}"'
    head = f'<svg class="er" xmlns="http://www.w3.org/2000/svg" {size} role="img" aria-label="{title}">'
    return f"{head}<style>{_STYLE}</style>{''.join(drawn)}</svg>\n"


def _single(table: Table, link: Link) -> bool:
    """Whether no two rows lead to the same."""
    return table.key == link.columns or (len(link.columns) == 1 and table[link.columns[0]].unique)


# ------------------------------------------------------------------------------------------------------------ what is drawn


@dataclass
class _Node:
    """What takes room in a layer: a box, or where a line passes."""

    width: float
    height: float
    x: float = 0.0
    y: float = 0.0


class _Box(_Node):
    """A table: keys and links first, then the other columns, as many as there is room for."""

    def __init__(self, schema: Schema, table: Table, rows: int | None) -> None:
        self.table = table
        linking = [c for link in table.links for c in link.columns]
        referred = [c for t in schema.tables for link in t.links if link.table == table.name for c in link.references]
        first = list(dict.fromkeys([*table.key, *linking, *([table.order] if table.order else []), *referred]))
        rest = [n for n in table.names if n not in first]
        room = max(_MOST - len(first), 0)
        kept = rest if len(rest) <= room else rest[: max(room - 1, 0)]
        self.columns = first + kept
        self.more = len(rest) - len(kept)
        self.tags = {n: self._tag(n, linking) for n in self.columns}
        self.first = len(first)
        self.count = "" if rows is None else f"{rows:,}"
        self.kind = " ".join(["subject"] * (schema.linked and schema.subject_table.name == table.name) + ["public"] * table.public)
        widest = max(len(n) * (_BOLD if n in table.key else _LETTER) + len(table[n].kind) * _LETTER for n in self.columns)
        width = max(widest + _TAGS + 2 * _PAD + 8, (len(table.name) + len(self.count) + 2) * 8.6 + 2 * _PAD)
        super().__init__(width, _HEAD + (len(self.columns) + bool(self.more)) * _ROW + 8)

    def _tag(self, name: str, linking: list[str]) -> str:
        key = "PK" if name in self.table.key else ""
        return key + ("·" if key and name in linking else "") + ("FK" if name in linking else "") or (
            "↓" if name == self.table.order else ""
        )

    def arrange(self, lines: list[_Line], layers: list[list[_Node]], boxes: Mapping[str, _Box]) -> None:
        """Links in the order of the tables that they lead to, so that their lines do not cross; the key stays above them."""
        place = {id(n): at for layer in layers for at, n in enumerate(layer)}
        leads: dict[str, float] = {}
        for line in lines:
            if line.child == self.table.name and line.link.table != self.table.name:
                near = line.passes[-1] if line.passes else boxes[line.link.table]
                leads |= dict.fromkeys(line.link.columns, float(place[id(near)]))
        own = self.columns[: self.first]
        groups = [[n for n in own if n in self.table.key], [n for n in own if n not in self.table.key]]
        for group in groups:
            order = iter(sorted((n for n in group if n in leads), key=lambda n: leads[n]))
            group[:] = [next(order) if n in leads else n for n in group]
        self.columns[: self.first] = [n for group in groups for n in group]

    def at(self, columns: tuple[str, ...]) -> float:
        """The height at which lines from or to these columns begin."""
        places = [self.columns.index(c) for c in columns]
        return self.y + _HEAD + 4 + (sum(places) / len(places) + 0.5) * _ROW

    def svg(self) -> str:
        x, y, w = self.x, self.y, self.width
        out = [
            f'<g class="table {self.kind}"><rect class="box" x="{x:.1f}" y="{y:.1f}" width="{w:.1f}" height="{self.height:.1f}" rx="6"/>'
        ]
        out.append(
            f'<path class="head" d="M{x + 0.7:.1f} {y + _HEAD:.1f}v{-(_HEAD - 6):.1f}a5.3 5.3 0 0 1 5.3 -5.3h{w - 12:.1f}'
            f'a5.3 5.3 0 0 1 5.3 5.3v{_HEAD - 6:.1f}z"/>'
        )
        out.append(_text(x + _PAD, y + 18, self.table.name, "name"))
        out.append(_text(x + w - _PAD, y + 18, self.count, "count", end=True) if self.count else "")
        for at, name in enumerate(self.columns):
            line = y + _HEAD + 4 + at * _ROW
            if at == self.first and at:
                out.append(f'<path class="rule" d="M{x + 1:.1f} {line:.1f}h{w - 2:.1f}"/>')
            out.append(_text(x + _PAD, line + 13.5, self.tags[name], "tag") if self.tags[name] else "")
            out.append(_text(x + _PAD + _TAGS, line + 13.5, name, "key" if name in self.table.key else ""))
            out.append(_text(x + w - _PAD, line + 13.5, self.table[name].kind, "quiet", end=True))
        if self.more:
            what = f"… {self.more} more column{'s' * (self.more > 1)}"
            out.append(_text(x + _PAD + _TAGS, y + _HEAD + 4 + len(self.columns) * _ROW + 13.5, what, "quiet"))
        return "".join(out) + "</g>"


@dataclass
class _Line:
    """A link from its columns to what they refer to, and where it passes layers that lie between."""

    child: str
    link: Link
    schema: Schema
    passes: list[_Node] = field(default_factory=list)

    def svg(self, boxes: Mapping[str, _Box]) -> str:
        child, parent = boxes[self.child], boxes[self.link.table]
        start, end = child.at(self.link.columns), parent.at(self.link.references)
        table = self.schema[self.child]
        many, may = not _single(table, self.link), optional(table, self.link)
        forward = parent.x + parent.width < child.x
        a, b = (child.x if forward else child.x + child.width), parent.x + parent.width
        side = -1 if forward else 1
        if forward:
            points = [
                (b, end),
                *((p.x + (p.width if right else 0), p.y + p.height / 2) for p in self.passes for right in (0, 1)),
                (a, start),
            ]
            path = f"M{b:.1f} {end:.1f}"
            for (x0, y0), (x1, y1) in pairwise(points):
                bend = (x1 - x0) * 0.5
                path += f"C{x0 + bend:.1f} {y0:.1f} {x1 - bend:.1f} {y1:.1f} {x1:.1f} {y1:.1f}"
        else:
            end += 6 * (child is parent)  # apart from the lines of other tables
            out = max(a, b) + 44
            path = f"M{b:.1f} {end:.1f}C{out:.1f} {end:.1f} {out:.1f} {start:.1f} {a:.1f} {start:.1f}"
        told = f"{self.child}.{' + '.join(self.link.columns)} → {self.link.table}.{' + '.join(self.link.references)}"
        foot = f"M{a + 11 * side:.1f} {start:.1f}L{a:.1f} {start - 5:.1f}M{a + 11 * side:.1f} {start:.1f}L{a:.1f} {start + 5:.1f}"
        at_child = foot if many else f"M{a + 7 * side:.1f} {start - 5:.1f}v10"
        at_parent = f"M{b + 7:.1f} {end - 5:.1f}v10" + ("" if may else f"M{b + 11:.1f} {end - 5:.1f}v10")
        ring = f'<circle class="foot" cx="{b + 13:.1f}" cy="{end:.1f}" r="3.6"/>' if may else ""
        marks = f'<path class="bar" d="{at_child}{at_parent}"/>{ring}'
        return f'<g class="link"><title>{escape(told)}</title><path class="line" d="{path}"/>{marks}</g>'


def _text(x: float, y: float, what: str, kind: str, *, end: bool = False) -> str:
    anchor = ' text-anchor="end"' if end else ""
    return f'<text class="{kind}" x="{x:.1f}" y="{y:.1f}"{anchor}>{escape(what)}</text>'


# ------------------------------------------------------------------------------------------------------------------ layout


def _layers(schema: Schema, boxes: Mapping[str, _Box], lines: list[_Line]) -> list[list[_Node]]:
    """Boxes, and places where lines pass, from left to right; each in an order that crosses few lines."""
    above = {t.name: {x.table for x in t.links if x.table != t.name} for t in schema.tables}
    depth: dict[str, int] = {}
    for name in parents_first(schema):
        depth[name] = max((depth[p] + 1 for p in above[name] if p in depth), default=0)
    for name in reversed(parents_first(schema)):  # close to those that link to it
        below = [depth[t] for t, parents in above.items() if name in parents and depth[t] > depth[name]]
        depth[name] = max(min(below) - 1, depth[name]) if below else depth[name]
    layers: list[list[_Node]] = [[] for _ in range(max(depth.values()) + 1)]
    linked = {line.child for line in lines} | {line.link.table for line in lines}
    for t in sorted(schema.tables, key=lambda t: t.name not in linked):
        short = min(layers, key=lambda layer: sum(n.height + _GAP for n in layer))
        (layers[depth[t.name]] if t.name in linked else short).append(boxes[t.name])  # tables without links stand where there is room
    near: dict[int, list[_Node]] = {id(b): [] for b in boxes.values()}
    for line in lines:
        chain: list[_Node] = [boxes[line.link.table]]
        for level in range(depth[line.link.table] + 1, depth[line.child]):
            node = _Node(0.0, _LANE)
            line.passes.append(node)
            layers[level].append(node)
            near[id(node)] = []
            chain.append(node)
        chain.append(boxes[line.child])
        for a, b in pairwise(chain):
            if a is not b:
                near[id(a)].append(b)
                near[id(b)].append(a)
    layers = _ordered(layers, near)
    for box in boxes.values():
        box.arrange(lines, layers, boxes)
    return layers


def _ordered(layers: list[list[_Node]], near: Mapping[int, list[_Node]]) -> list[list[_Node]]:
    """Layers in the order, of those that sweeps to and fro find, that crosses fewest lines."""
    best, fewest = [list(layer) for layer in layers], _crossings(layers, near)
    for sweep in range(24):
        order = range(1, len(layers)) if sweep % 2 == 0 else range(len(layers) - 2, -1, -1)
        for at in order:
            beside = layers[at - 1 if sweep % 2 == 0 else at + 1]
            place = {id(n): i for i, n in enumerate(beside)}
            now = {id(n): i for i, n in enumerate(layers[at])}
            layers[at].sort(key=partial(_middle, near=near, place=place, now=now))
        if (count := _crossings(layers, near)) < fewest:
            best, fewest = [list(layer) for layer in layers], count
    return best


def _middle(node: _Node, *, near: Mapping[int, list[_Node]], place: Mapping[int, int], now: Mapping[int, int]) -> float:
    """Where the neighbours of a node are in the layer beside it; where the node is, if it has none there."""
    found = [place[id(m)] for m in near[id(node)] if id(m) in place]
    return sum(found) / len(found) if found else float(now[id(node)])


def _crossings(layers: list[list[_Node]], near: Mapping[int, list[_Node]]) -> int:
    """How often lines between neighbouring layers cross."""
    total = 0
    for left, right in pairwise(layers):
        place = {id(n): i for i, n in enumerate(right)}
        ends = [(i, place[id(m)]) for i, n in enumerate(left) for m in near[id(n)] if id(m) in place]
        total += sum((a < c and b > d) or (a > c and b < d) for at, (a, b) in enumerate(ends) for c, d in ends[:at])
    return total


def _place(layers: list[list[_Node]], boxes: Mapping[str, _Box], lines: list[_Line]) -> tuple[float, float]:
    """Give everything its place; width and height of the picture."""
    x = _MARGIN
    for layer in layers:
        width = max(n.width for n in layer)
        for node in layer:
            node.x, node.width = x, width
        x += width + _CHANNEL
    for layer in layers:
        _stack(layer, [0.0] * len(layer))
    for sweep in range(12):
        for layer in layers if sweep % 2 == 0 else layers[::-1]:
            _stack(layer, [_wish(node, boxes, lines) for node in layer])
    top = min(n.y for layer in layers for n in layer)
    for layer in layers:
        for node in layer:
            node.y += _MARGIN - top
    loops = any(line.child == line.link.table and any(n is boxes[line.child] for n in layers[-1]) for line in lines)
    return x - _CHANNEL + _MARGIN + 30 * loops, max(n.y + n.height for layer in layers for n in layer) + _MARGIN


def _wish(node: _Node, boxes: Mapping[str, _Box], lines: list[_Line]) -> float:
    """Where the lines of a node would be straight."""
    shifts = []
    for line in lines:
        child, parent = boxes[line.child], boxes[line.link.table]
        ends: list[tuple[_Node, float]] = [(parent, parent.at(line.link.references))]
        ends += [(p, p.y + p.height / 2) for p in line.passes]
        ends.append((child, child.at(line.link.columns)))
        for at, (one, height) in enumerate(ends):
            if one is node and child is not parent:
                shifts += [ends[k][1] - height for k in (at - 1, at + 1) if 0 <= k < len(ends)]
    return node.y + (sum(shifts) / len(shifts) if shifts else 0.0)


def _stack(layer: list[_Node], wishes: list[float]) -> None:
    """Nodes below each other in their order, as near to what they wish as they can be: blocks that collide share the mean of what
    their nodes wish (pool adjacent violators)."""
    blocks: list[tuple[list[_Node], list[float], float]] = []  # nodes, offsets of the wishes to the block's top, height
    for node, wish in zip(layer, wishes, strict=True):
        nodes, tops, height = [node], [wish], node.height
        while blocks and _mean(blocks[-1][1]) + blocks[-1][2] + _GAP > _mean(tops):
            before = blocks.pop()
            shift = before[2] + _GAP
            nodes, tops, height = before[0] + nodes, before[1] + [t - shift for t in tops], shift + height
        blocks.append((nodes, tops, height))
    for nodes, tops, _ in blocks:
        y = _mean(tops)
        for node in nodes:
            node.y = y
            y += node.height + _GAP


def _mean(values: list[float]) -> float:
    return sum(values) / len(values)
