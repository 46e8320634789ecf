"""The deployment drawn: regions, zones, subnets, nodes, and each pod on the node where the scheduler puts it."""

from dataclasses import dataclass
from typing import Final

from bezant.topology.assumptions import Assumptions
from bezant.topology.capacity.scenarios import STEADY, Placements, standby_pods
from bezant.topology.capacity.scheduler import Node, Pending, schedule
from bezant.topology.model.deployment import Topology
from bezant.topology.model.network import Region
from bezant.topology.picture.glance import draw_glance
from bezant.topology.picture.palette import code, colours
from bezant.topology.picture.stores import store_rows
from bezant.topology.picture.svg import INK, LINE, MUTED, PAPER, RED, Canvas, text_width

_MARGIN: Final = 40.0
_GAP: Final = 14.0
_TIER_FILL: Final = {"public": "#eaf6ee", "nodes": "#eef3fd", "isolated": "#f6f0fb"}
_TIER_INK: Final = {"public": "#1e6b3a", "nodes": "#27489c", "isolated": "#6a3d99"}
_CHIP: Final = (40.0, 19.0)
_DOT: Final = (11.0, 11.0)


@dataclass(frozen=True)
class _Frame:
    """Where a region is drawn, and how finely."""

    x: float
    y: float
    width: float
    detailed: bool


def draw_deployment(topology: Topology, assumptions: Assumptions | None = None) -> str:
    """Return the picture as SVG."""
    assumed = assumptions or Assumptions()
    canvas, palette = Canvas(), colours(topology)
    secondary = topology.secondary
    primary_width = 1120.0 if secondary is not None else 1500.0
    width = _MARGIN * 2 + primary_width + (_GAP * 3 + 460.0 if secondary is not None else 0)
    _header(canvas, topology, width)
    top = 172.0
    placements = Placements(topology, topology.primary, assumed)
    outcome = placements.outcome(STEADY, keep_apart=True)
    frame = _Frame(_MARGIN, top, primary_width, True)
    sheet = _Sheet(topology, topology.primary, frame, list(outcome.nodes), palette, Canvas())
    bottom = _region(sheet, canvas, outcome.pending)
    middle = frame.x + frame.width / 2
    canvas.line(middle, 128, middle, top - 4, stroke=MUTED, width=1.5, arrow=True)
    if secondary is not None:
        other = Placements(topology, secondary, assumed)
        nodes = other.nodes(grown=False)
        pending = schedule(nodes, standby_pods(topology, assumed)) if nodes else []
        right = _Frame(_MARGIN + primary_width + _GAP * 3, top, 460.0, False)
        sheet = _Sheet(topology, secondary, right, nodes, palette, Canvas())
        second_bottom = _region(sheet, canvas, tuple(pending), bottom)
        bottom = max(bottom, second_bottom)
        bottom = max(bottom, second_bottom)
        there = right.x + right.width / 2
        canvas.line(middle + _route_53_half(topology), 111, there, 111, stroke=MUTED, width=1.5, dashed=True)
        canvas.line(there, 111, there, top - 4, stroke=MUTED, width=1.5, dashed=True, arrow=True)
        label = f"DNS moves {topology.recovery.dns_switch.replace('_', ' ')}"
        if topology.recovery.dns_switch == "health_check_alone":
            label = "DNS moves on a health check alone"
        canvas.text(there - 12, 103, label, size=13, fill=MUTED, anchor="end")
    bottom = _legend(canvas, topology, palette, bottom + 34, width)
    bottom = draw_glance(canvas, topology, _MARGIN, bottom + 16, width - 2 * _MARGIN)
    return canvas.finished(width, bottom + 24, title=f"Deployment {topology.name}")


def _header(canvas: Canvas, topology: Topology, width: float) -> None:
    canvas.text(_MARGIN, 50, topology.name.replace("_", " "), size=28, bold=True)
    canvas.text(_MARGIN, 76, topology.description, size=15, fill=MUTED, width=width - 2 * _MARGIN)
    middle = _MARGIN + (1120.0 if topology.secondary is not None else 1500.0) / 2
    half = _route_53_half(topology)
    canvas.box(middle - half, 94, 2 * half, 34, fill="#fff7e6", stroke="#e0b04c", radius=17)
    canvas.text(middle, 116, _route_53(topology), size=15, bold=True, anchor="middle")
    facts = f"{topology.tenants} tenants · {sum(s.replicas for s in topology.services)} service pods"
    canvas.text(width - _MARGIN, 50, facts, size=15, fill=MUTED, anchor="end")


def _route_53(topology: Topology) -> str:
    return f"Route 53 · {topology.domain}" if topology.domain else "Route 53"


