// An event loop of one's own: a worker thread whose loop is a ring. It counts the lines of the files that the main
// thread names, 16 reads in flight, and is woken by a message from the main thread's ring.
//
//   node examples/event-loop.js FILE…
import { closeSync, openSync } from 'node:fs'
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads'
import { prepareMsgRing, prepareRead, Ring } from 'sluice/ring'

const READS = 16
const CHUNK = 1 << 16
const STOP = 1000

if (isMainThread) main(process.argv.slice(2))
else loop()

function main(files) {
  const worker = new Worker(new URL(import.meta.url), { workerData: { files } })
  const ring = new Ring({ entries: 8, mode: 'dedicated' })
  worker.on('message', message => {
    if (message.lines !== undefined) {
      console.log(`${message.lines}\t${message.file}`)
      return
    }
    // All files are counted: tell the worker's ring to stop. It sleeps in the kernel and has no other ear.
    prepareMsgRing(ring.submissions, message.ring, 0, STOP, 0, 1)
    ring.submit(1)
    ring.reap(() => {})
    ring.close()
  })
}

function loop() {
  const ring = new Ring({ entries: READS, mode: 'dedicated', messages: true })
  for (const file of workerData.files) parentPort.postMessage({ file, lines: countLines(ring, file) })
  parentPort.postMessage({ ring: ring.fd })
  let stopped = false
  while (!stopped) {
    ring.submit(1) // nothing to submit: waits for the message
    ring.reap(userData => {
      ring.discountMessage()
      stopped = userData === STOP
    })
  }
  ring.close()
}

/** Reads a file with 16 reads in flight; the order in which they complete does not matter to a count. */
function countLines(ring, file) {
  const fd = openSync(file)
  const buffers = Array.from({ length: READS }, () => new Uint8Array(CHUNK))
  let position = 0
  let lines = 0
  let ended = false
  const start = index => {
    prepareRead(ring.submissions, fd, buffers[index], position, index)
    position += CHUNK
  }
  for (let index = 0; index < READS; index++) start(index)
  while (ring.inFlight > 0 || ring.submissions.unpublished > 0) {
    ring.submit(1)
    ring.reap((index, result) => {
      if (result < 0) throw new Error(`${file}: errno ${-result}`)
      for (let at = 0; at < result; at++) if (buffers[index][at] === 10) lines++
      if (result < CHUNK) ended = true // the end; what is still in flight lies behind it
      if (!ended) start(index)
    })
  }
  closeSync(fd)
  return lines
}
