import { AT, addressOf, STATX, StatxView, systemError } from '../../kernel/index.js'
import { JobList } from './job-list.js'
import { EMPTY_PATH } from './name.js'

/** Adds a look at an open file. @param fd a descriptor, or `resultOf()` the job that opens it. @returns the job's index */
export function addStat(jobs: JobList, fd: number, stat: StatxView): number {
  return jobs.add('statx', fd, EMPTY_PATH.address, AT.EMPTY_PATH, STATX.BASIC_STATS, addressOf(stat.buffer))
}

/** What statx(2) says of an open file. */
export async function statOf(fd: number): Promise<StatxView> {
  const jobs = new JobList()
  const stat = new StatxView()
  jobs.hold(stat)
  const looked = addStat(jobs, fd, stat)
  await jobs.run()
  if (jobs.result(looked) < 0) throw systemError(jobs.result(looked), 'fstat')
  return stat
}