def _route_53_half(topology: Topology) -> float:
    return text_width(_route_53(topology), 15, bold=True) / 2 + 20


def _region(sheet: "_Sheet", canvas: Canvas, pending: tuple[Pending, ...], least_bottom: float = 0.0) -> float:
    """Draw one region; return its lower edge. The frame goes onto the canvas first, then the sheet's content."""
    content, region, frame, topology = sheet.canvas, sheet.region, sheet.frame, sheet.topology
    y, inner = frame.y + 80, frame.width - 2 * _GAP
    if region.network.cidr is None:
        missing = "No network, no subnets, no nodes are stated"
        content.text(frame.x + _GAP + 4, y + 20, missing, size=15, fill=RED, bold=True, width=inner)
        zones = f"zones: {', '.join(region.availability_zones)}"
        content.text(frame.x + _GAP + 4, y + 46, zones, size=13, fill=MUTED, width=inner)
        bottom = y + 60
    else:
        bottom = _zones(sheet, y)
        if pending:
            bottom = _pending(content, frame, pending, bottom)
    bottom = max(bottom, least_bottom - _GAP)
    role = "primary region" if region.role == "primary" else f"secondary region, {topology.recovery.secondary_role}"
    height = bottom + _GAP - frame.y
    canvas.box(frame.x, frame.y, frame.width, height, fill="#fbfcfe", stroke="#8e9bb3", radius=12, line=1.5)
    canvas.text(frame.x + _GAP + 4, frame.y + 28, region.name, size=18, bold=True)
    beside = frame.x + _GAP + 14 + text_width(region.name, 18, bold=True)
    canvas.text(beside, frame.y + 28, role, size=13, fill=MUTED)
    network = f"VPC {region.network.vpc_name} {region.network.cidr or ''}"
    canvas.text(frame.x + _GAP + 4, frame.y + 50, network, size=13, fill=MUTED, width=inner)
    canvas.absorb(content)
    return bottom + _GAP


@dataclass(frozen=True)
class _Sheet:
    """What is drawn of one region, and where."""

    topology: Topology
    region: Region
    frame: _Frame
    nodes: list[Node]
    palette: dict[str, tuple[str, str]]
    canvas: Canvas

    @property
    def columns(self) -> list[tuple[float, str]]:
        """The left edge of each zone."""
        return [
            (self.frame.x + _GAP + number * (self.width + _GAP), zone)
            for number, zone in enumerate(self.region.availability_zones)
        ]

    @property
    def width(self) -> float:
        """The width of a zone."""
        zones = len(self.region.availability_zones)
        return (self.frame.width - 2 * _GAP - (zones - 1) * _GAP) / zones


def _zones(sheet: _Sheet, y: float) -> float:
    for x, zone in sheet.columns:
        sheet.canvas.text(x + sheet.width / 2, y + 4, zone, size=14, bold=True, anchor="middle")
    y = _public(sheet, y + 14) + _GAP
    y = _nodes(sheet, y) + _GAP
    return _isolated(sheet, y)


def _subnet(sheet: _Sheet, tier: str, zone: str, corner: tuple[float, float], height: float) -> None:
    canvas, width, (x, y) = sheet.canvas, sheet.width, corner
    found = [subnet for subnet in sheet.region.network.subnets if subnet.tier == tier and subnet.zone == zone]
    canvas.box(x, y, width, height, fill=_TIER_FILL[tier], stroke=LINE, radius=8)
    address, ink = (found[0].cidr, _TIER_INK[tier]) if found else ("no subnet", RED)
    if text_width(f"{tier}  {address}", 12, bold=True) > width - 20:
        canvas.text(x + 10, y + 17, tier, size=11, fill=ink, bold=True, width=width - 20)
        canvas.text(x + 10, y + 30, address, size=11, fill=ink, width=width - 20)
    else:
        canvas.text(x + 10, y + 22, f"{tier}  {address}", size=12, fill=ink, bold=True)


def _public(sheet: _Sheet, y: float) -> float:
    """Public subnets with the NAT gateways; a load balancer is one box over all the zones that it spans."""
    height, canvas, width = 106.0, sheet.canvas, sheet.width
    for x, zone in sheet.columns:
        _subnet(sheet, "public", zone, (x, y), height)
        has_nat = zone in sheet.region.network.nat_gateway_zones
        label = ("NAT gateway" if sheet.frame.detailed else "NAT") if has_nat else "no NAT"
        canvas.chip(x + 10, y + 73, width - 20, 22, label, fill="#cfe9d8" if has_nat else "#f6d7d4", ink=INK)
    for balancer in sheet.region.load_balancers:
        spanned = [x for x, zone in sheet.columns if zone in balancer.zones]
        start, end = min(spanned) + 10, max(spanned) + width - 10
        what = f"ALB {balancer.name}" if len(spanned) == 1 else f"ALB {balancer.name}, one over {len(spanned)} zones"
        canvas.box(start, y + 39, end - start, 26, fill="#1e6b3a", stroke="none", radius=5)
        middle = (start + end) / 2
        canvas.text(middle, y + 57, what, size=12.5, fill=PAPER, bold=True, anchor="middle", width=end - start - 8)
    return y + height


