import {
  addressOf,
  EPOLL,
  EPOLL_CTL,
  EPOLL_EVENT,
  errnoOf,
  F,
  IORING_POLL,
  JOB_WORDS,
  jobResult,
  OwnedDescriptor,
  POLL,
  runJobs,
  SQE_WORD,
  SYSCALL,
  syscall,
  writeJob,
} from '../../kernel/index.js'
import type { Pending } from './pending.js'
import { type Direction, pollMask, Watch } from './watch.js'

const EPOLL_CLOEXEC = 0o2000000
/** Events fetched in one call, and calls in one look: more come with the next. */
const EVENTS = 256
const LOOKS = 4
/** Changes of the set in one crossing. */
const CHANGES = 64
const EVENT_WORDS = EPOLL_EVENT.SIZE / 4
const DATA_WORD = EPOLL_EVENT.DATA / 4
const ENOENT = -errnoOf('ENOENT')
const EBADF = -errnoOf('EBADF')
const EEXIST = -errnoOf('EEXIST')
const EINTR = -errnoOf('EINTR')

/** Told of an operation whose descriptor cannot be waited for, and why (-errno); `EPERM` for a regular file. */
export type Unpollable = (pending: Pending, error: number) => void

/**
 * One epoll set: the driver's own descriptors, and those that operations wait for. Readable when any is ready, so
 * that the event loop has a single descriptor to watch.
 *
 * A descriptor is armed for one event at a time (`EPOLLONESHOT`) and armed again with a system call that notices
 * when its number stands for something else by now: anybody may close a descriptor behind our back.
 *
 * @see epoll(7)
 */
export class Readiness {
  /** Calls that changed the set or asked it. */
  calls = 0
  readonly #set = new OwnedDescriptor(syscall('epoll_create1', EPOLL_CLOEXEC), 'epoll_create1')
  readonly #watches = new Map<number, Watch>()
  readonly #events = new Int32Array(new ArrayBuffer(EVENTS * EPOLL_EVENT.SIZE))
  readonly #jobs = new Int32Array(new ArrayBuffer(CHANGES * JOB_WORDS * 4))
  readonly #changes = new Int32Array(new ArrayBuffer(CHANGES * EPOLL_EVENT.SIZE))
  readonly #changesAddress = addressOf(this.#changes)
  readonly #unpollable: Unpollable
  #dirty: Watch[] = []

  constructor(unpollable: Unpollable) {
    this.#unpollable = unpollable
  }

  /** The set's descriptor. */
  get fd(): number {
    return this.#set.fd
  }

  /** Watches a descriptor of the driver's own for as long as it is open. Edge triggered: nobody need read it. */
  watch(fd: number, notify: () => void): void {
    this.#watches.set(fd, new Watch(fd, notify))
    this.#control(EPOLL_CTL.ADD, fd, POLL.IN | EPOLL.ET)
  }

  #control(change: number, fd: number, events: number): number {
    this.calls++
    this.#changes[0] = events
    this.#changes[DATA_WORD] = fd
    return syscall('epoll_ctl', this.#set.fd, change, fd, this.#changes)
  }

  /** Has an operation wait behind those that wait for the same already. */
  wait(pending: Pending, direction: Direction, fd = pending.fd): void {
    let watch = this.#watches.get(fd)
    if (watch === undefined) {
      watch = new Watch(fd)
      this.#watches.set(fd, watch)
    }
    pending.state = 'waiting'
    watch.list(direction).push(pending)
    this.rearm(watch)
  }

  /** Has a watch armed at the end of this round, unless nobody waits by then. */
  rearm(watch: Watch): void {
    if (watch.dirty) return
    watch.dirty = true
    this.#dirty.push(watch)
  }

  /** Whether anybody waits for a direction of a descriptor. */
  waits(fd: number, direction: Direction): boolean {
    return this.#watches.get(fd)?.list(direction).first !== undefined
  }

  /** The watch of a descriptor, if there is one. */
  at(fd: number): Watch | undefined {
    return this.#watches.get(fd)
  }

  /** A multishot poll: on a descriptor of its own, since that must stay armed while others come and go. */
  keep(pending: Pending): number {
    const fd = syscall('fcntl', pending.fd, F.DUPFD_CLOEXEC, 0)
    if (fd < 0) return fd
    const result = this.#control(EPOLL_CTL.ADD, fd, keptEvents(pending))
    if (result < 0) {
      syscall('close', fd)
      return result
    }
    const watch = new Watch(fd)
    watch.kept = true
    this.#watches.set(fd, watch)
    pending.words[SQE_WORD.FD] = fd
    pending.state = 'waiting'
    watch.polls.push(pending)
    return 0
  }

