import type { FileHandle as NodeFileHandle } from 'node:fs/promises'
import { checkInteger, F, invalidArgType, syscall, systemError } from '../kernel/index.js'
import { BaseHandle } from './base-handle.js'
import { type CloseDescriptor, closeDescriptor, Descriptor } from './descriptor.js'

const MAX_DESCRIPTOR = 2 ** 31 - 1

/** What stands for an open file: a descriptor, Node's handle, or ours. */
export type FileSource = number | FileHandle | NodeFileHandle

/** How `FileHandle.from()` takes a file over. */
export interface AdoptOptions {
  /** Closing the handle closes the descriptor, too. False by default: it stays its owner's. */
  own?: boolean
}

/** Closes what nobody can reach any more, as Node does, and says that somebody forgot to. */
const forgotten = new FinalizationRegistry<Descriptor>(descriptor => {
  process.emitWarning(`Closing file descriptor ${descriptor.fd} on garbage collection`)
  descriptor.close().catch((error: Error) => process.emitWarning(error))
})

/** An open file. Everything of Node's `FileHandle`, and what Linux has beyond. */
export class FileHandle extends BaseHandle {
  /** Only `open()` and `from()` make handles. */
  constructor(descriptor: Descriptor) {
    super(descriptor)
    forgotten.register(this, descriptor, this)
  }

  /**
   * A handle on a file that is open already.
   *
   * The descriptor stays its owner's, who must keep it open until this handle is closed; with `own` it becomes the
   * handle's. A handle of ours is returned as it is.
   *
   * @throws `ERR_INVALID_ARG_TYPE`, `ERR_OUT_OF_RANGE`; `EBADF` where there is no such descriptor
   */
  static from(source: FileSource, options: AdoptOptions = {}): FileHandle {
    if (source instanceof FileHandle) return source
    const { own = false } = options
    if (typeof source === 'object' && source !== null && typeof source.fd === 'number') {
      // Named in either case, so that Node does not collect its handle, and close the descriptor, under ours.
      return adopt(source.fd, async () => (own ? source.close() : undefined))
    }
    if (typeof source !== 'number') {
      throw invalidArgType('source', 'of type number or an instance of FileHandle', source)
    }
    checkInteger(source, 'source', 0, MAX_DESCRIPTOR)
    return adopt(source, own ? closeDescriptor : async () => {})
  }

  override close(): Promise<void> {
    forgotten.unregister(this)
    return super.close()
  }
}

function adopt(fd: number, close: CloseDescriptor): FileHandle {
  const flags = syscall('fcntl', fd, F.GETFL)
  if (flags < 0) throw systemError(flags, 'fcntl')
  return new FileHandle(new Descriptor(fd, flags, close))
}
