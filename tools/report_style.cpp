#include "tools/report_parts.hpp"

namespace dz::tool {

std::string_view report_style() {
  return R"css(
:root {
  color-scheme: light dark;
  --paper: #fff; --ink: #1c2024; --muted: #5f6872; --line: #e2e5e9; --base: #aab1b9; --raised: #f6f7f8;
  --accent: #0a66a8; --c0: #0072b2; --c1: #d55e00; --leaf: #d9e8f5; --node: #f5f2ea; --warning: #a33c00;
  --text: "Inter", "Helvetica Neue", "Segoe UI", Roboto, Arial, "Noto Sans", "Liberation Sans", sans-serif;
  --code: ui-monospace, "SF Mono", "Cascadia Mono", Menlo, Consolas, "DejaVu Sans Mono", "Liberation Mono", monospace;
}
@media (prefers-color-scheme: dark) {
  :root {
    --paper: #14171a; --ink: #e5e8eb; --muted: #99a2ac; --line: #2a2f35; --base: #59626c; --raised: #1c2024;
    --accent: #62b3ee; --c0: #56b4e9; --c1: #f0883e; --leaf: #1d3447; --node: #2b2a25; --warning: #f0a070;
  }
}
* { box-sizing: border-box; }
html { -webkit-text-size-adjust: 100%; }
body {
  margin: 0 auto; padding: clamp(1.5rem, 5vw, 4rem) clamp(1rem, 4vw, 2.5rem) 4rem; max-width: 62rem;
  background: var(--paper); color: var(--ink); font: 1rem/1.55 var(--text); font-variant-numeric: tabular-nums;
}
h1 { margin: 0; font-size: clamp(1.6rem, 4vw, 2.25rem); line-height: 1.2; font-weight: 650; letter-spacing: -.015em; overflow-wrap: anywhere; }
h2 { margin: 0 0 1rem; font-size: 1.15rem; line-height: 1.3; font-weight: 650; letter-spacing: -.005em; }
section { margin-top: 3.25rem; }
p { margin: 0 0 1rem; }
.note, figcaption { color: var(--muted); font-size: .875rem; }
strong { font-weight: 600; color: var(--warning); }
figure { margin: 0; }
svg { display: block; max-width: 100%; height: auto; }
pre, code { font-family: var(--code); font-size: .8125rem; line-height: 1.5; }
pre { margin: 0; padding: .9rem 1.1rem; overflow-x: auto; background: var(--raised); border-radius: 6px; }
pre.wrap { white-space: pre-wrap; overflow-wrap: anywhere; }

.figures { display: grid; grid-template-columns: repeat(auto-fill, minmax(10.5rem, 1fr)); gap: 1.6rem 2rem; margin: 2.25rem 0 0;
  padding-top: 1.5rem; border-top: 1px solid var(--line); }
.figures dt { color: var(--muted); font-size: .875rem; line-height: 1.3; }
.figures dt::first-letter, .bars dt::first-letter { text-transform: uppercase; }
.figures dd { margin: .2rem 0 0; font-size: 1.9rem; line-height: 1.15; font-weight: 600; letter-spacing: -.02em; overflow-wrap: anywhere; }
.figures dd.long { text-wrap: balance; font-size: 1.2rem; letter-spacing: -.01em; line-height: 1.35; }

.axes line { stroke: var(--line); }
.axes .base { stroke: var(--base); }
.axes .frame { fill: none; stroke: var(--base); }
.axes text { fill: var(--muted); font: 13px var(--text); font-variant-numeric: tabular-nums; }
.axes .name { fill: var(--ink); }
.curve { fill: none; stroke: var(--accent); stroke-width: 1.6; stroke-linejoin: round; stroke-linecap: round; }
.curve.dev { stroke: var(--ink); stroke-dasharray: 5 3; opacity: .75; }
.last { fill: var(--accent); stroke: var(--paper); stroke-width: 1.5; }
.chart { width: 100%; }
.narrow { display: none; }
.chart + figcaption, figure > .legend, .boundary figcaption { margin-top: .6rem; }

.bars { display: grid; grid-template-columns: max-content 1fr max-content; gap: .7rem 1rem; align-items: center; margin: 0 0 .8rem; }
.bars dt, .bars dd { margin: 0; }
.bars .bar { height: .7rem; border-radius: 2px; background: var(--line); overflow: hidden; }
.bars .bar i { display: block; height: 100%; background: var(--accent); print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.bars .bar { print-color-adjust: exact; -webkit-print-color-adjust: exact; }

.boundary { max-width: 36rem; }
.plane { width: 100%; }
.points * { stroke: var(--paper); stroke-width: .9; stroke-linejoin: round; }
.points .c0 { fill: var(--c0); }
.points .c1 { fill: var(--c1); }
.points .c2 { fill: #009e73; }
.points .c3 { fill: #cc79a7; }
.points .c4 { fill: #56b4e9; }
.points .c5 { fill: #e69f00; }
.points .c6 { fill: #f0e442; }
.points .c7 { fill: #787878; }
.contour { fill: none; stroke: var(--ink); stroke-width: 1.4; stroke-linecap: round; }
.level { fill: none; stroke: var(--base); stroke-width: 1; }
.way path { fill: none; stroke: var(--c1); stroke-width: 1.4; stroke-linejoin: round; }
.way circle { fill: var(--c1); stroke: var(--paper); stroke-width: .8; }
.pair { display: grid; grid-template-columns: 1fr 1fr; gap: 1.5rem; }
.pair .name { paint-order: stroke; stroke: var(--paper); stroke-width: 4px; }
.pair b { color: var(--ink); font-weight: 600; }
.pair b::first-letter { text-transform: uppercase; }
.legend { display: flex; flex-wrap: wrap; gap: .3rem 1.4rem; margin: 0; padding: 0 0 0 .2rem; list-style: none; font-size: .875rem; color: var(--muted); }
.legend svg { display: inline-block; vertical-align: -.08em; overflow: visible; }
.swatch { display: inline-block; width: 1.1rem; height: .2rem; vertical-align: .2em; margin-right: .1rem; print-color-adjust: exact; -webkit-print-color-adjust: exact; }
.ramp { display: inline-block; width: 5.5rem; height: .7rem; vertical-align: -.05em; margin: 0 .25rem;
  background: linear-gradient(to right, rgb(0 114 178 / .52), rgb(0 114 178 / 0) 50%, rgb(213 94 0 / 0) 50%, rgb(213 94 0 / .52));
  outline: 1px solid var(--line); print-color-adjust: exact; -webkit-print-color-adjust: exact; }

.pictures { display: grid; grid-template-columns: repeat(auto-fill, minmax(8rem, 1fr)); gap: 1.5rem 1.25rem; }
.pictures figure { break-inside: avoid; min-width: 0; }
.pictures img { display: block; width: 100%; aspect-ratio: 1; object-fit: contain; image-rendering: pixelated; background: var(--raised); border-radius: 3px; }
.pictures figcaption { margin-top: .45rem; line-height: 1.4; overflow-wrap: anywhere; }
.pictures b { display: block; color: var(--ink); font-weight: 600; }

.graph { overflow: auto; max-height: 72rem; padding: 1rem; border: 1px solid var(--line); border-radius: 6px; }
.graph svg { margin: 0 auto; }
.graph polygon[fill="white"] { fill: none; stroke: none; }
.graph text { fill: var(--ink); font-family: var(--text); }
.graph .node path, .graph .node polygon { fill: var(--node); stroke: var(--base); }
.graph .node ellipse { fill: var(--leaf); stroke: var(--base); }
.graph .edge path { stroke: var(--muted); }
.graph .edge polygon { fill: var(--muted); stroke: var(--muted); }
.graph .edge text { fill: var(--muted); }
summary { cursor: pointer; margin-bottom: .8rem; }

table { border-collapse: separate; border-spacing: 0; width: 100%; font-size: .875rem; }
th, td { padding: .4rem 1rem .4rem 0; text-align: left; vertical-align: top; font-weight: 400; border-bottom: 1px solid var(--line); overflow-wrap: anywhere; }
th { width: 40%; color: var(--muted); }
td { font-family: var(--code); font-size: .8125rem; line-height: 1.65; }

@media (max-width: 40rem) {
  .wide { display: none; }
  .pair { grid-template-columns: 1fr; }
  .narrow { display: block; }
  .figures { grid-template-columns: repeat(auto-fill, minmax(8.5rem, 1fr)); gap: 1.2rem; }
  .figures dd { font-size: 1.5rem; }
  .pictures { grid-template-columns: repeat(auto-fill, minmax(6.5rem, 1fr)); gap: 1.1rem .9rem; }
  .pictures figcaption { font-size: .8rem; }
}
@media (min-width: 56rem) {
  .boundary { display: grid; grid-template-columns: 36rem 1fr; gap: 0 2.25rem; max-width: none; }
  .boundary .legend { flex-direction: column; gap: .5rem; align-self: start; }
  .boundary figcaption { grid-column: 1; }
  .columns { column-count: 2; column-gap: 3rem; }
  .columns tr { break-inside: avoid; }
}
@media print {
  :root { color-scheme: light; --paper: #fff; --ink: #000; --muted: #444; --line: #ddd; --base: #999; --raised: #f6f7f8;
    --accent: #0a66a8; --c0: #0072b2; --c1: #d55e00; --leaf: #d9e8f5; --node: #f5f2ea; --warning: #a33c00; }
  @page { margin: 18mm 16mm; }
  body { padding: 0; max-width: none; font-size: 10.5pt; }
  section { margin-top: 2rem; }
  h2 { break-after: avoid; }
  svg, figure, table, .figures { break-inside: avoid; }
  .boundary { display: block; max-width: 13cm; }
  .graph { max-height: none; overflow: visible; border: 0; padding: 0; }
  .graph svg { max-height: 23cm; }
  pre { white-space: pre-wrap; overflow-wrap: anywhere; }
}
)css";
}

}  // namespace dz::tool
