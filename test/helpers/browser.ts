import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Readable, Writable } from 'node:stream'
import { setTimeout } from 'node:timers/promises'
import { ensureDebianPackages, findProgram } from '#scripts/setup.js'

/** After which a browser that is still there is killed, with everything that waits for it. */
const LIFETIME_MS = 120_000
/** After which a question to the browser has failed. */
const ANSWER_MS = 30_000
const POLL_MS = 20

/** How a page is looked at. */
export interface Look {
  width: number
  height?: number
  dark?: boolean
  /** Whether the page's script may run; true by default. */
  script?: boolean
}

/** The looks that every page is tried in: narrow and wide, light and dark. */
export const LOOKS: readonly Look[] = [360, 1280].flatMap(width => [
  { width, dark: false },
  { width, dark: true },
])

/** An expression for what makes a page wider than its window; an empty array where nothing does. */
export const overflow = `(() => {
  const wide = document.documentElement.scrollWidth
  if (wide <= innerWidth) return []
  return [wide, ...[...document.querySelectorAll('body *')].filter(element => element.getBoundingClientRect().right > innerWidth + 1)
    .map(element => element.outerHTML.slice(0, 80)).slice(0, 5)]
})()`

/**
 * An expression for the texts of a page that stand out too little from what is behind them.
 *
 * @see WCAG 2.2, success criterion 1.4.3: a contrast of 4.5
 */
export const unreadable = `(() => {
  const canvas = document.createElement('canvas')
  const context = Object.assign(canvas, { width: 1, height: 1 }).getContext('2d', { willReadFrequently: true })
  const rgba = color => {
    context.clearRect(0, 0, 1, 1)
    context.fillStyle = color
    context.fillRect(0, 0, 1, 1)
    return [...context.getImageData(0, 0, 1, 1).data]
  }
  const ground = element => {
    for (let at = element; at !== null; at = at.parentElement) {
      const color = rgba(getComputedStyle(at).backgroundColor)
      if (color[3] > 200) return color
    }
    return [255, 255, 255, 255]
  }
  const light = ([r, g, b]) => {
    const [x, y, z] = [r, g, b].map(v => v / 255).map(v => (v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4))
    return 0.2126 * x + 0.7152 * y + 0.0722 * z
  }
  const bad = []
  for (const element of document.querySelectorAll('body *')) {
    const own = [...element.childNodes].some(node => node.nodeType === 3 && node.data.trim() !== '')
    if (!own || !element.checkVisibility() || element.closest('script, style, svg')) continue
    const [a, b] = [light(rgba(getComputedStyle(element).color)), light(ground(element))].sort((x, y) => y - x)
    const contrast = (a + 0.05) / (b + 0.05)
    if (contrast < 4.5) bad.push(contrast.toFixed(2) + ' ' + element.outerHTML.slice(0, 80))
  }
  return bad.slice(0, 10)
})()`

type Params = Record<string, unknown>
type Ask = (method: string, params?: Params) => Promise<Params>
interface Message {
  id?: number
  method?: string
  params?: Params
  result?: Params
  error?: { message: string }
  sessionId?: string
}

interface Waiting {
  resolve: (result: Params) => void
  reject: (error: Error) => void
  timer: NodeJS.Timeout
}

/** Why there is no browser here, after trying to install one; undefined where there is. */
export async function noBrowser(): Promise<string | undefined> {
  if (findProgram('chromium') !== undefined || (await ensureDebianPackages(['chromium']))) return undefined
  return 'the Debian package chromium is missing and cannot be installed here'
}

/** A page that is open, with everything that it complained about. */
export class BrowserPage {
  /** Errors of its scripts and its console, requests that failed, and what its policy forbade. */
  readonly complaints: string[] = []
  /** Addresses that it asked for. */
  readonly requests: string[] = []
  readonly #ask: Ask

  constructor(ask: Ask) {
    this.#ask = ask
  }

