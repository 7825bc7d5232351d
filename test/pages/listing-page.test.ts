import assert from 'node:assert/strict'
import { mkdirSync, mkdtempSync, rmSync, utimesSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { type FileServer, serve } from 'sluice/http'
import { Browser, type BrowserPage, LOOKS, noBrowser, overflow, unreadable } from '../helpers/browser.js'

const skip = await noBrowser()
const folder = mkdtempSync(join(tmpdir(), 'sluice-listing-page-'))
let server: FileServer
let browser: Browser | undefined
let address = ''

/** Sizes and days of a month, each in another order than the names. */
const FILES = { 'b10.txt': [1, 3], 'b9.txt': [3000, 1], 'C.txt': [20, 2] } as const
const LONG = `${'a-long-name-'.repeat(12)}.txt`

before(async () => {
  if (skip !== undefined) return
  for (const name of ['sub/inner', 'sub/zoo', 'sub/<b>&']) mkdirSync(join(folder, name), { recursive: true })
  for (const [name, [size, day]] of Object.entries(FILES)) {
    const path = join(folder, 'sub', name)
    writeFileSync(path, 'x'.repeat(size))
    utimesSync(path, new Date(`2024-05-0${day}T12:00:00Z`), new Date(`2024-05-0${day}T12:00:00Z`))
  }
  writeFileSync(join(folder, 'sub/inner', LONG), 'long')
  server = await serve({ root: folder, host: '127.0.0.1', port: 0, listing: true })
  address = `http://127.0.0.1:${server.port}/sub/`
  browser = await Browser.launch()
})

after(async () => {
  await browser?.close()
  await server?.close({ timeout: 1000 })
  rmSync(folder, { recursive: true })
})

const names = (page: BrowserPage) =>
  page.evaluate<string[]>(`[...document.querySelectorAll('tbody tr a')].map(link => link.textContent)`)
const sorts = (page: BrowserPage) =>
  page.evaluate<(string | null)[]>(
    `[...document.querySelectorAll('th')].map(head => head.getAttribute('aria-sort'))`,
  )
const FOLDERS = ['../', '<b>&/', 'inner/', 'zoo/']

for (const look of LOOKS) {
  const name = `${look.width} px, ${look.dark ? 'dark' : 'light'}`
  test(`a listing at ${name}: complete, nothing wider than the window, nothing to complain of`, {
    skip,
  }, async () => {
    const page = await (browser as Browser).open(address, look)
    assert.deepEqual(await names(page), [...FOLDERS, 'b9.txt', 'b10.txt', 'C.txt'])
    assert.deepEqual(await page.evaluate(overflow), [])
    assert.deepEqual(await page.evaluate(unreadable), [])
    // What a browser asks for by itself, an icon for instance, is none of it.
    assert.deepEqual(page.requests, [address])
    assert.deepEqual(page.complaints, [])
    await page.close()
    const long = await (browser as Browser).open(`${address}inner/`, look)
    assert.deepEqual(await names(long), ['../', LONG])
    assert.deepEqual(await long.evaluate(overflow), [])
    await long.close()
  })
}

test('a listing is sorted by its columns, folders first, and says so', { skip }, async () => {
  const page = await (browser as Browser).open(address, { width: 1280 })
  const click = (column: number) => page.evaluate(`document.querySelectorAll('th button')[${column}].click()`)
  assert.deepEqual(await sorts(page), ['ascending', null, null])
  await click(0)
  assert.deepEqual(await sorts(page), ['descending', null, null])
  assert.deepEqual(await names(page), ['../', 'zoo/', 'inner/', '<b>&/', 'C.txt', 'b10.txt', 'b9.txt'])
  await click(1)
  assert.deepEqual(await sorts(page), [null, 'ascending', null])
  assert.deepEqual(await names(page), [...FOLDERS, 'b10.txt', 'C.txt', 'b9.txt'])
  await click(2)
  assert.deepEqual((await names(page)).slice(-3), ['b9.txt', 'C.txt', 'b10.txt'])
  await click(2)
  assert.deepEqual(await sorts(page), [null, null, 'descending'])
  assert.deepEqual((await names(page)).slice(-3), ['b10.txt', 'C.txt', 'b9.txt'])
  assert.deepEqual(page.complaints, [])
  await page.close()
})

test('it is sorted from the keyboard alone', { skip }, async () => {
  const page = await (browser as Browser).open(address, { width: 1280 })
  await page.press('Tab')
  await page.press('Tab')
  assert.equal(await page.evaluate('document.activeElement.textContent'), 'Size')
  await page.press('Enter')
  assert.deepEqual(await sorts(page), [null, 'ascending', null])
  assert.deepEqual((await names(page)).slice(-3), ['b10.txt', 'C.txt', 'b9.txt'])
  await page.close()
})

test('without scripts a listing leads to all it shows', { skip }, async () => {
  const page = await (browser as Browser).open(address, { width: 800, script: false })
  const links = await page.evaluate<string[]>(`[...document.querySelectorAll('a')].map(link => link.href)`)
  for (const link of links) {
    const { status } = await fetch(link, { headers: { connection: 'close' } })
    assert.equal(status, 200, link)
  }
  assert.equal(links.length, 7)
  assert.deepEqual(page.complaints, [])
  await page.close()
})
