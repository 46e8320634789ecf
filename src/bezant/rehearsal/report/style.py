"""The page's style sheet: one palette for light and one for dark, the same as in the topology's pictures where it fits.

States differ by pattern as well as by colour, so that the lanes can be read without telling colours apart.
"""

from typing import Final

from bezant.rehearsal.report.document import State
from bezant.topology.picture.svg import FONT

STATE_WORDS: Final[dict[State, str]] = {
    State.STABLE: "serving",
    State.NEXT: "serving, new version",
    State.STARTING: "starting",
    State.DRAINING: "draining",
    State.WAITING: "waiting for a place",
    State.PAUSED: "paused",
    State.DOWN: "down",
    State.FAULT: "fault",
    State.PHASE: "phase",
}
"""What the legend says of each state."""

HATCHED: Final[dict[State, str]] = {
    State.STARTING: "M-2 2 L2 -2 M0 8 L8 0 M6 10 L10 6",
    State.DRAINING: "M-2 6 L2 10 M0 0 L8 8 M6 -2 L10 2",
    State.WAITING: "M0 4 H8",
    State.PAUSED: "M4 0 V8",
    State.FAULT: "M-2 2 L2 -2 M0 8 L8 0 M6 10 L10 6",
}
"""The lines of each state's pattern, in a cell of 8 x 8."""

_LIGHT: Final = {
    "paper": "#ffffff", "panel": "#f6f8fb", "ink": "#172033", "muted": "#55617a", "line": "#d5dbe6", "grid": "#e6eaf1",
    "good": "#1e6b3a", "good-paper": "#e6f4ea", "bad": "#b3261e", "bad-paper": "#fdecea", "change": "#27489c",
    "stable": "#3157d5", "stable-ink": "#ffffff", "next": "#e39b23", "next-ink": "#2b1d00",
    "starting": "#cfe0fb", "starting-ink": "#1c3a80", "starting-hatch": "#7d9fe6",
    "draining": "#dfe4ec", "draining-ink": "#2c3648", "draining-hatch": "#9aa6ba",
    "waiting": "#f3ecd9", "waiting-ink": "#5c4400", "waiting-hatch": "#d3b768",
    "paused": "#d9caf0", "paused-ink": "#3f2473", "paused-hatch": "#7a4fbf",
    "down": "#d1495b", "down-ink": "#ffffff",
    "fault": "#f7d3d8", "fault-ink": "#7d1726", "fault-hatch": "#d1495b",
    "phase": "#e9edf5", "phase-ink": "#2c3648",
    "line-0": "#3157d5", "line-1": "#c77d00", "line-2": "#2a9d8f", "line-3": "#7a4fbf", "line-4": "#d1495b",
}  # fmt: skip
_DARK: Final = {
    "paper": "#0f1420", "panel": "#171e2d", "ink": "#e8ecf4", "muted": "#9eabc3", "line": "#2c3750", "grid": "#212b40",
    "good": "#7fd6a0", "good-paper": "#143222", "bad": "#ff9b92", "bad-paper": "#3b1917", "change": "#9db6ff",
    "stable": "#4f74ee", "stable-ink": "#ffffff", "next": "#f0b04a", "next-ink": "#2b1d00",
    "starting": "#22345e", "starting-ink": "#cddcff", "starting-hatch": "#4f74ee",
    "draining": "#2b3447", "draining-ink": "#c9d2e3", "draining-hatch": "#5e6b85",
    "waiting": "#3a3119", "waiting-ink": "#f0dca5", "waiting-hatch": "#8a7333",
    "paused": "#3a2a5c", "paused-ink": "#e2d3ff", "paused-hatch": "#8d66d2",
    "down": "#d1495b", "down-ink": "#ffffff",
    "fault": "#4a1f27", "fault-ink": "#ffc9d1", "fault-hatch": "#b83a4c",
    "phase": "#222c42", "phase-ink": "#c9d2e3",
    "line-0": "#7d9bff", "line-1": "#f0b04a", "line-2": "#53c9ba", "line-3": "#b394ea", "line-4": "#ff8595",
}  # fmt: skip
LINE_COLOURS: Final = 5
"""How many lines of one panel can be told apart."""

