export { type CopyPathsOptions, copyFile, copyPaths, copyTree } from './copy.js'
export type { CopyPair } from './operand.js'
export type { CopyFailure, CopyMethod, CopyOptions, CopyProgress, CopyReport } from './options.js'
