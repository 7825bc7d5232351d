export { pin, type Region, regionOf, unpin } from './region.js'
