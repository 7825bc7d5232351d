export { type CalibrationState, type Costs, calibrate, calibration, measuredCosts } from './calibration.js'
export type { CostSample } from './measure.js'
