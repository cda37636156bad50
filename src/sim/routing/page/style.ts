// How the page looks, in light and in dark.

const LIGHT = "--ink:#1a1d21;--soft:#5b6470;--rule:#e3e6ea;--paper:#fff;--ours:#0b62d6;--bound:#7a828c;";
const DARK = "--ink:#e8eaed;--soft:#9aa3ad;--rule:#2c3138;--paper:#14171a;--ours:#6cb0ff;--bound:#9aa3ad;";
/** Told apart by lightness too (Okabe and Ito, adapted to both papers). */
const COLOURS = ["#d55e00", "#009e73", "#cc79a7", "#b8860b", "#56a4d9", "#8a5fbf", "#8c564b"];

export const STYLE = [
  `:root{color-scheme:light dark;${LIGHT}}`,
  `@media (prefers-color-scheme:dark){:root{${DARK}}}`,
  "body{font:15px/1.5 system-ui,sans-serif;color:var(--ink);background:var(--paper);max-width:880px;margin:2rem auto;padding:0 1rem}",
  "h1{font-size:1.4rem;margin:0 0 .25rem}h2{font-size:1.05rem;margin:1.75rem 0 .5rem}p{color:var(--soft);margin:.25rem 0;overflow-wrap:anywhere}",
  "body>svg,.legend svg{width:100%;height:auto;display:block}",
  ".grid{stroke:var(--rule);stroke-width:1}.tick,.label{fill:var(--soft);font-size:12px}",
  ".line{fill:none;stroke-width:1.6;stroke-linejoin:round}.line.ours{stroke:var(--ours);stroke-width:3}",
  ".line.bound{stroke:var(--bound);stroke-width:2;stroke-dasharray:5 4}",
  ...COLOURS.map((colour, index) => `.line.c${index}{stroke:${colour}}`),
  ".legend{list-style:none;display:flex;flex-wrap:wrap;gap:.25rem 1.1rem;padding:0;margin:.75rem 0;font-size:13px}",
  ".legend li{display:flex;align-items:center;gap:.4rem}.legend svg{width:24px;height:8px}",
  ".wide{overflow-x:auto}table{border-collapse:collapse;font-size:13px;font-variant-numeric:tabular-nums;white-space:nowrap}",
  "th,td{padding:.2rem .5rem;text-align:right;border-bottom:1px solid var(--rule);font-weight:400}",
  "thead th{color:var(--soft)}th:first-child{text-align:left;padding-left:0}.own>*{font-weight:600}.limit>*{color:var(--soft)}",
].join("\n");
