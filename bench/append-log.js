/** Durable appends of 256 bytes: the append log, beside Node's write and datasync, and SQLite. */

import { mkdtempSync, rmSync } from 'node:fs'
import { open } from 'node:fs/promises'
import { createRequire } from 'node:module'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { root } from '#scripts/run.js'
import { ensureModules } from '#scripts/setup.js'

const RECORD = Buffer.alloc(256, 'durable ')
const SQLITE = join(root, 'bench/peers/sqlite')
const APPENDERS = [1, 8, 64, 512]

/** @type {import('./harness/benchmark.js').Benchmark} */
export default {
  about: 'durable appends of 256 bytes by so many appenders at once',
  // SQLite's binding is compiled where no ready one can be fetched.
  packages: ['g++', 'make', 'python3'],
  setUp: async () => {
    await ensureModules(SQLITE)
    return { folder: mkdtempSync(join(tmpdir(), 'sluice-bench-')) }
  },
  tearDown: ({ folder }) => rmSync(folder, { recursive: true }),
  cases: APPENDERS.map(appenders => ({ name: `${appenders} appenders`, appenders })),
  contestants: {
    AppendLog: { start: startLog },
    'AppendLog, epoll': { start: startLog, env: { SLUICE_DRIVER: 'epoll' } },
    'write + datasync': { start: startPlain },
    'better-sqlite3, WAL, FULL': { start: startSqlite },
  },
  bars: [
    { of: 'AppendLog', to: 'write + datasync', where: at(64), bar: 20, aim: 50 },
    { of: 'AppendLog', to: 'better-sqlite3, WAL, FULL', where: at(64), bar: 10, aim: 30 },
    { of: 'AppendLog', figure: 'syncs per append', where: at(64), most: 0.02 },
  ],
}

function at(appenders) {
  return parameters => parameters.appenders === appenders
}

async function startLog({ appenders }, { folder }) {
  const { AppendLog } = await import('sluice/file')
  const directory = mkdtempSync(join(folder, 'log-'))
  const log = await AppendLog.open(directory)
  let before = log.stats()
  return {
    step: async operations => {
      let left = operations
      const appender = async () => {
        while (left-- > 0) await log.append(RECORD)
      }
      await Promise.all(Array.from({ length: appenders }, appender))
    },
    begin: () => {
      before = log.stats()
    },
    figures: operations => ({ 'syncs per append': (log.stats().batches - before.batches) / operations }),
    stop: async () => {
      await log.close()
      rmSync(directory, { recursive: true })
    },
  }
}

/** One by one: callers that share a file have nothing to gather their syncs. */
async function startPlain(_parameters, { folder }) {
  const path = join(mkdtempSync(join(folder, 'plain-')), 'log')
  const file = await open(path, 'a')
  return {
    step: async operations => {
      for (let done = 0; done < operations; done++) {
        await file.write(RECORD)
        await file.datasync()
      }
    },
    stop: () => file.close(),
  }
}

function startSqlite(_parameters, { folder }) {
  const Database = createRequire(join(SQLITE, 'package.json'))('better-sqlite3')
  const database = new Database(join(mkdtempSync(join(folder, 'sqlite-')), 'log.db'))
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.exec('CREATE TABLE log (position INTEGER PRIMARY KEY, record BLOB)')
  const insert = database.prepare('INSERT INTO log (record) VALUES (?)')
  return {
    step: operations => {
      for (let done = 0; done < operations; done++) insert.run(RECORD)
    },
    stop: () => database.close(),
  }
}
