/** What tests use of start.js. */

/** What the arguments of `npm start` ask for: the lab's own, whether its page is served, and where else it goes. */
export function plan(given: string[]): { args: string[]; serves: boolean; page: string | undefined }
