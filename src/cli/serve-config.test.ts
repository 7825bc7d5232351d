import assert from 'node:assert/strict'
import fs from 'node:fs'
import os from 'node:os'
import path from 'node:path'
import { after, test } from 'node:test'
import { fileURLToPath } from 'node:url'
import { nearest } from './near-miss.js'
import { readServeConfig } from './serve-config.js'
import { flagOf, SERVE_OPTIONS, variableOf } from './serve-options.js'
import { serveSchema } from './serve-schema.js'

const folder = fs.mkdtempSync(path.join(os.tmpdir(), 'sluice-config-'))
const file = path.join(folder, 'sluice.json')
after(() => fs.rmSync(folder, { recursive: true }))

async function read(sources: {
  flags?: object
  environment?: object
  file?: string
  root?: string
}): Promise<object> {
  if (sources.file !== undefined) fs.writeFileSync(file, sources.file)
  const from = sources.file === undefined ? undefined : file
  const environment = { ...sources.environment }
  return (await readServeConfig({ ...sources.flags }, sources.root, from, environment)).options
}

test('flags win over the environment, and that over the file', async () => {
  const options = await read({
    file: JSON.stringify({ port: 1, host: 'a', cors: '*', immutable: ['*.js'], tls: { cert: 'c' } }),
    environment: {
      SLUICE_SERVE_PORT: '2',
      SLUICE_SERVE_HOST: 'b',
      SLUICE_SERVE_CLEAN_URLS: 'true',
      SLUICE_SERVE_TLS_KEY: 'k',
    },
    flags: { port: '3', 'cache-control': 'false', listing: true, sidecars: false, 'head-limits-line': '100' },
    root: 'www',
  })
  assert.deepEqual(options, {
    root: 'www',
    port: 3,
    host: 'b',
    cors: '*',
    immutable: ['*.js'],
    cleanUrls: true,
    listing: true,
    cacheControl: false,
    sidecars: false,
    tls: { cert: 'c', key: 'k' },
    headLimits: { line: 100 },
  })
})

test('what is wrong in a file is told by file, key, what was found and what is expected', async () => {
  const refused: [content: string, message: RegExp][] = [
    ['{"port":"1"}', /sluice\.json:1:2: 'port' is to be a whole number from 0 to 65535, not "1"/],
    ['{"port":65536}', /'port' is to be a whole number from 0 to 65535, not 65536/],
    ['{"cacheMs":1.5}', /'cacheMs' is to be a whole number .*, not 1\.5/],
    ['{"prot":1}', /sluice\.json:1:2: there is no option 'prot'\. Did you mean 'port'\?/],
    ['{"cleanURLs":true}', /no option 'cleanURLs'\. Did you mean 'cleanUrls'\?/],
    // Not the key of that name in another object, nor one that is a value.
    [
      '{\n  "headers": { "host": { "prot": "a\\"}:" } },\n  "cors": "prot",\n    "prot": 1\n}',
      /sluice\.json:4:5: there is no option 'prot'/,
    ],
    ['{\n  "key": 1 }', /sluice\.json:2:3: there is no option 'key'/],
    ['{\n"tls": {\n  "certt": "x"}}', /sluice\.json:3:3: there is no option 'tls\.certt'/],
    ['{"tls":{"certt":"x"}}', /no option 'tls\.certt'\. Did you mean 'tls\.cert'\?/],
    ['{"tls":"x"}', /'tls' is to be an object, not "x"/],
    ['{"quite-another-thing":1}', /no option 'quite-another-thing'\.$/],
    ['{"symlinks":"some"}', /'symlinks' is to be one of beneath, deny, follow, not "some"/],
    ['{"immutable":"*.js"}', /'immutable' is to be an array of strings, not "\*\.js"/],
    ['{"index":true}', /'index' is to be an array of strings, or false, not true/],
    ['{"headers":{"*":{"A":1}}}', /'headers' is to be an object of objects of strings/],
    ['[]', /sluice\.json is to hold a JSON object/],
    ['{\n  "port": 1,\n  oops\n}', /sluice\.json:3:3 is no JSON/],
    ['{\n"port": 1', /sluice\.json:2:\d+ is no JSON/],
    ['{"__proto__":1}', /no option '__proto__'/],
  ]
  for (const [content, message] of refused)
    await assert.rejects(read({ file: content }), { name: 'UsageError', message })
  const absent = readServeConfig({}, undefined, path.join(folder, 'absent.json'), {})
  await assert.rejects(absent, { name: 'UsageError', message: /absent\.json cannot be read: ENOENT/ })
})

