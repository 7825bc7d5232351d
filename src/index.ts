export { type Engine, type EngineOptions, type EngineStats, engine } from './engine/index.js'
export { type FileHandle, open } from './file/index.js'
export { isSupported, type ProbeResult, probe, SluiceError } from './kernel/index.js'
export { tee, transfer } from './transfer/index.js'
