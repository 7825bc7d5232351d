import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type IncomingMessage, type ServerResponse } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, test } from 'node:test'
import * as http from '#dist/http/index.js'
import { type Call, callWrongly } from '../helpers/wrong-values.js'

const folder = mkdtempSync(join(tmpdir(), 'sluice-wrong-http-'))
// What is wrong may be taken for the name of a file, and made.
process.chdir(folder)
after(() => {
  process.chdir('/')
  rmSync(folder, { recursive: true })
})
writeFileSync('file.txt', 'text')

async function check(calls: readonly Call[]): Promise<void> {
  const complaints: string[] = []
  for (const call of calls) complaints.push(...(await callWrongly(call)))
  assert.deepEqual(complaints, [])
}

const SITE = {
  root: folder,
  index: ['index.html'],
  cleanUrls: true,
  extensions: ['html'],
  fallback: 'file.txt',
  notFound: 'file.txt',
  symlinks: 'beneath',
  dotfiles: false,
  listing: false,
  sidecars: true,
  cacheControl: 'no-cache',
  etag: true,
  lastModified: true,
  ranges: true,
  immutable: ['*.js'],
  compress: false,
  compressMinBytes: 1,
  compressMaxBytes: 1,
  compressCacheBytes: 1,
  download: ['*.pdf'],
  headers: { '*': { A: 'b' } },
  cors: '*',
  cacheEntries: 1,
  cacheBytes: 1,
  cacheMs: 1,
  watch: false,
}

/** Of a server alone; where it listens is for `listen()` to say. */
const SERVER = {
  root: folder,
  reusePort: false,
  tls: undefined,
  maxConnections: 1,
  maxConnectionsPerAddress: 1,
  headLimits: { line: 1, fields: 1, bytes: 1 },
  maxBody: 1,
  maxRequests: 1,
  maxPipelined: 1,
  maxRate: 0,
  headTimeout: 1,
  bodyTimeout: 1,
  idleTimeout: 1,
  sendTimeout: 1,
  shutdownTimeout: 1,
  minRate: 0,
  rateWindow: 1,
  accessLog: join(folder, 'log'),
  accessLogFormat: 'json',
  status: { path: '/status', allow: ['10.0.0.0/8'] },
}

const isOptions = (value: unknown): value is object =>
  typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
const somewhere = <T>(options: T): T =>
  isOptions(options) ? { ...options, path: join(folder, 'socket') } : options

test('servers and sites answer wrong options with an error that has a code', {
  timeout: 60_000,
}, async () => {
  const serve = async (options: http.ServeOptions) => {
    await (await http.serve(somewhere(options))).close({ timeout: 0 })
  }
  const close = async (options: { timeout: number }) => {
    const server = await http.serve(somewhere({ root: folder }))
    try {
      await server.close(options)
    } finally {
      await server.close()
    }
  }
  await check([
    { name: 'Site', args: [SITE], call: (options: http.SiteOptions) => new http.Site(options).close() },
    { name: 'serve', args: [SERVER], call: serve },
    { name: 'close', args: [{ timeout: 1 }], call: close },
  ])
})

test('a group of threads refuses wrong options before it starts any', { timeout: 60_000 }, async () => {
  const call = async (workers: number) => {
    await (await http.serve(somewhere({ root: folder, workers }))).close({ timeout: 0 })
  }
  await check([{ name: 'serve', args: [2], call }])
})

/** Has the response of a request be answered with, in place of what stands for it. */
async function withResponse(use: (response: ServerResponse) => unknown): Promise<void> {
  let failure: unknown
  const server = createServer(async (_: IncomingMessage, response) => {
    try {
      await use(response)
    } catch (error) {
      failure = error
    }
    response.destroy()
  })
  await new Promise<void>(resolve => server.listen(0, '127.0.0.1', resolve))
  const socket = connect((server.address() as AddressInfo).port, '127.0.0.1').on('error', () => {})
  socket.resume().write('GET / HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
  await new Promise(resolve => socket.once('close', resolve))
  server.close()
  if (failure !== undefined) throw failure
}

const {
  root: _,
  ranges: __,
  ...FILES
} = { ...SITE, acceptRanges: true, maxAge: '1h', fallthrough: true, redirect: true }

test('the middleware answers wrong arguments with an error that has a code', {
  timeout: 60_000,
}, async () => {
  const RESPONSE = Symbol('the response')
  const { index, extensions, cleanUrls, fallback, notFound, listing, ...own } = FILES
  const sendFile = (response: unknown, path: string, options: http.SendFileOptions) =>
    withResponse(real =>
      http.sendFile(response === RESPONSE ? real : (response as ServerResponse), path, options),
    )
  const staticFiles = (root: string, options: http.StaticFilesOptions) =>
    http.staticFiles(root, options).close()
  await check([
    { name: 'staticFiles', args: [folder, FILES], call: staticFiles },
    {
      name: 'sendFile',
      args: [RESPONSE, 'file.txt', { root: folder, ...own, headers: { A: 'b' } }],
      call: sendFile,
    },
  ])
})
