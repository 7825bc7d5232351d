import { Worker } from 'node:worker_threads'
import {
  checkInteger,
  F,
  invalidArgType,
  invalidArgValue,
  outOfRange,
  SluiceError,
  SO,
  SOL,
  type SocketAddress,
  syscall,
  systemError,
} from '../kernel/index.js'
import { type AddressOptions, bindAddress, openListening } from './open-listening.js'
import {
  type ConnectionHandler,
  checkCloseOptions,
  type ListenerStats,
  MAX_TIMEOUT,
  type ServingOptions,
} from './serving-options.js'
import { socketAddress } from './socket-address.js'
import { setOption, type TcpOptions } from './socket-options.js'
import { removeSocketName } from './stale-name.js'

const MAX_WORKERS = 1024
/** How long after its end a worker is replaced. */
const RESTART_MS = 1000
/** How long after the time-out of `close()` a thread that has not ended by itself is terminated. */
const GRACE_MS = 1000

/** How to listen in worker threads. */
export interface WorkerListenOptions extends AddressOptions, TcpOptions, Omit<ServingOptions, 'onError'> {
  /** How many threads. `maxConnections` is of all of them together: each may have its part, which is one at least. */
  workers: number
  /** The module that serves, in the thread, as a {@link WorkerModule}: an absolute path or a `file:` URL. */
  module: string | URL
  /** Given to the module's `start()`; what can be cloned, or shared. */
  data?: unknown
  /** A listening socket's descriptor instead of an address. It is taken over, and shared. */
  fd?: number
  /**
   * How connections find a thread. `port`, the default of TCP: each thread has a socket of its own, between which the
   * kernel chooses by the peer's address. `socket`: the threads take turns at one, and the one that is free is quicker.
   */
  share?: 'port' | 'socket'
  /** As of a listener; and a thread that has ended, which is replaced after a second. */
  onError?: (error: Error) => void
}

/** What the module of `listen({ workers, module })` exports. */
export interface WorkerModule {
  /** Serves each connection. */
  default: ConnectionHandler
  /** Called before the thread listens. @param thread 0 to one less than there are; a replacement has its predecessor's */
  start?(data: unknown, thread: number): void | Promise<void>
  /** Answers what `ask()` asks. */
  answer?(question: unknown): unknown
  /** The listener is about to close: no connection will be taken. */
  closing?(): void
  /** The listener has closed, and every connection. */
  closed?(): Promise<void>
}

/** What a thread is told. */
export type WorkerRequest =
  | { kind: 'stats'; id: number }
  | { kind: 'ask'; id: number; question: unknown }
  | { kind: 'close'; timeout: number }

/** What a thread tells. */
export type WorkerReport =
  | { kind: 'listening' }
  | { kind: 'error'; error: Error; code: string | undefined }
  | { kind: 'stats'; id: number; stats: ListenerStats }
  | { kind: 'answer'; id: number; answer: unknown; error: Error | undefined; code: string | undefined }

/** What a thread begins with. */
export interface WorkerTask {
  readonly module: string
  readonly data: unknown
  readonly thread: number
  readonly options: ServingOptions & TcpOptions & AddressOptions & { fd?: number }
}

/**
 * Makes the socket that keeps a port for the threads' own. It is bound before it may be shared: a port on which another
 * server's threads listen is in use, but for who asks to share it. (Two that start at the same moment do not see each other.)
 */
async function keepPort(options: AddressOptions & TcpOptions): Promise<number> {
  const fd = await bindAddress(options)
  try {
    setOption(fd, SOL.SOCKET, SO.REUSEPORT, 1)
    return fd
  } catch (error) {
    syscall('close', fd)
    throw error
  }
}

/** A listener in several threads, each with a ring of its own. It keeps the process alive until it is closed. */
export class WorkerListener implements AsyncDisposable {
  readonly #options: WorkerListenOptions
  /** The socket that is shared, or that keeps the port for the threads' own. */
  readonly #fd: number
  readonly #address: SocketAddress | undefined
  readonly #workers = new Set<Worker>()
  readonly #serving = new Set<Worker>()
  readonly #restarts = new Set<NodeJS.Timeout>()
  #background = false
  /** It could not be started, of which one failure is enough. */
  #failed = false
  #closing: Promise<void> | undefined
  #questions = 0

  private constructor(options: WorkerListenOptions, fd: number) {
    this.#options = options
    this.#fd = fd
    this.#address = socketAddress(fd, 'getsockname')
  }

