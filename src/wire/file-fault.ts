// What is wrong with a file, in words for the person whose file it is.

const WORDS: Readonly<Record<string, string>> = {
  EACCES: "this user may not do that",
  EPERM: "this user may not do that",
  EDQUOT: "the disk quota is used up",
  EFBIG: "it may not grow so large",
  EIO: "the disk does not answer",
  EISDIR: "it is a folder",
  ELOOP: "its links go in a circle",
  EMFILE: "too many files are open",
  ENOSPC: "no space is left on the disk",
  ENOTDIR: "something on the way to it is not a folder",
  EROFS: "the disk is read-only",
};

/** The error with the path in it, which Node leaves out of many, and one line of plain words. */
export function fileFault(doing: "read" | "write", path: string, cause: unknown): Error {
  const code = cause instanceof Error && "code" in cause ? String(cause.code) : "";
  const said = cause instanceof Error ? cause.message : String(cause);
  const words = WORDS[code];
  return new Error(`cannot ${doing} ${path}: ${words === undefined ? said : `${words} (${code})`}`, { cause });
}
