import type { SystemErrorDetails } from '../kernel/index.js'
import type { Region } from '../memory/index.js'
import type { DriverName } from './driver.js'
import type { Prepare, PrepareMove } from './prepare.js'
import type { Finish } from './slot.js'
import type { Usage } from './usage.js'

/** A read or write that has been through all checks, and has to wait. */
export interface Move {
  prepare: PrepareMove
  syscall: string
  fd: number
  view: ArrayBufferView
  region: Region
  address: number
  length: number
  position: number
  finish: Finish | undefined
  signal: AbortSignal | undefined
  usage: Usage | undefined
}

/** What the engine must know of an operation besides its entry. */
export interface OperationOptions {
  /** The system call's name, for errors. */
  syscall: string
  /** What an error is about. */
  details?: SystemErrorDetails
  /** Memory that the kernel may touch until the last completion, and whatever else must stay alive. */
  held?: unknown
  /** Of `held`, the buffers that must stay mapped. */
  buffers?: readonly ArrayBufferView[]
  signal?: AbortSignal | undefined
  /** Turns the result, 0 or more, into what the promise gives; the result itself by default. */
  finish?: Finish
  /** Undoes a result that comes although the operation was aborted: close the descriptor. */
  discard?: (result: number) => void
  /** Its result counts bytes. */
  moves?: boolean
  /** What counts the operation as in flight. */
  usage?: Usage | undefined
}

/** One operation of a chain. */
export interface ChainedOperation extends OperationOptions {
  prepare: Prepare
}

/** What an engine has cost so far; everything counts from its making. */
export interface EngineStats {
  driver: DriverName
  /** System calls that handed over operations or asked for completions. */
  enters: number
  /** Operations handed over. */
  submissions: number
  /** Completions seen. */
  completions: number
  /** Turns of the event loop in which something was handed over. */
  batches: number
  /** Times that completions were fetched from the kernel's overflow list. */
  overflows: number
  /** Operations that had to wait for a slot or for room in the queue. */
  waits: number
  /** Bytes read and written. */
  bytes: number
  /** Operations in flight now. */
  inFlight: number
  /** Operations that can be in flight at once. */
  capacity: number
  /** Handles open now: sockets and the like, which count their own operations. */
  handles: number
  /** Operations waiting now. */
  waiting: number
}
