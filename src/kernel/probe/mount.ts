import { realpathSync, statSync } from 'node:fs'
import { basename, dirname } from 'node:path'
import { AT, O } from '../fcntl.js'
import { pathBytes } from '../path-bytes.js'
import { syscall } from '../syscall.js'
import { readNumber, readText } from './procfs.js'

/** A mounted file system. */
export interface MountFacts {
  /** As /proc/filesystems names it: `ext4`, `xfs`, `tmpfs`, … */
  type: string
  /** What is mounted: a device, a share, or a name without meaning. */
  source: string
  mountPoint: string
  /** Options of the mount and of its file system. */
  options: string[]
}

/** A block device, as /sys tells it; null where it does not. */
export interface DeviceFacts {
  /** Such as `nvme0n1`; of the whole device where the file system lies on a partition. */
  name: string
  major: number
  minor: number
  /** The scheduler in use: `none`, `mq-deadline`, … */
  scheduler: string | null
  rotational: boolean | null
  logicalBlockSize: number | null
  physicalBlockSize: number | null
  /** Requests that can wait at the device. */
  requests: number | null
  /** Bytes of one request at most. */
  maxRequestBytes: number | null
  /** `write back` or `write through`. */
  writeCache: string | null
  /** The device is memory that can be mapped. */
  dax: boolean | null
}

/** Undoes the octal escapes of /proc/self/mountinfo. */
function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, digits) => String.fromCharCode(Number.parseInt(digits, 8)))
}

function mountId(path: string): string | undefined {
  const fd = syscall('openat', AT.FDCWD, pathBytes(path), O.PATH | O.CLOEXEC)
  if (fd < 0) return undefined
  const id = /^mnt_id:\s*(\d+)$/m.exec(readText(`/proc/self/fdinfo/${fd}`) ?? '')?.[1]
  syscall('close', fd)
  return id
}

/** The mount that holds a path, and its device number; undefined where /proc is not to be read. */
export function findMount(path: string): { mount: MountFacts; device: string } | undefined {
  const id = mountId(path)
  const lines = (readText('/proc/self/mountinfo') ?? '').split('\n')
  const fields = lines.map(line => line.split(' ')).find(([first]) => first === id)
  if (id === undefined || fields === undefined) return undefined
  const dash = fields.indexOf('-')
  const [, , device = '', , point = '', own = ''] = fields
  const [type = '', source = '', shared = ''] = fields.slice(dash + 1)
  const options = [...new Set([...own.split(','), ...shared.split(',')])]
  return { mount: { type, source: unescaped(source), mountPoint: unescaped(point), options }, device }
}

/** A file system without a device of its own (Btrfs) names one as its source. */
function deviceNumber(mount: MountFacts, device: string): string | undefined {
  if (!device.startsWith('0:')) return device
  try {
    const { rdev } = statSync(mount.source)
    return mount.source.startsWith('/dev/') && rdev !== 0
      ? `${(rdev >> 8) & 0xfff}:${rdev & 0xff}`
      : undefined
  } catch {
    // Not a path: a share, or a name.
    return undefined
  }
}

/** The block device that a file system lies on; null for one without, or where /sys is not to be read. */
export function findDevice({ mount, device }: { mount: MountFacts; device: string }): DeviceFacts | null {
  const number = deviceNumber(mount, device)
  if (number === undefined) return null
  let folder: string
  try {
    folder = realpathSync(`/sys/dev/block/${number}`)
  } catch {
    // No /sys in this sandbox.
    return null
  }
  if (readText(`${folder}/partition`) !== undefined) folder = dirname(folder)
  const [major = 0, minor = 0] = (readText(`${folder}/dev`) ?? number).split(':').map(Number)
  const queue = (name: string) => readNumber(`${folder}/queue/${name}`)
  const flag = (value: number | undefined) => (value === undefined ? null : value === 1)
  const scheduler = readText(`${folder}/queue/scheduler`)
  const maxKiB = queue('max_sectors_kb')
  return {
    name: basename(folder),
    major,
    minor,
    // The one in use stands in brackets, unless there is but one.
    scheduler: scheduler === undefined ? null : (/\[([\w-]+)\]/.exec(scheduler)?.[1] ?? scheduler),
    rotational: flag(queue('rotational')),
    logicalBlockSize: queue('logical_block_size') ?? null,
    physicalBlockSize: queue('physical_block_size') ?? null,
    requests: queue('nr_requests') ?? null,
    maxRequestBytes: maxKiB === undefined ? null : maxKiB * 1024,
    writeCache: readText(`${folder}/queue/write_cache`) ?? null,
    dax: flag(queue('dax')),
  }
}
