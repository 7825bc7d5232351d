import assert from 'node:assert/strict'
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'

const MAIN = fileURLToPath(import.meta.resolve('#dist/cli/main.js'))
const MANIFEST = JSON.parse(readFileSync(new URL('../../../package.json', import.meta.url), 'utf8'))
const FACES = Object.values(MANIFEST.exports as Record<string, string | { default: string }>)
  .filter(target => typeof target !== 'string')
  .map(target => import.meta.resolve(`#${target.default.slice(2)}`))

const folder = mkdtempSync(join(tmpdir(), 'sluice-no-binary-'))
after(() => rmSync(folder, { recursive: true }))
const broken = join(folder, 'broken.node')
writeFileSync(broken, 'no binary')
// Node loads either in the binary's place, and neither has what this version calls.
const old = join(folder, 'old.cjs')
writeFileSync(old, "exports.version = '0.0.1'")
const nameless = join(folder, 'nameless.cjs')
writeFileSync(nameless, 'exports.syscall = () => 0')

/** What may stand where the binary should, with what the error says of it. */
const BINARIES = [
  [
    'missing',
    join(folder, 'missing.node'),
    'MODULE_NOT_FOUND',
    /reinstall the package, or run "npm run build"/,
  ],
  ['no binary at all', broken, 'ERR_DLOPEN_FAILED', /does not fit this system; run "npm run build"/],
  [
    'of another version',
    old,
    null,
    /is of version 0\.0\.1, and this is .*; reinstall the package, or run "npm run build"/,
  ],
  ['of no version', nameless, null, /is of an unknown version, .*; reinstall the package/],
] as const

const CALLS = `
  const { open, engine, probe, listen, connect, serve, transfer, copyFile, isSupported } = faces[0]
  const { Ring } = await import(${JSON.stringify(import.meta.resolve('#dist/ring/index.js'))})
  const { Arena, Mapping } = await import(${JSON.stringify(import.meta.resolve('#dist/memory/index.js'))})
  const calls = {
    open: () => open('/'), engine: () => engine(), probe: () => probe('/'), ring: () => new Ring(),
    listen: () => listen({ port: 0 }, () => {}), connect: () => connect({ port: 1 }),
    serve: () => serve({ root: '/', port: 0 }), copyFile: () => copyFile('/a', '/b'),
    transfer: () => transfer(0, 1), arena: () => new Arena({ blockSize: 4096, blocks: 1 }),
    mapping: () => new Mapping({ length: 4096 }),
  }
  const codes = {}
  for (const [name, call] of Object.entries(calls)) {
    const error = await (async () => call())().then(() => ({ code: 'no error' }), error => error)
    codes[name] = [error.code, error.message, error.cause?.code]
  }
  console.log(JSON.stringify({ supported: isSupported(), codes }))
`

for (const [what, path, cause, fix] of BINARIES) {
  const env = { ...process.env, SLUICE_NATIVE: path }
  test(`where the native binary is ${what}, everything is importable and each call says what to do`, () => {
    const program = `
      const faces = []
      for (const face of ${JSON.stringify(FACES)}) faces.push(await import(face))
      ${CALLS}`
    const output = execFileSync(process.execPath, ['--input-type=module', '--eval', program], {
      encoding: 'utf8',
      env,
      timeout: 30_000,
    })
    const { supported, codes } = JSON.parse(output) as {
      supported: boolean
      codes: Record<string, [string, string, string]>
    }
    assert.equal(supported, false)
    for (const [call, [code, message, causeCode]] of Object.entries(codes)) {
      assert.equal(code, 'ERR_SLUICE_NATIVE', `${call}: ${message}`)
      assert.ok(message.includes(path), `${call}: ${message}`)
      assert.match(message, fix, call)
      assert.equal(causeCode, cause, call)
    }
  })

  // It is found out at the same place: one of them is enough for a verb's sake.
  if (cause === null) continue

  test(`where the native binary is ${what}, every verb says so in a line and exits 1`, () => {
    for (const verb of [['probe'], ['lab', '--quick'], ['cp', '/a', '/b'], ['cache', MAIN], ['serve', '/']]) {
      const { status, stderr, stdout } = spawnSync(process.execPath, [MAIN, ...verb], {
        encoding: 'utf8',
        env,
        timeout: 30_000,
      })
      assert.equal(status, 1, `${verb[0]}: ${stderr}`)
      assert.equal(stdout, '', verb[0])
      assert.match(stderr, new RegExp(`^sluice ${verb[0]}: The native binary .* cannot be loaded: .*\\n$`))
    }
  })
}

test('on another system everything is importable, nothing is supported, and each call says so', () => {
  const program = `
    Object.defineProperty(process, 'platform', { value: 'darwin' })
    const faces = []
    for (const face of ${JSON.stringify(FACES)}) faces.push(await import(face))
    ${CALLS}`
  const args = ['--input-type=module', '--eval', program]
  const output = execFileSync(process.execPath, args, { encoding: 'utf8', timeout: 30_000 })
  const { supported, codes } = JSON.parse(output)
  assert.equal(supported, false)
  for (const [call, [code, message]] of Object.entries<[string, string]>(codes)) {
    assert.deepEqual([code, message], ['ERR_SLUICE_UNSUPPORTED', 'Sluice needs Linux; this is darwin'], call)
  }
})

test('the package can be installed on every system', () => {
  assert.deepEqual([MANIFEST.os, MANIFEST.cpu], [undefined, undefined])
})
