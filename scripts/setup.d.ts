/** What tests use of setup.js, which must run before anything is built and so is JavaScript. */

/** Installs missing Debian packages where that is possible; resolves to whether all are there now. */
export function ensureDebianPackages(names: string[]): Promise<boolean>

/** Those of the Debian packages that are not installed. */
export function missingPackages(names: string[]): string[]

/** The path of a program on the PATH. */
export function findProgram(name: string): string | undefined

/** The command of the C compiler; ends the process with the fix where there is none. */
export function ensureCompiler(): Promise<string>