  /** Starts the threads. @returns once all of them listen */
  static async start(options: WorkerListenOptions): Promise<WorkerListener> {
    check(options)
    const { onError: _, module: __, data: ___, ...plain } = options
    const fd = options.fd ?? (await (isShared(options) ? openListening(plain) : keepPort(plain)))
    const listener = new WorkerListener(options, fd)
    try {
      await Promise.all(Array.from({ length: options.workers }, async (_, thread) => listener.#start(thread)))
      return listener
    } catch (error) {
      listener.#failed = true
      await listener.close({ timeout: 0 })
      throw error
    }
  }

  /** Where it listens. */
  address(): SocketAddress | undefined {
    return this.#address
  }

  /** The port it listens on; 0 for a Unix socket. */
  get port(): number {
    return this.#address !== undefined && 'port' in this.#address ? this.#address.port : 0
  }

  /** Threads that serve now. */
  get workers(): number {
    return this.#serving.size
  }

  /** What the threads that serve now have done so far, together. */
  async stats(): Promise<ListenerStats> {
    const sum = { accepted: 0, connections: 0, pauses: 0 }
    const id = this.#questions++
    const answers = [...this.#serving].map(worker => {
      this.#tell(worker, { kind: 'stats', id })
      return reportOf(worker, report =>
        report.kind === 'stats' && report.id === id ? report.stats : undefined,
      )
    })
    for (const stats of await Promise.all(answers)) {
      sum.accepted += stats?.accepted ?? 0
      sum.connections += stats?.connections ?? 0
      sum.pauses += stats?.pauses ?? 0
    }
    return sum
  }

  /**
   * Has every thread that serves now answer a question.
   *
   * @returns what the modules' `answer()` gave, but for threads that have ended meanwhile
   * @throws what the first one has thrown
   */
  async ask(question: unknown): Promise<unknown[]> {
    const id = this.#questions++
    const asked = [...this.#serving].map(worker => {
      this.#tell(worker, { kind: 'ask', id, question })
      return reportOf(worker, report => (report.kind === 'answer' && report.id === id ? report : undefined))
    })
    const answers = (await Promise.all(asked)).filter(report => report !== undefined)
    for (const { error, code } of answers) {
      if (error !== undefined) throw code === undefined ? error : Object.assign(error, { code })
    }
    return answers.map(report => report.answer)
  }

