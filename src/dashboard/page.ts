// The operator's page, in one piece: nothing is loaded from elsewhere, and only what carries the nonce runs.
import { dashboardScript } from "./script.ts";
import { STYLE } from "./style.ts";

/** The page as HTML; style and script carry the nonce of its Content-Security-Policy. */
export function dashboardPage(nonce: string): string {
  return `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Hive</title>
<link rel="icon" href="data:,">
<style nonce="${nonce}">${STYLE}</style>
</head>
<body>
<header>
  <h1><svg viewBox="0 0 28 32" aria-hidden="true"><path d="M14 1 27 8.5v15L14 31 1 23.5v-15z"/><path d="M14 9 20 12.5v7L14 23 8 19.5v-7z"/></svg>Hive</h1>
  <p id="state" role="status"></p>
  <button id="forget" type="button" hidden>Forget token</button>
</header>
<form id="entry" hidden>
  <h2>The fleet at a glance</h2>
  <label for="token">Admin token</label>
  <input id="token" type="password" autocomplete="off" spellcheck="false" required>
  <button type="submit">Show</button>
  <p>Make one with <code>npx hive token issue --role admin</code>. It stays in this tab alone.</p>
</form>
<main id="fleet" hidden>
  <section id="totals" aria-label="Totals"></section>
  <section id="cells" aria-label="Hosts by cell"></section>
  <div class="columns">
    <section><h2>Models</h2><table id="models"></table></section>
    <section><h2>Waiting</h2><table id="queue"></table></section>
  </div>
  <section><h2>Recent decisions</h2><table id="recent"></table></section>
</main>
<script nonce="${nonce}">${dashboardScript()}</script>
</body>
</html>
`;
}