def _nodes(sheet: _Sheet, y: float) -> float:
    """Node subnets; rows line up over the zones, so each row is as high as its fullest node."""
    canvas, width, region, detailed = sheet.canvas, sheet.width, sheet.region, sheet.frame.detailed
    chip_width, chip_height = _CHIP if detailed else _DOT
    space = 4.0
    per_row = max(1, int((width - 36 + space) // (chip_width + space)))
    groups = [group.name for group in region.cluster.node_groups]
    by_zone = {
        zone: sorted((node for node in sheet.nodes if node.zone == zone), key=lambda node: groups.index(node.group))
        for zone in region.availability_zones
    }
    heights = []
    for number in range(max((len(members) for members in by_zone.values()), default=0)):
        most = max((len(members[number].pods) for members in by_zone.values() if number < len(members)), default=0)
        heights.append(30 + max(1, -(-most // per_row)) * (chip_height + space) + 6)
    total = 39 + sum(heights) + 10 * max(0, len(heights) - 1) + 12
    types = {group.name: group.instance_type for group in region.cluster.node_groups}
    order = {one.name: place for place, one in enumerate((*sheet.topology.services, *sheet.topology.platform))}
    for x, zone in sheet.columns:
        _subnet(sheet, "nodes", zone, (x, y), total)
        top = y + 39
        for node, height in zip(by_zone[zone], heights, strict=False):
            canvas.box(x + 8, top, width - 16, height, fill=PAPER, stroke="#b7c4e0", radius=6)
            name = f"{node.group} · {types[node.group]}" if detailed else types[node.group]
            canvas.text(x + 18, top + 18, name, size=12 if detailed else 11, fill=MUTED, width=width - 36)
            for place, pod in enumerate(sorted(node.pods, key=lambda pod: order[pod.workload])):
                fill, ink = sheet.palette[pod.workload]
                px = x + 18 + (place % per_row) * (chip_width + space)
                py = top + 26 + (place // per_row) * (chip_height + space)
                label = code(pod.workload) if detailed else ""
                canvas.chip(px, py, chip_width, chip_height, label, fill=fill, ink=ink)
            top += height + 10
    return y + total


def _isolated(sheet: _Sheet, y: float) -> float:
    rows = {zone: store_rows(sheet.region, zone, detailed=sheet.frame.detailed) for _, zone in sheet.columns}
    height = 39 + max((len(each) for each in rows.values()), default=0) * 28 + 8
    for x, zone in sheet.columns:
        _subnet(sheet, "isolated", zone, (x, y), height)
        for number, (label, fill, ink) in enumerate(rows[zone]):
            sheet.canvas.chip(x + 10, y + 37 + number * 28, sheet.width - 20, 23, label, fill=fill, ink=ink)
    return y + height


def _pending(canvas: Canvas, frame: _Frame, pending: tuple[Pending, ...], y: float) -> float:
    names: dict[str, int] = {}
    for one in pending:
        names[one.pod.workload] = names.get(one.pod.workload, 0) + 1
    text = f"{len(pending)} pods pending: " + ", ".join(f"{count} of {name}" for name, count in names.items())
    canvas.box(frame.x + _GAP, y + 12, frame.width - 2 * _GAP, 34, fill="#fdecea", stroke=RED, radius=8)
    canvas.text(frame.x + frame.width / 2, y + 34, text, size=14, bold=True, fill=RED, anchor="middle",
                width=frame.width - 60)  # fmt: skip
    return y + 46


def _legend(canvas: Canvas, topology: Topology, palette: dict[str, tuple[str, str]], y: float, width: float) -> float:
    x = _MARGIN
    for workload in (*topology.services, *topology.platform):
        version = getattr(workload, "version", None)
        label = f"{workload.name} ×{workload.replicas}" + (f" {version}" if version else "")
        needed = 40 + 8 + text_width(label, 13) + 22
        if x + needed > width - _MARGIN:
            x, y = _MARGIN, y + 30
        fill, ink = palette[workload.name]
        canvas.chip(x, y - 14, 40, 19, code(workload.name), fill=fill, ink=ink)
        canvas.text(x + 48, y, label, size=13)
        x += needed
    return y + 6
