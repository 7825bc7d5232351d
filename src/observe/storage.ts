import { readdirSync, readFileSync, realpathSync, statSync } from 'node:fs'
import { basename, dirname, sep } from 'node:path'

/** Where a file lies: its file system, and the device under it. */
export interface Storage {
  /** Such as `ext4`, `xfs`, `tmpfs`. */
  fileSystem: string
  mountPoint: string
  /** Options of the mount and of the file system, as /proc/self/mountinfo shows them. */
  options: string
  /** The block device underneath; undefined where there is none that can be told (tmpfs, NFS, overlayfs). */
  device: BlockDevice | undefined
}

/** A block device and how the kernel feeds it. */
export interface BlockDevice {
  /** Such as `nvme0n1`; the whole disk, not the partition. */
  name: string
  model: string | undefined
  rotational: boolean
  /** The I/O scheduler in use: `none`, `mq-deadline`, `bfq`, `kyber`. */
  scheduler: string | undefined
  /** Requests that may wait for it. */
  queueDepth: number | undefined
  logicalBlockBytes: number | undefined
}

/** One line of /proc/self/mountinfo. @see proc_pid_mountinfo(5) */
export interface Mount {
  /** `major:minor`. */
  device: string
  mountPoint: string
  options: string
  fileSystem: string
  source: string
}

function unescaped(text: string): string {
  return text.replace(/\\([0-7]{3})/g, (_, octal) => String.fromCharCode(Number.parseInt(octal, 8)))
}

/** The mounts of a mountinfo text, in the order they were made. */
export function parseMounts(text: string): Mount[] {
  return text
    .split('\n')
    .filter(line => line !== '')
    .map(line => {
      // Optional fields come before the dash, so that the fields behind it have no fixed place.
      const [before = '', after = ''] = line.split(' - ')
      const [, , device = '', , mountPoint = '', options = ''] = before.split(' ')
      const [fileSystem = '', source = '', superOptions = ''] = after.split(' ')
      return {
        device,
        mountPoint: unescaped(mountPoint),
        options: [...new Set([...options.split(','), ...superOptions.split(',')])].join(','),
        fileSystem,
        source: unescaped(source),
      }
    })
}

/** The mount that a real path lies on: the deepest, and of several in one place the last. */
export function mountOf(mounts: readonly Mount[], path: string): Mount | undefined {
  const holds = (point: string) =>
    path === point || path.startsWith(point.endsWith(sep) ? point : point + sep)
  return mounts
    .filter(({ mountPoint }) => holds(mountPoint))
    .reduce<Mount | undefined>(
      (best, mount) => (best && best.mountPoint.length > mount.mountPoint.length ? best : mount),
      undefined,
    )
}

function attribute(folder: string, name: string): string | undefined {
  try {
    return readFileSync(`${folder}/${name}`, 'utf8').trim()
  } catch {
    return undefined
  }
}

function numeric(text: string | undefined): number | undefined {
  return text === undefined ? undefined : Number(text)
}

/** The folder of /sys that describes a device, by its number or by the name of what is mounted. */
function deviceFolder(mount: Mount): string | undefined {
  for (const path of [`/sys/dev/block/${mount.device}`, `/sys/class/block/${basename(mount.source)}`]) {
    try {
      const folder = realpathSync(path)
      return readdirSync(folder).includes('partition') ? dirname(folder) : folder
    } catch {
      // Btrfs and its like have numbers of their own: the mount's source is asked next.
    }
  }
  return undefined
}

function blockDevice(mount: Mount): BlockDevice | undefined {
  const folder = deviceFolder(mount)
  if (folder === undefined) return undefined
  const queue = (name: string) => attribute(`${folder}/queue`, name)
  // Schedulers are listed with the one in use in brackets.
  const schedulers = queue('scheduler')
  return {
    name: basename(folder),
    model: attribute(`${folder}/device`, 'model'),
    rotational: queue('rotational') === '1',
    scheduler: /\[(.+)\]/.exec(schedulers ?? '')?.[1] ?? schedulers,
    queueDepth: numeric(queue('nr_requests')),
    logicalBlockBytes: numeric(queue('logical_block_size')),
  }
}

/** Where a file or folder lies. @throws the system error of stat(2) */
export function storageOf(path: string): Storage {
  statSync(path)
  const mount = mountOf(parseMounts(readFileSync('/proc/self/mountinfo', 'utf8')), realpathSync(path))
  if (mount === undefined) {
    return { fileSystem: 'unknown', mountPoint: '', options: '', device: undefined }
  }
  const { fileSystem, mountPoint, options } = mount
  return { fileSystem, mountPoint, options, device: blockDevice(mount) }
}
