import assert from 'node:assert/strict'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type FileServer, serve } from 'sluice/http'
import { Browser, type BrowserPage, LOOKS, noBrowser, overflow, unreadable } from '../helpers/browser.js'

const skip = await noBrowser()
const folder = mkdtempSync(join(tmpdir(), 'sluice-status-page-'))
writeFileSync(join(folder, 'a.txt'), 'hello')
let server: FileServer
let browser: Browser | undefined
let address = ''

before(async () => {
  if (skip !== undefined) return
  server = await serve({ root: folder, host: '127.0.0.1', port: 0, status: { path: '/.sluice/status' } })
  address = `http://127.0.0.1:${server.port}/.sluice/status`
  browser = await Browser.launch()
})

after(async () => {
  await browser?.close()
  await server?.close({ timeout: 1000 })
  rmSync(folder, { recursive: true })
})

const CHARTS = ['requests', 'bytes', 'latency', 'cost', 'histogram', 'ring']
const text = (page: BrowserPage, id: string) =>
  page.evaluate<string>(`document.querySelector('#${id}').textContent`)
const ask = async (times: number) => {
  for (let index = 0; index < times; index++)
    await (await fetch(new URL('/a.txt', address), { headers: { connection: 'close' } })).text()
}

for (const look of LOOKS) {
  const name = `${look.width} px, ${look.dark ? 'dark' : 'light'}`
  test(`the status page at ${name}: complete, nothing wider than the window, nothing to complain of`, {
    skip,
  }, async () => {
    const page = await (browser as Browser).open(address, look)
    await page.until(`document.querySelector('#requests').textContent !== '–'`)
    // Each chart's canvas has something on it, in the colours of the scheme.
    const drawn = await page.evaluate<
      string[]
    >(`[...document.querySelectorAll('.chart canvas')].filter(canvas => {
      const { data } = canvas.getContext('2d').getImageData(0, 0, canvas.width, canvas.height)
      return data.some(value => value > 0)
    }).map(canvas => canvas.closest('.chart').id)`)
    assert.deepEqual(
      drawn,
      CHARTS.map(chart => `${chart}-chart`),
    )
    const tables = `[...document.querySelectorAll('.table table')].map(table => table.caption.textContent !== '' && table.tBodies[0].rows.length > 0)`
    assert.deepEqual(await page.evaluate(tables), [true, true, true])
    assert.deepEqual(await page.evaluate(overflow), [])
    assert.deepEqual(await page.evaluate(unreadable), [])
    assert.ok(
      page.requests.every(url => url === address || url === `${address}/json`),
      page.requests.join(),
    )
    assert.deepEqual(page.complaints, [])
    await page.close()
  })
}

test('the figures follow what the server does', { skip }, async () => {
  const page = await (browser as Browser).open(address, { width: 1280 })
  await page.until(`document.querySelector('#requests').textContent !== '–'`)
  const before = server.stats.requests
  await ask(30)
  const total = `Number(/([\\d.]+) in all/.exec(document.querySelector('#requests-hint').textContent)?.[1])`
  await page.until(`${total} >= ${before + 30}`)
  assert.match(await text(page, 'mechanisms'), /memory/)
  assert.match(await text(page, 'statuses'), /200/)
  assert.match(await text(page, 'latency'), /^[\d.]+ (µs|ms|s)$/)
  assert.match(await text(page, 'facts'), /driver(ring|epoll)/)
  assert.match(await text(page, 'facts'), /cache: open files, in memory1, 5/)
  assert.deepEqual(page.complaints, [])
  await page.close()
})

test('a server that is gone is said to be', { skip }, async () => {
  const other = await serve({ root: folder, host: '127.0.0.1', port: 0, status: { path: '/state' } })
  const page = await (browser as Browser).open(`http://127.0.0.1:${other.port}/state`, { width: 800 })
  await page.until(`document.querySelector('#state').className === 'live'`)
  await other.close({ timeout: 0 })
  await page.until(`document.querySelector('#state').className === 'lost'`)
  assert.match(await text(page, 'state'), /^no answer/)
  await page.close()
})
