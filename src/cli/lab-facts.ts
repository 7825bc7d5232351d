import { type LabReport, sizeText } from '../lab/index.js'
import { formatBytes } from './layout.js'

/** Of the CPU time, what others may have before it is worth a word. */
const NOISY = 0.05

const percent = (share: number) => `${Math.round(share * 100)} %`

/** What the numbers of a report depend on: names and what they are here. */
export function machineFacts({ fingerprint, files }: LabReport): [name: string, text: string][] {
  const { kernel, cpu, memory, storage, node } = fingerprint
  const { device } = storage
  const disk =
    device === undefined
      ? 'no block device that can be told'
      : [
          `${device.name}${device.model === undefined ? '' : ` (${device.model})`}`,
          device.rotational ? 'rotational' : 'not rotational',
          `scheduler ${device.scheduler ?? 'unknown'}`,
          `queue of ${device.queueDepth ?? '?'}`,
        ].join(', ')
  const { read, write } = files
  const parts = []
  if (read.bytes > 0)
    parts.push(`reads the first ${sizeText(read.bytes)} of ${read.path ?? 'a temporary file'}`)
  if (write.bytes > 0) parts.push(`writes a temporary file of ${sizeText(write.bytes)} in ${write.folder}`)
  const machine = `${cpu.count} × ${cpu.model}${cpu.virtual ? ' (virtual)' : ''}, ${formatBytes(memory.bytes)} of memory`
  return [
    ['kernel', kernel.release],
    ['machine', machine],
    ['storage', `${storage.fileSystem} on ${storage.mountPoint}; ${disk}`],
    ['node', `${node.version}, libuv ${node.uv}`],
    ['lab', parts.join('; ')],
  ]
}

/** Warnings where others had so much of the machine that times cannot be trusted; empty where not. */
export function disturbanceNotes({ disturbance: { others, stolen } }: LabReport): string[] {
  return [
    ...(others > NOISY
      ? [`Other processes had ${percent(others)} of the CPU time meanwhile: expect noise.`]
      : []),
    ...(stolen > NOISY
      ? [`The host took ${percent(stolen)} of the CPU time away meanwhile: expect noise.`]
      : []),
  ]
}
