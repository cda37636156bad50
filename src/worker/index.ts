// The Worker's entry: the edge as fetch handler, cell and directory as Durable Object classes.
import { Cell as PlainCell } from "../cell/cell.ts";
import type { Env } from "../edge/env.ts";
import { postOrder } from "../edge/cells/post-order.ts";
import type { ScaleOrder } from "../wire/scale.ts";

export { app as default } from "../edge/app.ts";
export { Directory } from "../cell/directory.ts";

/** The cell decides and the edge has the keys: what the cell orders beyond its hosts goes out signed by the edge. */
export class Cell extends PlainCell {
  protected override async postOrder(order: ScaleOrder) {
    return await postOrder(this.env as Env, order);
  }
}
