export {
  boundary,
  type CalibrationState,
  type Costs,
  calibrate,
  calibration,
  measuredCosts,
} from './calibration.js'
export { type CostSample, measureCosts } from './measure.js'
export { type Calibration, loadCalibration, storeCalibration } from './store.js'
