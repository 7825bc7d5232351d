import { spawnSync } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { setTimeout as delay } from 'node:timers/promises'

/** So long the disks must do nothing. */
const REST_MS = 250
const LOOKS_MOST = 60

/**
 * Writes what is dirty, and waits until the disks do nothing, 15 s at most: what was removed is discarded behind our back, and
 * nobody is to pay for what another has left.
 */
export async function diskRest() {
  spawnSync('sync')
  let before = ''
  for (let looks = 0; looks < LOOKS_MOST; looks++) {
    const counters = readFileSync('/proc/diskstats', 'utf8')
    if (counters === before) return
    before = counters
    await delay(REST_MS)
  }
}
