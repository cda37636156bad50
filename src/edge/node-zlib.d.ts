// The one function of node:zlib that the edge uses; workerd has it, its types package does not name it.
declare module "node:zlib" {
  export function zstdDecompressSync(bytes: Uint8Array, options: { maxOutputLength: number }): Uint8Array;
}
