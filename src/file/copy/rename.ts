import { errnoOf, systemError } from '../../kernel/index.js'
import { call, must } from './job-list.js'
import type { Name } from './name.js'

const RENAME_NOREPLACE = 1
/** Answers of file systems that know renameat2(2) not at all, or not this of it: NFS, Ceph, 9p, some of FUSE. */
const NO_FLAGS: ReadonlySet<number> = new Set(['EINVAL', 'ENOSYS', 'ENOTSUP'].map(name => -errnoOf(name)))

/**
 * Gives something in a folder its final name.
 *
 * @param replaces takes the place of what has the name. Without, that is `EEXIST`; where the file system cannot tell, a folder
 *   does so all the same with an empty one, and a file with a file
 * @throws the system error
 */
export async function renameTo(folder: number, from: Name, to: Name, replaces: boolean): Promise<void> {
  const names = [folder, from.address, folder, to.address] as const
  const result = replaces ? 0 : await call('renameat2', [from, to], ...names, RENAME_NOREPLACE)
  if (replaces || NO_FLAGS.has(result)) await must('renameat', [from, to], ...names)
  else if (result < 0) throw systemError(result, 'rename')
}