  /** What the browser tells of the page. */
  heard({ method, params = {} }: Message): void {
    if (method === 'Runtime.exceptionThrown') this.complaints.push(JSON.stringify(params.exceptionDetails))
    if (method === 'Log.entryAdded') {
      const { level, text } = params.entry as { level: string; text: string }
      if (level === 'error' || level === 'warning') this.complaints.push(text)
    }
    if (
      method === 'Runtime.consoleAPICalled' &&
      ['error', 'warning', 'assert'].includes(params.type as string)
    )
      this.complaints.push(JSON.stringify(params.args))
    if (method === 'Network.loadingFailed') this.complaints.push(String(params.errorText))
    if (method === 'Network.requestWillBeSent') {
      const { url } = params.request as { url: string }
      if (!url.startsWith('data:')) this.requests.push(url)
    }
  }

  /** The value of an expression, once it is settled. @throws what it threw */
  async evaluate<T>(expression: string): Promise<T> {
    const { result, exceptionDetails } = (await this.#ask('Runtime.evaluate', {
      expression,
      awaitPromise: true,
      returnByValue: true,
    })) as { result: { value: T }; exceptionDetails?: unknown }
    if (exceptionDetails !== undefined) throw new Error(JSON.stringify(exceptionDetails))
    return result.value
  }

  /** Waits until an expression is true. @throws where it is not in time */
  async until(expression: string): Promise<void> {
    // Asked from here: a page whose script may not run has no timers either.
    const end = performance.now() + ANSWER_MS
    while (!(await this.evaluate<boolean>(expression))) {
      if (performance.now() > end) throw new Error(`never became true: ${expression}`)
      await setTimeout(POLL_MS)
    }
  }

  /** Types a key, such as `Tab` or `Enter`. */
  async press(key: string): Promise<void> {
    const codes: Record<string, number> = { Tab: 9, Enter: 13, ArrowRight: 39 }
    const event = {
      key,
      code: key,
      windowsVirtualKeyCode: codes[key],
      ...(key === 'Enter' ? { text: '\r' } : {}),
    }
    await this.#ask('Input.dispatchKeyEvent', { type: 'keyDown', ...event })
    await this.#ask('Input.dispatchKeyEvent', { type: 'keyUp', ...event })
  }

  /** Closes it. */
  async close(): Promise<void> {
    await this.#ask('Page.close')
  }

  /** Writes a picture of a part of the page, for whoever wants to see it. */
  async picture(file: string, clip: { x: number; y: number; width: number; height: number }): Promise<void> {
    const options = { captureBeyondViewport: true, clip: { ...clip, scale: 1 } }
    const { data } = await this.#ask('Page.captureScreenshot', options)
    writeFileSync(file, Buffer.from(data as string, 'base64'))
  }
}

/**
 * Chromium without a window, spoken to over its pipe (descriptors 3 and 4, messages parted by NUL), which needs no port
 * and no WebSocket.
 */
export class Browser {
  readonly #child: ChildProcess
  readonly #folder: string
  readonly #waiting = new Map<number, Waiting>()
  readonly #pages = new Map<string, BrowserPage>()
  readonly #lifetime: NodeJS.Timeout
  #last = 0
  #rest = ''
  #trouble = ''

