import assert from 'node:assert/strict'
import { type ChildProcess, spawn, spawnSync } from 'node:child_process'
import { once } from 'node:events'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(new URL('./main.js', import.meta.url))
const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-hangup-'))
const started: number[] = []
after(() => {
  for (const pid of started) if (runs(pid)) process.kill(pid, 'SIGKILL')
  fs.rmSync(folder, { recursive: true })
})
const noScript = spawnSync('script', ['--version']).status !== 0 && 'script(1) of util-linux is not there'

const read = (name: string) => {
  try {
    return fs.readFileSync(name, 'latin1')
  } catch {
    return ''
  }
}

async function until(holds: () => boolean): Promise<void> {
  while (!holds()) await new Promise(resolve => setTimeout(resolve, 10))
}

/** Whether a process runs: one that has ended may still wait for whoever its parent is. */
const runs = (pid: number) => !/^$|\) Z /.test(read(`/proc/${pid}/stat`))

/** Has a server run on a terminal that script(1) makes, its output in files. */
async function onTerminal(
  flags: string,
  use: (pid: number, terminal: ChildProcess, notes: () => string) => Promise<void>,
): Promise<void> {
  const out = path.join(folder, 'out')
  const err = path.join(folder, 'err')
  const serve = `"${process.execPath}" "${MAIN}" serve --port 0 --json ${flags} "${folder}"`
  fs.rmSync(out, { force: true })
  const terminal = spawn('script', ['-q', '-c', `exec ${serve} > "${out}" 2> "${err}"`, '/dev/null'], {
    stdio: ['pipe', 'ignore', 'inherit'],
    env: { ...process.env, SHELL: '/bin/sh' },
  })
  await until(() => read(out).includes('\n'))
  const children = read(`/proc/${terminal.pid}/task/${terminal.pid}/children`)
  const pid = Number.parseInt(children, 10)
  assert.ok(runs(pid), children)
  started.push(pid)
  await use(pid, terminal, () => read(err))
  terminal.kill('SIGKILL')
}

test('a server ends with the terminal that it was started on, wherever its output goes', {
  timeout: 30_000,
  skip: noScript,
}, async () => {
  for (const flags of ['', `--access-log "${folder}/log"`]) {
    await onTerminal(flags, async (pid, terminal, notes) => {
      terminal.kill('SIGKILL')
      await once(terminal, 'exit')
      await until(() => !runs(pid))
      assert.doesNotMatch(notes(), /Assertion failed/)
    })
  }
})

test('one with a log opens it anew at SIGHUP while its terminal is there', {
  timeout: 30_000,
  skip: noScript,
}, async () => {
  await onTerminal(`--access-log "${folder}/log"`, async (pid, _, notes) => {
    process.kill(pid, 'SIGHUP')
    await until(() => notes().includes('are opened anew'))
    assert.ok(runs(pid))
  })
})
