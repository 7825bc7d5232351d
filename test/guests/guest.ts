import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, ftruncateSync, openSync, readFileSync, readSync, writeFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import type { TestContext } from 'node:test'
import { ensureDebianPackages } from '#scripts/setup.js'
import { initramfs } from './initramfs.js'
import { type GuestKernel, guestKernel, modulesOf } from './kernel.js'

const MIB = 2 ** 20
const PACKAGES = ['qemu-system-x86', 'busybox-static', 'xz-utils', 'e2fsprogs']
/** What sharing this system's files needs. */
const MODULES = ['virtio_pci', '9pnet_virtio', '9p']
/** Memory of the guest, and where in it the persistent memory lies. */
const MEMORY_MIB = 768
const PMEM = { at: 640, size: 64 } as const
/** Bytes of the persistent memory. */
export const PMEM_BYTES = PMEM.size * MIB
/** Where a program finds the persistent memory. Of all the folders it sees, this one can be written to. */
export const PMEM_FOLDER = '/dev/persistent'
/** Before what the program says, among what else the console shows. */
const MARK = 'guest> '

/** What a machine has beside a processor, memory and this system's files. */
export interface Equipment {
  /** Modules that the kernel loads, in this order, after those that they need. */
  modules: readonly string[]
  /** Parameters of modules: `{ nvme: 'poll_queues=1' }`. */
  parameters?: Readonly<Record<string, string>>
  /** Further arguments of QEMU's. */
  options?: readonly string[]
  /** Further arguments of the kernel's. */
  kernel?: string
  /** Commands that run before the program, with this system's root at `/host`. */
  commands?: readonly string[]
  /** What lies in memory where persistent memory is, of {@link PMEM_BYTES}. */
  image?: string
}

/** Persistent memory with a file system on it. @param image the file system, of {@link PMEM_BYTES} */
export function persistentMemory(image: string): Equipment {
  return {
    modules: ['crc32c_generic', 'ext4', 'libnvdimm', 'nd_e820', 'nd_pmem'],
    kernel: `memmap=${PMEM.size}M!${PMEM.at}M`,
    commands: [
      `mkdir /host${PMEM_FOLDER}`,
      `mount -t ext4 -o dax=always,commit=600 /host/dev/pmem0 /host${PMEM_FOLDER}`,
    ],
    image,
  }
}

/** What the machine boots: it shares this system's files, to read, and runs a program there as if it stood here. */
function init(loads: readonly string[], commands: readonly string[], program: string): string {
  return `#!/bin/busybox sh
export PATH=/bin
/bin/busybox --install -s /bin
${loads.join('\n')}
mount -t 9p -o trans=virtio,version=9p2000.L,msize=524288,cache=loose,ro host /host
mount -t proc proc /host/proc
mount -t sysfs sysfs /host/sys
mount -t tracefs tracefs /host/sys/kernel/tracing
mount -t devtmpfs devtmpfs /host/dev
${commands.join('\n')}
chroot /host '${process.execPath}' '${program}' 2>&1 | while read -r line; do echo "${MARK}$line"; done
poweroff -f
`
}

/** Why this machine boots no guest; else the kernel for it. */
export async function guestRequirements(): Promise<GuestKernel | string> {
  if (process.arch !== 'x64') return 'guests are of x64 only'
  if (!(await ensureDebianPackages(PACKAGES))) return `not all of ${PACKAGES.join(', ')} are installed`
  return guestKernel()
}

/**
 * A machine that runs a program.
 *
 * The memory of the guest is a file. A piece of it, which the guest may take for persistent memory, is a file system that has been
 * made before, and that can be looked at when the machine is no more.
 */
export class Guest {
  readonly #memory: string
  readonly #process: ChildProcess
  readonly #exited: Promise<unknown>
  readonly #lines: AsyncIterator<string>
  #console = ''

  /**
   * Boots.
   *
   * @param folder for the guest's files
   * @param program the file that Node is given
   */
  constructor(t: TestContext, kernel: GuestKernel, folder: string, program: string, equipment: Equipment) {
    const { parameters = {}, commands = [], image } = equipment
    this.#memory = join(folder, 'memory')
    const memory = openSync(this.#memory, 'w')
    ftruncateSync(memory, MEMORY_MIB * MIB)
    if (image !== undefined) writeSync(memory, readFileSync(image), 0, PMEM_BYTES, PMEM.at * MIB)
    closeSync(memory)
    const modules = modulesOf(kernel, [...MODULES, ...equipment.modules])
    const loads = modules.map(({ name }) => `insmod /modules/${name}.ko ${parameters[name] ?? ''}`)
    const archive = initramfs([
      ...['bin', 'dev', 'host', 'modules'].map(path => ({ path })),
      { path: 'bin/busybox', contents: readFileSync('/bin/busybox') },
      ...modules.map(({ name, contents }) => ({ path: `modules/${name}.ko`, contents })),
      { path: 'init', contents: Buffer.from(init(loads, commands, program)) },
    ])
    writeFileSync(join(folder, 'initramfs'), archive)
    this.#process = spawn('qemu-system-x86_64', this.#options(kernel, join(folder, 'initramfs'), equipment), {
      stdio: ['ignore', 'pipe', 'pipe'],
    })
    this.#exited = once(this.#process, 'exit')
    t.after(() => this.cutPower())
    this.#process.stderr?.setEncoding('utf8').on('data', text => {
      this.#console += text
    })
    const lines = createInterface({ input: this.#process.stdout as NodeJS.ReadableStream })
    this.#lines = lines[Symbol.asyncIterator]()
  }

  #options({ image }: GuestKernel, archive: string, { kernel = '', options = [] }: Equipment): string[] {
    const memory = `memory-backend-file,id=memory,size=${MEMORY_MIB}M,mem-path=${this.#memory},share=on`
    const host = 'local,path=/,mount_tag=host,security_model=none,readonly=on,multidevs=remap'
    return [
      ...['-accel', 'tcg', '-cpu', 'max', '-m', `${MEMORY_MIB}M`, '-nodefaults', '-no-reboot'],
      ...['-object', memory, '-machine', 'pc,memory-backend=memory', '-virtfs', host],
      ...['-display', 'none', '-serial', 'stdio', '-kernel', image, '-initrd', archive],
      ...['-append', `console=ttyS0 quiet panic=-1 ${kernel}`],
      ...options,
    ]
  }

  /** The next line that the program says. @throws `Error` with all that the console showed, where the machine has ended */
  async line(): Promise<string> {
    for (;;) {
      const { value, done } = await this.#lines.next()
      if (done) throw new Error(`The guest has ended:\n${this.#console}`)
      this.#console += `${value}\n`
      if (value.startsWith(MARK)) return value.slice(MARK.length).trimEnd()
    }
  }

  /** Ends the machine as a power cut does: at once. What is in its own memory is lost. */
  async cutPower(): Promise<void> {
    if (this.#process.exitCode === null) this.#process.kill('SIGKILL')
    await this.#exited
  }

  /** The file system in persistent memory, as it is now. @param image where it is put */
  savePersistent(image: string): void {
    const bytes = Buffer.alloc(PMEM_BYTES)
    const memory = openSync(this.#memory, 'r')
    readSync(memory, bytes, 0, bytes.length, PMEM.at * MIB)
    closeSync(memory)
    writeFileSync(image, bytes)
  }
}
