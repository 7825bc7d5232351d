/** For the tests: what lock.js exports. */
export function withLock<T>(name: string, work: () => Promise<T>): Promise<T>