test('pairs come as a flag or a variable, or as an object in a file', async () => {
  const options = await read({
    file: JSON.stringify({ types: { a: 'text/a' }, redirects: { '/old': '/new' } }),
    environment: { SLUICE_SERVE_REDIRECTS: '/a=/b?x=1,/c/*=302 /d/*' },
    flags: { types: ['data=application/x-data', 'glb=model/gltf-binary'] },
  })
  assert.deepEqual(options, {
    root: '.',
    host: '127.0.0.1',
    types: { data: 'application/x-data', glb: 'model/gltf-binary' },
    redirects: { '/a': '/b?x=1', '/c/*': '302 /d/*' },
  })
  const wrong = /^--types is to be an object of strings, as a flag NAME=VALUE, not \["data"\]/
  await assert.rejects(read({ flags: { types: ['data'] } }), { name: 'UsageError', message: wrong })
})

test('what is wrong with a flag or a variable is told by its name', async () => {
  const usage = (message: RegExp) => ({ name: 'UsageError', message })
  await assert.rejects(read({ flags: { port: 'x' } }), usage(/--port is to be a whole number .*, not "x"/))
  await assert.rejects(
    read({ environment: { SLUICE_SERVE_PORT: '-1' } }),
    usage(/^SLUICE_SERVE_PORT is to be/),
  )
  await assert.rejects(
    read({ environment: { SLUICE_SERVE_HOTS: 'x' } }),
    usage(/SLUICE_SERVE_HOTS .*no option\. Did you mean 'SLUICE_SERVE_HOST'\?/),
  )
  await assert.rejects(
    read({ environment: { SLUICE_SERVE_HEADERS: '{}' } }),
    usage(/can only stand in a file/),
  )
  await assert.rejects(
    read({ environment: { SLUICE_SERVE_LISTING: 'yes' } }),
    usage(/true or false, not "yes"/),
  )
  await assert.rejects(read({ flags: { 'tls-cert': 'c' } }), usage(/--tls-cert needs --tls-key/))
  await assert.rejects(read({ flags: { 'tls-key': 'k' } }), usage(/--tls-key needs --tls-cert/))
  await assert.rejects(
    read({ flags: { 'tls-min-version': 'TLSv1.3' } }),
    usage(/--tls-min-version needs --tls-cert/),
  )
})

test('a socket that was passed is used in place of an address', async () => {
  const environment = { LISTEN_PID: String(process.pid), LISTEN_FDS: '1' }
  assert.deepEqual(await read({ environment }), { root: '.', fd: 3 })
  assert.deepEqual(await read({ environment: { ...environment, LISTEN_PID: '1' } }), {
    root: '.',
    host: '127.0.0.1',
  })
  const addresses: Parameters<typeof read>[0][] = [
    { flags: { path: 's' } },
    { flags: { port: '1', host: 'a', 'reuse-port': true } },
    { flags: { fd: '7' } },
    { environment: { SLUICE_SERVE_PATH: 's' } },
    { environment: { SLUICE_SERVE_PORT: '1' } },
    { file: '{"path":"s"}' },
    { file: '{"port":1,"host":"a"}' },
  ]
  for (const sources of addresses) {
    const passed = { ...sources, environment: { ...sources.environment, ...environment } }
    assert.deepEqual(await read(passed), { root: '.', fd: 3 }, JSON.stringify(sources))
  }
})

test('where to listen is said in one way, and by whatever wins over the rest', async () => {
  const refused: [Parameters<typeof read>[0], RegExp][] = [
    [{ flags: { path: 's', port: '1' } }, /^--path cannot stand beside --port$/],
    [{ flags: { path: 's', host: 'a' } }, /^--path cannot stand beside --host$/],
    [{ flags: { path: 's', 'reuse-port': true } }, /^--path cannot stand beside --reuse-port$/],
    [{ flags: { path: 's', fd: '3' } }, /^--fd cannot stand beside --path$/],
    [
      { environment: { SLUICE_SERVE_PATH: 's', SLUICE_SERVE_HOST: 'a' } },
      /^SLUICE_SERVE_PATH cannot stand beside SLUICE_SERVE_HOST$/,
    ],
    [{ file: '{"port":1,\n "path":"s"}' }, /sluice\.json:2:2: 'path' cannot stand beside 'port'$/],
  ]
  for (const [sources, message] of refused)
    await assert.rejects(read(sources), { name: 'UsageError', message })
  const file = '{"path":"s"}'
  const environment = { SLUICE_SERVE_HOST: 'a' }
  assert.deepEqual(await read({ file }), { root: '.', path: 's' })
  assert.deepEqual(await read({ file, environment }), { root: '.', host: 'a' })
  const found = await read({ file, environment, flags: { port: '1' } })
  assert.deepEqual(found, { root: '.', host: 'a', port: 1 })
  assert.deepEqual(await read({ file, environment, flags: { fd: '7' } }), { root: '.', fd: 7 })
})

