import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmdirSync, rmSync, truncateSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { TestContext } from 'node:test'
import { ensureDebianPackages } from '#scripts/setup.js'

/** Kinds of file system that a test can ask for. */
export type FileSystem = 'ext4' | 'xfs' | 'btrfs' | 'tmpfs'

const MAKE = {
  ext4: ['mkfs.ext4', '-q'],
  xfs: ['mkfs.xfs', '-q'],
  btrfs: ['mkfs.btrfs', '-q'],
} as const
const PACKAGES = { ext4: 'e2fsprogs', xfs: 'xfsprogs', btrfs: 'btrfs-progs' } as const

/** What is enough for each of them where a test needs little room. */
export const SMALL_BYTES: Record<FileSystem, number> = {
  ext4: 64 * 2 ** 20,
  xfs: 300 * 2 ** 20,
  btrfs: 128 * 2 ** 20,
  tmpfs: 64 * 2 ** 20,
}

/** Why this user and machine mount nothing; undefined where they do. */
export const cannotMount: string | undefined =
  process.getuid?.() === 0 ? undefined : 'only root can mount a file system'

function run(command: string, ...args: string[]): void {
  const { status, stderr, error } = spawnSync(command, args, { encoding: 'utf8' })
  if (status !== 0) throw new Error(`${command} ${args.join(' ')}: ${error?.message ?? stderr}`)
}

/**
 * Mounts a new file system for a test; it is unmounted after it.
 *
 * @param bytes XFS takes 300 MiB at least, Btrfs 110
 * @param image where a file system's image stands, if not in the temporary folder
 * @returns where it is mounted; undefined where the machine cannot, after the test has been skipped
 */
export async function mounted(
  t: TestContext,
  type: FileSystem,
  bytes: number,
  image?: string,
): Promise<string | undefined> {
  const reason = cannotMount ?? (await lacking(type))
  if (reason !== undefined) {
    t.skip(reason)
    return undefined
  }
  const point = mkdtempSync(join(tmpdir(), `sluice-${type}-`))
  t.after(() => {
    spawnSync('umount', ['--lazy', point])
    rmdirSync(point)
  })
  if (type === 'tmpfs') {
    run('mount', '-t', 'tmpfs', '-o', `size=${bytes}`, 'tmpfs', point)
    return point
  }
  const file = image ?? `${point}.img`
  if (image === undefined) t.after(() => rmSync(file))
  writeFileSync(file, '')
  truncateSync(file, bytes)
  const [command, ...args] = MAKE[type]
  run(command, ...args, file)
  run('mount', '-o', 'loop', file, point)
  return point
}

async function lacking(type: FileSystem): Promise<string | undefined> {
  if (type === 'tmpfs' || (await ensureDebianPackages([PACKAGES[type]]))) return undefined
  return `the package ${PACKAGES[type]} is not installed`
}
