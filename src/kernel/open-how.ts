/** `struct open_how` in bytes. */
export const OPEN_HOW = { FLAGS: 0, MODE: 8, RESOLVE: 16, SIZE: 24 } as const

/** How openat2(2) may resolve a path. */
export const RESOLVE = {
  /** Not across a mount point. */
  NO_XDEV: 0x01,
  /** Not through links of /proc that lead anywhere. */
  NO_MAGICLINKS: 0x02,
  /** Not through any symbolic link. */
  NO_SYMLINKS: 0x04,
  /** Never out of the starting directory: a path that would leave it is refused. */
  BENEATH: 0x08,
  /** The starting directory is the root: `..` and absolute links stay inside. */
  IN_ROOT: 0x10,
  /** Only if everything is in the kernel's caches already, else EAGAIN. */
  CACHED: 0x20,
} as const

/**
 * Lays out how openat2(2) opens.
 *
 * @param flags `O` flags
 * @param mode permissions of a file that is created; must be 0 unless `flags` create one
 * @param resolve {@link RESOLVE} flags
 */
export function openHow(flags: number, mode = 0, resolve = 0): Uint32Array {
  const words = new Uint32Array(new ArrayBuffer(OPEN_HOW.SIZE))
  words[OPEN_HOW.FLAGS / 4] = flags
  words[OPEN_HOW.MODE / 4] = mode
  words[OPEN_HOW.RESOLVE / 4] = resolve
  return words
}