_RULES: Final = """
* { box-sizing: border-box; }
body { margin: 0; background: var(--paper); color: var(--ink); font: 16px/1.5 FONT; }
main { max-width: 1180px; margin: 0 auto; padding: 40px 28px 72px; }
h1 { font-size: 30px; line-height: 1.2; margin: 0 0 6px; letter-spacing: -.01em; }
h2 { font-size: 19px; margin: 44px 0 14px; }
h3 { font-size: 16px; margin: 26px 0 8px; }
p { margin: 0 0 10px; }
.meta { color: var(--muted); margin: 0; }
.verdict { display: flex; gap: 14px; align-items: center; margin: 24px 0 0; padding: 14px 18px; border-radius: 10px;
  font-size: 18px; font-weight: 600; }
.verdict.kept { background: var(--good-paper); color: var(--good); }
.verdict.broken { background: var(--bad-paper); color: var(--bad); }
.mark { font-weight: 700; white-space: nowrap; }
.kept .mark { color: var(--good); } .broken .mark { color: var(--bad); }
.promises { list-style: none; margin: 14px 0 0; padding: 0; border: 1px solid var(--line); border-radius: 10px; }
.promises li { display: grid; grid-template-columns: 84px 1fr auto; gap: 8px 16px; padding: 11px 18px;
  border-top: 1px solid var(--line); }
.promises li:first-child { border-top: 0; }
.promises .figure { color: var(--muted); text-align: right; max-width: 460px; }
.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(190px, 1fr)); gap: 12px; margin: 0; }
.figures div { background: var(--panel); border-radius: 10px; padding: 13px 16px; }
.figures dt { color: var(--muted); font-size: 14px; line-height: 1.35; }
.figures dd { margin: 3px 0 0; font-size: 24px; font-weight: 600; line-height: 1.25; overflow-wrap: anywhere; }
.figures dd span { font-size: 14px; font-weight: 400; color: var(--muted); }
.scroll { overflow-x: auto; border: 1px solid var(--line); border-radius: 10px; }
.scroll:focus-visible, summary:focus-visible { outline: 3px solid var(--stable); outline-offset: 2px; }
.scroll svg { display: block; width: 100%; min-width: 860px; height: auto; }
table { border-collapse: collapse; width: 100%; font-size: 15px; font-variant-numeric: tabular-nums; }
caption { text-align: left; font-weight: 600; padding: 12px 16px 8px; }
th, td { text-align: left; padding: 7px 16px; border-top: 1px solid var(--line); vertical-align: top; }
thead th { border-top: 0; color: var(--muted); font-weight: 600; font-size: 14px; white-space: nowrap; }
td.number { text-align: right; } th.number { text-align: right; }
details { margin: 12px 0 0; } summary { cursor: pointer; color: var(--change); padding: 4px 0; }
details .scroll { margin-top: 8px; max-height: 480px; overflow-y: auto; }
dl.settings { display: grid; grid-template-columns: max-content 1fr; gap: 4px 20px; margin: 0; }
dl.settings dt { color: var(--muted); } dl.settings dd { margin: 0; overflow-wrap: anywhere; }
.legend { display: flex; flex-wrap: wrap; gap: 6px 22px; list-style: none; padding: 0; margin: 0 0 12px;
  font-size: 14px; color: var(--muted); }
.legend li { display: flex; align-items: center; gap: 8px; } .legend svg { flex: none; }
.events { columns: 2; column-gap: 36px; margin: 14px 0 0; padding: 0; list-style: none; font-size: 15px; }
.events li { display: grid; grid-template-columns: 28px 82px 1fr; gap: 4px; break-inside: avoid; padding: 3px 0; }
.events .at { color: var(--muted); font-variant-numeric: tabular-nums; }
.badge { display: inline-block; justify-self: start; min-width: 22px; height: 22px; padding: 0 5px;
  border-radius: 11px; font-size: 12px;
  font-weight: 600; line-height: 22px; text-align: center; background: var(--muted); color: var(--paper); }
.badge.good { background: var(--good); } .badge.bad { background: var(--bad); }
.badge.change { background: var(--change); }
footer { margin-top: 56px; padding-top: 16px; border-top: 1px solid var(--line); color: var(--muted); font-size: 14px; }
svg text { font-family: FONT; fill: var(--ink); font-variant-numeric: tabular-nums; }
svg .muted { fill: var(--muted); } svg .grid { stroke: var(--grid); } svg .axis { stroke: var(--line); }
svg .limit { stroke: var(--bad); stroke-dasharray: 6 4; } svg .limit-text { fill: var(--bad); }
svg .panel { fill: var(--panel); }
svg .event line { stroke: var(--muted); stroke-dasharray: 2 4; }
svg .many line { opacity: .4; } svg rect.span { stroke: var(--paper); stroke-width: 1; }
svg .halo { paint-order: stroke; stroke: var(--panel); stroke-width: 4px; stroke-linejoin: round; }
svg .event circle { fill: var(--muted); }
svg .event text { fill: var(--paper); font-weight: 600; }
@media (max-width: 760px) { .promises li { grid-template-columns: 1fr; } .promises .figure { text-align: left; }
  .events { columns: 1; } main { padding: 24px 16px 48px; } }
@media print { .scroll { overflow: visible; } details { display: none; } }
"""


def style_sheet() -> str:
    """Return the CSS: variables for light and dark, the rules, and a class for each state, line and kind of event."""
    states = "".join(
        f"svg .{state} {{ fill: var(--{state}); }} svg .{state}-ink {{ fill: var(--{state}-ink); }}\n"
        + (f"svg .{state}-hatch {{ stroke: var(--{state}-hatch); }}\n" if state in HATCHED else "")
        for state in State
    )
    lines = "".join(
        f"svg .line-{number} {{ stroke: var(--line-{number}); }}\n"
        f"svg .line-{number}-ink {{ fill: var(--line-{number}); }}\n"
        for number in range(LINE_COLOURS)
    )
    events = "".join(
        f"svg .event.{kind} line {{ stroke: var(--{kind}); }} svg .event.{kind} circle {{ fill: var(--{kind}); }}\n"
        for kind in ("good", "bad", "change")
    )
    return (
        f":root {{ color-scheme: light dark; {_variables(_LIGHT)} }}\n"
        f"@media (prefers-color-scheme: dark) {{ :root {{ {_variables(_DARK)} }} }}\n"
        + _RULES.replace("FONT", FONT)
        + states
        + lines
        + events
    )


def _variables(palette: dict[str, str]) -> str:
    return " ".join(f"--{name}: {colour};" for name, colour in palette.items())
