const SIGNALS = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const
/** Added to a signal's number: what a shell takes for death by that signal. */
const KILLED = 128

/**
 * Runs something that Ctrl-C, or being asked to end, ends early: it cleans up first. A second signal ends the process at once.
 *
 * @param work gives up when its signal is aborted
 * @returns what the work does, or the exit status where a signal has ended it, and what the work rejected with
 */
export async function interruptible<T>(
  work: (signal: AbortSignal) => Promise<T>,
): Promise<{ result: T } | { status: number; error: unknown }> {
  const controller = new AbortController()
  let status = 0
  const interrupt = (_: NodeJS.Signals, number: number) => {
    if (controller.signal.aborted) process.exit(KILLED + number)
    status = KILLED + number
    controller.abort()
  }
  for (const name of SIGNALS) process.on(name, interrupt)
  try {
    return { result: await work(controller.signal) }
  } catch (error) {
    if (!controller.signal.aborted) throw error
    return { status, error }
  } finally {
    for (const name of SIGNALS) process.off(name, interrupt)
  }
}
