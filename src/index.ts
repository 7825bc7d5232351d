export { type ProbeResult, probe } from './kernel/index.js'
