// The operator's page: open to all, for it holds nothing; what it shows it asks for with the operator's token.
import type { Context } from "hono";
import { dashboardPage } from "../../dashboard/page.ts";
import type { HonoEnv } from "../env.ts";

export function showDashboard(c: Context<HonoEnv>): Response {
  const nonce = crypto.randomUUID();
  return c.html(dashboardPage(nonce), 200, {
    "content-security-policy": [
      "default-src 'none'",
      `script-src 'nonce-${nonce}'`,
      `style-src 'nonce-${nonce}'`,
      "connect-src 'self'",
      "img-src data:",
      "form-action 'none'",
      "require-trusted-types-for 'script'",
      "base-uri 'none'",
      "frame-ancestors 'none'",
    ].join("; "),
    "cache-control": "no-store",
  });
}
