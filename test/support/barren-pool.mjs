/**
 * A process in which no thread can start for a while: its working directory is gone. Prints how a load ended then, and how the next
 * one did in a directory that is there; ends with code 1 when one has not ended after some seconds. Argument: 'prepared', or anything else.
 */
import { mkdtempSync, rmdirSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { loadIterable, RdbLoaderPool } from '@understudy/rdb-worker'

setTimeout(() => process.exit(1), 20_000).unref()

const empty = Buffer.concat([Buffer.from('REDIS0010'), Buffer.of(0xff), Buffer.alloc(8)])
const options = { databaseCount: 1, hashSeed: new Uint8Array(16), verifyChecksum: true }
/** @param {RdbLoaderPool} pool */
const outcome = (pool) =>
  loadIterable(pool, [empty], options).then(
    ({ keyCount }) => `${keyCount} keys`,
    ({ code }) => code,
  )

const from = process.cwd()
const gone = mkdtempSync(join(tmpdir(), 'gone-'))
process.chdir(gone)
rmdirSync(gone)
const pool = new RdbLoaderPool({ threads: 2, parallelBytesMin: 0 })
if (process.argv[2] === 'prepared') pool.prepare(empty.length)
const first = await outcome(pool)
process.chdir(from)
process.stdout.write(`${first}, ${await outcome(pool)}`)
await pool.close()
process.exit(0)
