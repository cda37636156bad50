// The Worker's entry: the edge as fetch handler, cell and directory as Durable Object classes.
export { app as default } from "../edge/app.ts";
export { Cell } from "../cell/cell.ts";
export { Directory } from "../cell/directory.ts";