  /** Changes what a poll that waits asks for. */
  change(pending: Pending): void {
    const watch = this.#watches.get(pending.fd)
    if (watch === undefined) return
    if (watch.kept) this.#control(EPOLL_CTL.MOD, watch.fd, keptEvents(pending))
    else this.rearm(watch)
  }

  /** Takes out an operation that waits. */
  remove(pending: Pending): void {
    pending.list?.remove(pending)
    const watch = this.#watches.get(pending.fd)
    if (watch !== undefined && (watch.kept || watch.heir) && watch.idle) this.#discard(watch)
  }

  /** A set keeps a duplicate until the last descriptor of its file is gone, unless it is taken out first. */
  #discard(watch: Watch): void {
    this.#control(EPOLL_CTL.DEL, watch.fd, 0)
    this.#watches.delete(watch.fd)
    syscall('close', watch.fd)
  }

  /**
   * Lets go of a descriptor that is about to be closed. Operations that wait for it go on, as they do in the
   * kernel, on a duplicate that ends with the last of them.
   */
  release(fd: number): void {
    const watch = this.#watches.get(fd)
    if (watch === undefined || watch.kept || watch.notify !== undefined) return
    this.#watches.delete(fd)
    if (watch.idle) return
    const heir = syscall('fcntl', fd, F.DUPFD_CLOEXEC, 0)
    this.#control(EPOLL_CTL.DEL, fd, 0)
    for (const list of [watch.readers, watch.writers, watch.polls]) {
      for (const pending of list) {
        list.remove(pending)
        // What goes on to a thread, or to another descriptor, would outlive the duplicate.
        const error = pending.blind ? EBADF : Math.min(heir, 0)
        if (error === 0) {
          pending.words[SQE_WORD.FD] = heir
          this.wait(pending, directionIn(watch, list))
        } else this.#unpollable(pending, error)
      }
    }
    const next = this.#watches.get(heir)
    if (next !== undefined) next.heir = true
  }

  /** Tells the kernel of everybody who has begun to wait: one crossing for many. */
  arm(): void {
    while (this.#dirty.length > 0) {
      const batch = this.#dirty.splice(0, CHANGES)
      this.#apply(batch.filter(watch => this.#needsArming(watch)))
    }
  }

  #needsArming(watch: Watch): boolean {
    watch.dirty = false
    return !watch.idle
  }

  #apply(watches: Watch[]): void {
    if (watches.length === 0) return
    this.calls++
    for (const [index, watch] of watches.entries()) {
      const event = index * EVENT_WORDS
      this.#changes[event] = watch.interest | EPOLL.ONESHOT
      this.#changes[event + DATA_WORD] = watch.fd
      const address = this.#changesAddress + event * 4
      const change = watch.registered ? EPOLL_CTL.MOD : EPOLL_CTL.ADD
      writeJob(this.#jobs, index * JOB_WORDS, SYSCALL.epoll_ctl, 0, this.#set.fd, change, watch.fd, address)
    }
    runJobs(this.#jobs, watches.length)
    const results = watches.map((_, index) => jobResult(this.#jobs, index * JOB_WORDS))
    for (const [index, watch] of watches.entries()) this.#armed(watch, results[index])
  }

  #armed(watch: Watch, result: number): void {
    const stale = watch.registered ? result === ENOENT : result === EEXIST
    watch.registered = result === 0 || result === EEXIST
    if (result === 0) return
    if (stale) {
      this.rearm(watch)
      return
    }
    for (const list of [watch.readers, watch.writers, watch.polls]) {
      for (const pending of list) {
        list.remove(pending)
        this.#unpollable(pending, result)
      }
    }
  }

  /** Asks which descriptors are ready. Never blocks. @param woken is given each, with its events */
  look(woken: (watch: Watch, events: number) => void): void {
    for (let look = 0; look < LOOKS; look++) {
      this.calls++
      const count = syscall('epoll_pwait', this.#set.fd, this.#events, EVENTS, 0, 0, 8)
      if (count === EINTR) continue
      for (let index = 0; index < count; index++) {
        const watch = this.#watches.get(this.#events[index * EVENT_WORDS + DATA_WORD])
        if (watch !== undefined) woken(watch, this.#events[index * EVENT_WORDS])
      }
      if (count < EVENTS) return
    }
  }

  /** Ends the set. */
  close(): void {
    this.#set.close()
  }
}

function keptEvents(pending: Pending): number {
  const level = (pending.words[SQE_WORD.LEN] & IORING_POLL.ADD_LEVEL) !== 0
  return pollMask(pending) | (level ? 0 : EPOLL.ET)
}

function directionIn(watch: Watch, list: Watch['readers']): Direction {
  if (list === watch.readers) return 'read'
  return list === watch.writers ? 'write' : 'poll'
}
