// The Worker's entry: the edge as fetch handler, the cell as Durable Object class.
export { app as default } from "../edge/app.ts";
export { Cell } from "../cell/cell.ts";
