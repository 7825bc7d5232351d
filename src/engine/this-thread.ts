import { Engine } from './engine.js'
import type { EngineOptions } from './select-driver.js'

let own: Engine | undefined

/**
 * This thread's engine, made at first use, and anew after it has been closed.
 *
 * @param options count only for the call that makes it
 */
export function engine(options?: EngineOptions): Engine {
  if (own === undefined || !own.isOpen) own = new Engine(options)
  return own
}
