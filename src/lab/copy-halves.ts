import { closeSync, openSync } from 'node:fs'
import { inTurn } from './lanes.js'
import type { Case, Setting, Workload } from './mechanism.js'
import { MIB } from './sizes.js'

/** What the copying mechanisms are compared at. */
export const COPY_CASES: readonly Case[] = [{ goal: 'write/copy/sequential', size: MIB }]

/** Copies one piece of a file to another place. @returns bytes copied */
export type CopyPiece = (from: number, to: number, length: number) => number

/** Where the second half of a file begins, a whole number of pieces on. */
export function halfOf({ window, size }: Setting): number {
  return Math.floor(window / 2 / size) * size || size
}

/**
 * Copies the first half of the file over its second, piece by piece: two places that share no page, on one file system,
 * with no further file to be left behind.
 *
 * @param prepare makes a mechanism ready for two descriptors of the file, and says how to end it
 */
export function copyHalves(
  setting: Setting,
  prepare: (source: number, target: number, size: number) => { copy: CopyPiece; close?: () => void },
): Workload {
  const source = openSync(setting.path, 'r')
  const target = openSync(setting.path, 'r+')
  const half = halfOf(setting)
  const { copy, close } = prepare(source, target, setting.size)
  return {
    run: lap => inTurn(lap, position => copy(position % half, half + (position % half), setting.size)),
    close() {
      close?.()
      closeSync(source)
      closeSync(target)
    },
  }
}
