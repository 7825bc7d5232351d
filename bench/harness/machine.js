import { execFileSync } from 'node:child_process'
import { loadavg, tmpdir } from 'node:os'
import { fingerprint } from '#dist/observe/index.js'
import { root } from '#scripts/run.js'

/** What a figure depends on besides the code, and which code it was. */
export function describeMachine() {
  return { ...fingerprint(tmpdir()), load: loadavg()[0], commit: commit() }
}

function commit() {
  try {
    return execFileSync('git', ['describe', '--always', '--dirty'], { cwd: root, encoding: 'utf8' }).trim()
  } catch {
    return undefined // Not a checkout.
  }
}
