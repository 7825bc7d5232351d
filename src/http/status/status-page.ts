import { createHash } from 'node:crypto'
import { readFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'

/** A page, and the policy that lets it do what it does and nothing else. */
export interface StatusPage {
  bytes: Uint8Array
  policy: string
}

const readPart = (url: string) => readFile(fileURLToPath(url), 'utf8')
const readOwn = (name: string) => readPart(new URL(`./${name}`, import.meta.url).href)

const hashOf = (text: string) => `'sha256-${createHash('sha256').update(text).digest('base64')}'`

const tile = (id: string, name: string, hint: string) =>
  `<div class="tile"><dt>${name}</dt><dd id="${id}">–</dd><dd class="hint" id="${id}-hint">${hint}</dd></div>`

const chart = (id: string, title: string, hint: string) =>
  `<figure><figcaption id="${id}-title"><b>${title}</b> <span>${hint}</span></figcaption><div class="chart" id="${id}" role="img" aria-labelledby="${id}-title"></div></figure>`

const table = (id: string, caption: string, columns: readonly string[]) =>
  `<div class="table"><table id="${id}"><caption>${caption}</caption><thead><tr>${columns
    .map(column => `<th scope="col">${column}</th>`)
    .join('')}</tr></thead><tbody></tbody></table></div>`

const BODY = `<header><h1>Sluice <span>status</span></h1><p id="state" role="status">connecting …</p></header>
<main>
<dl class="tiles">
${[
  tile('requests', 'Requests', 'a second'),
  tile('bytes', 'Sent', 'a second'),
  tile('connections', 'Connections', 'open now'),
  tile('latency', 'Latency', 'p50, last seconds'),
  tile('calls', 'System calls', 'a request'),
  tile('switches', 'Switches', 'a request'),
  tile('cache', 'Cache hits', 'of requests'),
  tile('ring', 'Ring', 'completions a system call'),
].join('\n')}
</dl>
<section class="charts" aria-label="The last two minutes">
${[
  chart('requests-chart', 'Requests', 'a second'),
  chart('bytes-chart', 'Sent', 'MiB a second'),
  chart('latency-chart', 'Latency', 'µs, p50 and p99 of each second'),
  chart('cost-chart', 'Cost', 'system calls and context switches a request'),
  chart('histogram-chart', 'Latencies', 'requests by how long they took, since the start'),
  chart('ring-chart', 'Ring', 'completions a system call, and operations in flight'),
].join('\n')}
</section>
<section class="tables" aria-label="Since the start">
${table('mechanisms', 'How responses left, since the start', ['mechanism', 'responses', 'share'])}
${table('statuses', 'What was answered, since the start', ['status', 'responses', 'share'])}
${table('facts', 'The server', ['', 'now'])}
</section>
</main>
<footer><p>Also as <a id="json" href="#">JSON</a> and for <a id="metrics" href="#">Prometheus</a>. This page’s own requests are counted too.</p></footer>
<noscript><p class="noscript">The figures are drawn by a script; without it there is the JSON and the text for Prometheus.</p></noscript>`

async function make(): Promise<StatusPage> {
  const [chartStyle, ownStyle, charts, own] = await Promise.all([
    readPart(import.meta.resolve('uplot/dist/uPlot.min.css')),
    readOwn('status-page.css'),
    readPart(import.meta.resolve('uplot/dist/uPlot.iife.min.js')),
    readOwn('status-page.mjs'),
  ])
  const style = `${chartStyle}\n${ownStyle}`
  const policy = [
    "default-src 'none'",
    `style-src ${hashOf(style)}`,
    `script-src ${hashOf(charts)} ${hashOf(own)}`,
    "connect-src 'self'",
    'img-src data:',
    "base-uri 'none'",
    "form-action 'none'",
    "frame-ancestors 'none'",
  ].join('; ')
  const text = `<!doctype html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<title>Sluice status</title>
<link rel="icon" href="data:,">
<style>${style}</style>
</head>
<body>
${BODY}
<script>${charts}</script>
<script type="module">${own}</script>
</body>
</html>
`
  return { bytes: new TextEncoder().encode(text), policy }
}

let page: Promise<StatusPage> | undefined

/** The status page, which is the same for every server and made once. @throws the system error where a part is missing */
export function statusPage(): Promise<StatusPage> {
  page ??= make()
  return page
}
