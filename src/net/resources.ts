import { type Engine, engine, type Handles } from '../engine/index.js'
import { IORING_OP } from '../kernel/index.js'
import type { BlockRing } from '../ring/index.js'
import { SendArena } from './send-arena.js'

/** The buffer group of received bytes, in every engine's ring. */
export const RECEIVE_GROUP = 1
/** Bytes of a block that connections receive into. A chunk that somebody keeps, keeps its block. */
export const BLOCK_BYTES = 65536
/**
 * Blocks that wait for data at first: how much can come in one turn before receives must be armed anew. Few, since each
 * waits for those before it: a block that is old when it is used up is freed by a mark-compact only.
 */
const BLOCKS = 4
/** How many may in the end: each receive that finds none adds one. */
const MAX_BLOCKS = 128

/** What all connections of a thread share. */
export interface NetResources {
  readonly engine: Engine
  readonly handles: Handles
  /** Undefined where the kernel does not pick buffers: on the `epoll` driver, and before kernel 6.12. */
  readonly blocks: BlockRing | undefined
  readonly arena: SendArena
  /** Whether a multishot receive can be told when to end. Found out at the first one. */
  limits: boolean
  /** Whether one accept can take many connections: from kernel 5.19 on. Found out at the first one. */
  acceptsMany: boolean
}

let own: NetResources | undefined

/** This thread's, made at first use and anew when its engine has been closed. */
export function netResources(): NetResources {
  if (own === undefined || !own.engine.isOpen) own = make(engine())
  return own
}

function make(engine: Engine): NetResources {
  const { handles } = engine
  const options = { group: RECEIVE_GROUP, entries: MAX_BLOCKS, blocks: BLOCKS, blockSize: BLOCK_BYTES }
  const blocks = engine.supports(IORING_OP.RECV) ? handles.blockRing(options) : undefined
  return { engine, handles, blocks, arena: new SendArena(handles), limits: true, acceptsMany: true }
}
