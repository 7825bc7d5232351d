import assert from 'node:assert/strict'
import { execFileSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { after, before, test } from 'node:test'
import { fileURLToPath, pathToFileURL } from 'node:url'
import { serve } from 'sluice/http'
import { Browser, LOOKS, noBrowser, overflow, unreadable } from '../helpers/browser.js'

const MAIN = fileURLToPath(import.meta.resolve('#dist/cli/main.js'))
const skip = await noBrowser()
const folder = mkdtempSync(join(tmpdir(), 'sluice-lab-page-'))
const file = join(folder, 'lab.html')
const address = pathToFileURL(file).href
let browser: Browser | undefined

before(async () => {
  const rows =
    'read/cached/random/readsync,read/cached/random/mmap,read/cached/random/filehandle,write-fdatasync'
  execFileSync(process.execPath, [MAIN, 'lab', '--quick', '--size', '4M', '--only', rows, '--html', file], {
    timeout: 60_000,
    stdio: 'ignore',
  })
  if (skip === undefined) browser = await Browser.launch()
})

after(async () => {
  await browser?.close()
  rmSync(folder, { recursive: true })
})

test('sluice lab --html writes one file that names no other', () => {
  const text = readFileSync(file, 'utf8')
  assert.match(text, /^<!doctype html>/)
  assert.doesNotMatch(text, /\b(src|href)="(?!#|data:)/)
})

for (const look of LOOKS) {
  const name = `${look.width} px, ${look.dark ? 'dark' : 'light'}`
  test(`the lab’s page at ${name}: complete, nothing wider than the window, nothing to complain of`, {
    skip,
  }, async () => {
    const page = await (browser as Browser).open(address, look)
    assert.deepEqual(await page.evaluate(overflow), [])
    assert.deepEqual(await page.evaluate(unreadable), [])
    const found = await page.evaluate<Record<string, number>>(`({
      overview: document.querySelectorAll('table.overview tbody tr').length,
      tables: document.querySelectorAll('table.figures caption').length,
      bars: [...document.querySelectorAll('.panel[data-measure=throughput] .bar .fill')].filter(fill => fill.getBoundingClientRect().height > 0).length,
      others: [...document.querySelectorAll('.panel:not([data-measure=throughput])')].filter(panel => panel.checkVisibility()).length,
      fingerprint: document.querySelector('#machine').textContent.includes('kernel') ? 1 : 0,
    })`)
    assert.deepEqual(found, { overview: 2, tables: 2, bars: 5, others: 0, fingerprint: 1 })
    assert.deepEqual(page.requests, [address])
    assert.deepEqual(page.complaints, [])
    await page.close()
  })
}

test('the page is the same as it is served: it asks for nothing else, and has nothing to complain of', {
  skip,
}, async () => {
  await using server = await serve({ root: folder, host: '127.0.0.1', port: 0, index: ['lab.html'] })
  const served = `http://127.0.0.1:${server.port}/`
  const page = await (browser as Browser).open(served, { width: 1280 })
  assert.equal(await page.evaluate(`document.querySelectorAll('table.overview tbody tr').length`), 2)
  assert.deepEqual(page.requests, [served])
  assert.deepEqual(page.complaints, [])
  await page.close()
})

test('the keyboard chooses what the charts show, and sorts a table', { skip }, async () => {
  const page = await (browser as Browser).open(address, { width: 1280 })
  await page.evaluate(`document.querySelector('#measure-throughput').focus()`)
  await page.press('ArrowRight')
  await page.until(
    `[...document.querySelectorAll('.panel')].every(panel => panel.checkVisibility() === (panel.dataset.measure === 'cpu'))`,
  )
  await page.evaluate(`document.querySelector('details').open = true`)
  await page.evaluate(`document.querySelectorAll('table.figures button')[3].focus()`)
  await page.press('Enter')
  const speeds = await page.evaluate<number[]>(
    `[...document.querySelector('table.figures').tBodies[0].rows].map(row => Number(row.cells[3].dataset.value))`,
  )
  assert.deepEqual(
    speeds,
    speeds.toSorted((a, b) => b - a),
  )
  assert.equal(
    await page.evaluate(`document.querySelectorAll('table.figures th[aria-sort]')[3].ariaSort`),
    'descending',
  )
  assert.deepEqual(page.complaints, [])
  await page.close()
})

test('without its script the page shows the same', { skip }, async () => {
  const page = await (browser as Browser).open(address, { width: 800, script: false })
  const shown = await page.evaluate<number>(`document.querySelectorAll('.bar .fill').length`)
  assert.ok(shown > 0)
  assert.equal(await page.evaluate(`document.querySelector('#save').hidden`), true)
  await page.close()
})