  private constructor() {
    this.#folder = mkdtempSync(join(tmpdir(), 'sluice-browser-'))
    const args = [
      '--headless',
      '--no-sandbox',
      '--remote-debugging-pipe',
      '--disable-gpu',
      '--disable-dev-shm-usage',
      '--disable-background-networking',
      '--disable-component-update',
      '--no-first-run',
      '--hide-scrollbars',
      `--user-data-dir=${this.#folder}`,
      'about:blank',
    ]
    // A home of its own: it writes there, and in a pass as an ordinary user there is none.
    const env = { ...process.env, HOME: this.#folder, NODE_OPTIONS: '', LD_PRELOAD: '' }
    const stdio = ['ignore', 'ignore', 'pipe', 'pipe', 'pipe'] as const
    this.#child = spawn('chromium', args, { env, stdio: [...stdio], detached: true })
    this.#child.once('error', error => this.#fail(error))
    this.#child.once('exit', () => this.#fail(new Error(`chromium ended: ${this.#trouble.slice(-500)}`)))
    this.#child.stderr?.setEncoding('utf8').on('data', text => {
      this.#trouble += text
    })
    const output = this.#child.stdio[4] as Readable
    output.setEncoding('utf8').on('data', (text: string) => this.#receive(text))
    const input = this.#child.stdio[3] as Writable
    for (const stream of [input, output]) stream.on('error', error => this.#fail(error))
    this.#lifetime = globalThis.setTimeout(() => this.#kill(), LIFETIME_MS)
  }

  /** Starts it. @throws where it cannot be spoken to */
  static async launch(): Promise<Browser> {
    const browser = new Browser()
    try {
      await browser.#ask('Browser.getVersion', {})
      return browser
    } catch (error) {
      await browser.close()
      throw error
    }
  }

  #receive(text: string): void {
    const messages = (this.#rest + text).split('\0')
    this.#rest = messages.pop() ?? ''
    for (const message of messages) this.#heard(JSON.parse(message) as Message)
  }

  #heard(message: Message): void {
    const { id, sessionId = '', result = {}, error } = message
    if (id === undefined) {
      this.#pages.get(sessionId)?.heard(message)
      return
    }
    const waiting = this.#waiting.get(id)
    if (waiting === undefined) return
    this.#waiting.delete(id)
    clearTimeout(waiting.timer)
    if (error === undefined) waiting.resolve(result)
    else waiting.reject(new Error(error.message))
  }

  #ask(method: string, params: Params, sessionId?: string): Promise<Params> {
    const id = ++this.#last
    const input = this.#child.stdio[3] as Writable
    return new Promise((resolve, reject) => {
      const late = () => {
        this.#waiting.delete(id)
        reject(new Error(`chromium gave no answer to ${method}`))
      }
      this.#waiting.set(id, { resolve, reject, timer: globalThis.setTimeout(late, ANSWER_MS) })
      input.write(`${JSON.stringify({ id, method, params, sessionId })}\0`)
    })
  }

  /** Opens a page, and waits until it is loaded. */
  async open(url: string, { width, height = 900, dark = false, script = true }: Look): Promise<BrowserPage> {
    const { targetId } = await this.#ask('Target.createTarget', { url: 'about:blank' })
    const { sessionId } = await this.#ask('Target.attachToTarget', { targetId, flatten: true })
    const ask = (method: string, params: Params = {}) => this.#ask(method, params, sessionId as string)
    const page = new BrowserPage(ask)
    this.#pages.set(sessionId as string, page)
    for (const domain of ['Page', 'Runtime', 'Log', 'Network']) await ask(`${domain}.enable`)
    const metrics = { width, height, deviceScaleFactor: 1, mobile: width < 600 }
    await ask('Emulation.setDeviceMetricsOverride', metrics)
    const features = [{ name: 'prefers-color-scheme', value: dark ? 'dark' : 'light' }]
    await ask('Emulation.setEmulatedMedia', { features })
    if (!script) await ask('Emulation.setScriptExecutionDisabled', { value: true })
    await ask('Page.navigate', { url })
    await page.until('location.href !== "about:blank" && document.readyState === "complete"')
    return page
  }

  #fail(error: Error): void {
    for (const { reject, timer } of this.#waiting.values()) {
      clearTimeout(timer)
      reject(error)
    }
    this.#waiting.clear()
  }

  #kill(): void {
    // It leads a group of its own, in which are the processes that draw.
    if (this.#child.pid === undefined || this.#child.exitCode !== null) return
    try {
      process.kill(-this.#child.pid, 'SIGKILL')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ESRCH') throw error
    }
  }

  /** Ends it, and removes what it wrote. Idempotent. */
  async close(): Promise<void> {
    clearTimeout(this.#lifetime)
    const { pid, exitCode, signalCode } = this.#child
    if (pid !== undefined && exitCode === null && signalCode === null) {
      const ended = once(this.#child, 'exit')
      this.#kill()
      await ended
    }
    rmSync(this.#folder, { recursive: true, force: true, maxRetries: 5, retryDelay: 100 })
  }
}
