import { AT, addressOf, S, STATX, StatxView } from '../../kernel/index.js'
import type { Copying } from './copying.js'
import type { Entry } from './entry.js'
import { JobList } from './job-list.js'

/**
 * Which of several things are copied, as far as what has their names decides it. Folders are, and what is to take the place
 * of a folder: that is an error, not something to pass over.
 */
export async function replaceable(copying: Copying, entries: readonly Entry[]): Promise<Entry[]> {
  const isPublic = entries.some(({ folder }) => folder.isPublic)
  if (copying.overwrite === 'always' || !isPublic) return [...entries]
  const jobs = new JobList()
  const looks = entries.map(({ folder, name, targetName }) => {
    const [source, target] = [new StatxView(), new StatxView()]
    jobs.hold([source, target, name, targetName])
    const look = (fd: number, address: number, stat: StatxView) =>
      jobs.add('statx', fd, address, AT.SYMLINK_NOFOLLOW, STATX.BASIC_STATS, addressOf(stat.buffer))
    look(folder.source, name.address, source)
    return { found: look(folder.target, targetName.address, target), source, target }
  })
  await jobs.run()
  const chosen = entries.filter((_, index) => {
    const { found, source, target } = looks[index]
    if (jobs.result(found) < 0 || isFolder(source) || isFolder(target)) return true
    return copying.overwrite === 'older' && source.modifyTime > target.modifyTime
  })
  copying.report.skipped += entries.length - chosen.length
  return chosen
}

function isFolder({ mode }: StatxView): boolean {
  return (mode & S.IFMT) === S.IFDIR
}
