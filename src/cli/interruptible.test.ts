import assert from 'node:assert/strict'
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import test from 'node:test'
import { interruptible } from './interruptible.js'

const MODULE = new URL('./interruptible.js', import.meta.url).href

test('work that ends or fails by itself is told as it is', async () => {
  assert.deepEqual(await interruptible(async () => 7), { result: 7 })
  await assert.rejects(
    interruptible(async () => {
      throw new Error('of its own')
    }),
    /of its own/,
  )
})

for (const [name, status] of [
  ['SIGINT', 130],
  ['SIGTERM', 143],
] as const) {
  test(`a second ${name} ends at once what does not give up after the first`, async () => {
    const program = `import { interruptible } from ${JSON.stringify(MODULE)}
      setInterval(() => {}, 1000)
      const begun = interruptible(signal => {
        signal.addEventListener('abort', () => console.log('aborted'))
        return new Promise(() => {})
      })
      console.log('begun')
      await begun`
    const child = spawn(process.execPath, ['--input-type=module', '--eval', program], {
      stdio: ['ignore', 'pipe', 'inherit'],
    })
    child.stdout.setEncoding('utf8')
    const exited = once(child, 'exit')
    let said = ''
    for await (const text of child.stdout) {
      said += text
      child.kill(name)
    }
    assert.equal(said, 'begun\naborted\n')
    assert.deepEqual(await exited, [status, null])
  })
}