test('a port that takes the place of another way to listen is one of this machine alone', async () => {
  const expected = { root: '.', host: '127.0.0.1', port: 80 }
  for (const [option, variable] of [
    ['{"path":"s"}', { SLUICE_SERVE_PATH: 's' }],
    ['{"fd":3}', { SLUICE_SERVE_FD: '3' }],
  ] as const) {
    assert.deepEqual(await read({ file: option, flags: { port: '80' } }), expected)
    assert.deepEqual(await read({ environment: variable, flags: { port: '80' } }), expected)
    assert.deepEqual(await read({ file: option, environment: { SLUICE_SERVE_PORT: '80' } }), expected)
    const named = await read({ file: '{"host":"a"}', environment: variable, flags: { port: '80' } })
    assert.deepEqual(named, expected)
  }
})

test('what says nothing without another option is told where it was given', async () => {
  const refused: [Parameters<typeof read>[0], RegExp][] = [
    [{ flags: { 'status-allow': ['all'] } }, /^--status-allow needs --status$/],
    [{ flags: { 'access-log-format': 'json' } }, /^--access-log-format needs --access-log$/],
    [{ environment: { SLUICE_SERVE_TLS_KEY: 'k' } }, /^SLUICE_SERVE_TLS_KEY needs SLUICE_SERVE_TLS_CERT$/],
    [{ file: '{"status":\n {"hosts":["a"]}}' }, /sluice\.json:2:3: 'status\.hosts' needs 'status\.path'$/],
  ]
  for (const [sources, message] of refused)
    await assert.rejects(read(sources), { name: 'UsageError', message })
  const found = await read({ file: '{"accessLogFormat":"json"}', flags: { 'access-log': '-' } })
  assert.deepEqual(found, { root: '.', host: '127.0.0.1', accessLogFormat: 'json', accessLog: '-' })
})

test('what may be false is so as a flag, too', async () => {
  const expected = { root: '.', host: '127.0.0.1', index: false, cacheControl: false }
  assert.deepEqual(await read({ flags: { index: ['false'], 'cache-control': 'false' } }), expected)
  const environment = { SLUICE_SERVE_INDEX: 'false', SLUICE_SERVE_CACHE_CONTROL: 'false' }
  assert.deepEqual(await read({ environment }), expected)
  const { index } = (await read({ flags: { index: ['a', 'b'] } })) as { index: unknown }
  assert.deepEqual(index, ['a', 'b'])
})

test('a switch that takes a word takes true and false besides', async () => {
  const flags = { etag: 'portable', dotfiles: 'deny' }
  assert.deepEqual(await read({ flags }), { root: '.', host: '127.0.0.1', ...flags })
  const others = await read({ flags: { etag: 'false', dotfiles: 'true' } })
  assert.deepEqual(others, { root: '.', host: '127.0.0.1', etag: false, dotfiles: true })
  const message = /^--dotfiles is to be true or false, or deny, not "allow"$/
  await assert.rejects(read({ flags: { dotfiles: 'allow' } }), { name: 'UsageError', message })
})

test('a name is near to another by few letters put in, left out, replaced or swapped', () => {
  const names = ['port', 'host', 'maxConnections', 'maxConnectionsPerAddress']
  assert.equal(nearest('prot', names), 'port')
  assert.equal(nearest('hots', names), 'host')
  assert.equal(nearest('max-connections', names), 'maxConnections')
  assert.equal(nearest('xyz', names), undefined)
})

test('the schema that is published is that of the options, and the guide names each of them', () => {
  const root = fileURLToPath(new URL('../..', import.meta.url))
  const published = JSON.parse(fs.readFileSync(path.join(root, 'schema/serve.json'), 'utf8'))
  assert.deepEqual(published, JSON.parse(JSON.stringify(serveSchema())), 'see sluice serve --print-schema')
  const guide = fs.readFileSync(path.join(root, 'docs/guide/serve.md'), 'utf8')
  // The first cell of a row names one option or several.
  const cells = guide.split('\n').flatMap(line => /^\| (`.*?) +\|/.exec(line)?.[1] ?? [])
  const named = new Set(cells.flatMap(cell => cell.split(', ')))
  const unnamed = Object.keys(SERVE_OPTIONS).filter(name => !named.has(`\`${name.split('.')[0]}\``))
  // These have sections of their own.
  assert.deepEqual(
    unnamed.filter(name => !/^(?:workers$|tls\.|status\.)/.test(name)),
    [],
  )
  for (const text of ['workers: 4', "tls: { cert: '", '`passphrase`', '`minVersion: ', "status: { path: '"])
    assert.ok(guide.includes(text), text)
})

test('no two options have the same flag or variable', () => {
  const names = Object.keys(SERVE_OPTIONS)
  assert.equal(new Set(names.map(flagOf)).size, names.length)
  assert.equal(new Set(names.map(variableOf)).size, names.length)
})