  #tell(worker: Worker, request: WorkerRequest): void {
    worker.postMessage(request)
  }

  /** @returns once the thread listens. @throws what keeps it from being made */
  #start(thread: number): Promise<void> {
    const worker = this.#make(this.#task(thread))
    if (this.#background) worker.unref()
    this.#workers.add(worker)
    let failure: Error | undefined
    worker.on('error', error => {
      failure = error as Error
      this.#report(failure)
    })
    worker.on('message', (report: WorkerReport) => {
      if (report.kind === 'error') this.#report(Object.assign(report.error, { code: report.code }))
    })
    worker.on('exit', code => {
      this.#workers.delete(worker)
      this.#serving.delete(worker)
      if (this.#closing !== undefined) return
      if (failure === undefined) this.#report(ended(code))
      this.#startAgain(thread)
    })
    return reportOf(worker, report => (report.kind === 'listening' ? true : undefined)).then(listening => {
      if (listening === undefined) throw failure ?? ended(0)
      this.#serving.add(worker)
    })
  }

  #make(task: WorkerTask): Worker {
    try {
      return new Worker(new URL('./worker-main.js', import.meta.url), { workerData: task })
    } catch (error) {
      // What cannot be cloned. The descriptor was for the thread.
      if (isShared(this.#options)) syscall('close', task.options.fd ?? -1)
      throw error
    }
  }

  #task(thread: number): WorkerTask {
    const { workers, module, data, share: _, onError: __, maxConnections = Infinity, ...rest } = this.#options
    const options = { ...rest, maxConnections: part(maxConnections, workers, thread) }
    const address = this.#address !== undefined && 'port' in this.#address ? this.#address : undefined
    const task = { module: module instanceof URL ? module.href : module, data, thread }
    if (!isShared(this.#options)) {
      return {
        ...task,
        options: { ...options, host: address?.address ?? '', port: this.port, reusePort: true },
      }
    }
    const fd = syscall('fcntl', this.#fd, F.DUPFD_CLOEXEC, 0)
    if (fd < 0) throw systemError(fd, 'fcntl')
    return { ...task, options: { ...options, fd, shared: true } }
  }

  #startAgain(thread: number): void {
    const timer = setTimeout(() => {
      this.#restarts.delete(timer)
      try {
        // What keeps it from listening is reported by its own events.
        this.#start(thread).catch(() => {})
      } catch (error) {
        // For want of a descriptor, for one.
        this.#report(error as Error)
        this.#startAgain(thread)
      }
    }, RESTART_MS)
    if (this.#background) timer.unref()
    this.#restarts.add(timer)
  }

  /** Has it keep the process alive again. */
  ref(): this {
    this.#background = false
    for (const held of [...this.#workers, ...this.#restarts]) held.ref()
    return this
  }

  /** Lets the process end although the threads listen. */
  unref(): this {
    this.#background = true
    for (const held of [...this.#workers, ...this.#restarts]) held.unref()
    return this
  }

  #report(error: Error): void {
    if (this.#failed) return
    if (this.#options.onError === undefined) process.emitWarning(error)
    else this.#options.onError(error)
  }

  /**
   * Ends it as a listener's `close()` does, in every thread. One that has not ended a second after the time-out, since
   * its event loop is held up or its module still starts, is terminated.
   *
   * @param options `timeout` in milliseconds until connections are destroyed; 5000 by default
   * @returns when the threads have ended
   */
  async close(options: { timeout?: number } = {}): Promise<void> {
    checkCloseOptions(options)
    this.#closing ??= this.#close(options.timeout ?? 5000)
    await this.#closing
  }

  async #close(timeout: number): Promise<void> {
    // Whoever waits for the end is not to be left by the process.
    this.ref()
    for (const timer of this.#restarts) clearTimeout(timer)
    const exits = [...this.#workers].map(exited)
    for (const worker of this.#workers) this.#tell(worker, { kind: 'close', timeout })
    const terminate = () => {
      for (const worker of this.#workers) void worker.terminate()
    }
    const timer =
      timeout === Infinity ? undefined : setTimeout(terminate, Math.min(timeout + GRACE_MS, MAX_TIMEOUT))
    await Promise.all(exits)
    clearTimeout(timer)
    syscall('close', this.#fd)
    if (this.#options.fd === undefined) removeSocketName(this.#options.path)
  }

  /** As `close()`. */
  [Symbol.asyncDispose](): Promise<void> {
    return this.close()
  }
}

/** @returns what a report gives, as soon as one gives something; undefined when the thread ends before */
function reportOf<T>(worker: Worker, pick: (report: WorkerReport) => T | undefined): Promise<T | undefined> {
  return new Promise(resolve => {
    const settle = (value: T | undefined) => {
      worker.off('message', onMessage)
      worker.off('exit', onExit)
      resolve(value)
    }
    const onExit = () => settle(undefined)
    const onMessage = (report: WorkerReport) => {
      const value = pick(report)
      if (value !== undefined) settle(value)
    }
    worker.on('message', onMessage)
    worker.on('exit', onExit)
  })
}

/** @returns when the thread has ended, also by an error */
function exited(worker: Worker): Promise<void> {
  return new Promise(resolve => worker.once('exit', () => resolve()))
}

/** What of a whole a thread has: the first ones have what is left over. */
function part(whole: number, workers: number, thread: number): number {
  return whole === Infinity ? whole : Math.floor(whole / workers) + (thread < whole % workers ? 1 : 0)
}

function isShared({ path, fd, share }: WorkerListenOptions): boolean {
  return share === undefined ? path !== undefined || fd !== undefined : share === 'socket'
}

function check(options: WorkerListenOptions): void {
  const { workers, module, share, path, fd, maxConnections = Infinity } = options
  if (share !== undefined && share !== 'port' && share !== 'socket') {
    throw invalidArgValue('options.share', share, 'is not port or socket')
  }
  checkInteger(workers, 'options.workers', 1, MAX_WORKERS)
  if (maxConnections < workers) {
    throw outOfRange(
      'options.maxConnections',
      `>= ${workers}, one for each of options.workers`,
      maxConnections,
    )
  }
  if (typeof module !== 'string' && !(module instanceof URL)) {
    throw invalidArgType('options.module', 'of type string or an instance of URL', module)
  }
  if (share === 'port' && (path !== undefined || fd !== undefined)) {
    throw new SluiceError(
      'ERR_SLUICE_UNSUPPORTED',
      'Unix sockets cannot share a name: use { share: "socket" }',
    )
  }
}

function ended(code: number): Error {
  return new Error(`A worker that listens has ended with code ${code}`)
}
