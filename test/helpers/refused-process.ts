import type { Refusal } from './refuse-io-uring.js'

/**
 * What starts a Node to which io_uring is refused from its first line on:
 * `spawn(process.execPath, [...args, 'program.js'], { env })`. Speak to it through its standard streams: a channel of
 * `fork()` is lost on newer versions of Node.
 */
export function refusedProcess({ code, calls }: Refusal): { args: string[]; env: NodeJS.ProcessEnv } {
  const module = new URL('./refuse-io-uring-first.js', import.meta.url).href
  const refusal = calls === undefined ? code : `${code}:${calls.join(',')}`
  // The driver is to be chosen by what is refused, not by the pass of the suite that this is.
  const { SLUICE_DRIVER, ...inherited } = process.env
  return { args: ['--import', module], env: { ...inherited, SLUICE_TEST_REFUSE: refusal } }
}
