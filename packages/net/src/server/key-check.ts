/**
 * Has a load brought all keys? Per database, what is here is compared with what the snapshot announced (RESIZEDB) and, after a full
 * resync, with what the primary has at one and the same offset of its stream, which it is asked for (INFO). Whatever comes of it, the
 * data stay: a mismatch is told, in the log and in INFO.
 *
 *   none ──begin()──► mismatch                       the snapshot itself is not as announced
 *          ├────────► ok                             a file: there is nobody else to ask
 *          └────────► pending ──► ok | mismatch      at the offset that the primary has told
 *                        └──────► unknown            it does not tell; or writes do not let us meet its offset
 */
import type { Logger, RdbLoadResult } from '@understudy/core/internal'

/** What is asked of the primary: its history, its offset and its keys in one answer, as of one moment. Any server has it. */
export const KEY_CHECK_QUESTION: readonly string[] = ['INFO']

/** Under a stream of writes the answer may be behind what is applied already. */
const ATTEMPTS_MAX = 20
const RETRY_MS = 500

export interface KeyCheckStatus {
  readonly state: 'none' | 'pending' | 'ok' | 'mismatch' | 'unknown'
  /** Of a mismatch, and why nothing is known; else empty. */
  readonly reason: string
}

export interface KeyCheckPorts {
  readonly logger: Logger
  readonly databaseCount: number
  readonly keysIn: (db: number) => number
  /** Of the data as they are now. */
  readonly position: () => { readonly replid: string; readonly offset: number }
  /** Does this node hold what its primary sent, and nothing else? */
  readonly isFaithful: () => boolean
  /** The primary's answer to KEY_CHECK_QUESTION. */
  readonly ask: () => Promise<string>
}

/** How many keys a primary had at an offset. */
interface PrimaryKeys {
  readonly replid: string
  readonly offset: number
  readonly keys: ReadonlyMap<number, number>
}

export class KeyCheck {
  status: KeyCheckStatus = { state: 'none', reason: '' }
  readonly #ports: KeyCheckPorts
  /** Keys of the snapshot that were left out on purpose. */
  #leftOut = 0
  #isAsking = false
  #attempts = 0
  /** An answer that is ahead of what is applied. */
  #told: PrimaryKeys | undefined
  #retry: NodeJS.Timeout | undefined

  constructor(ports: KeyCheckPorts) {
    this.#ports = ports
  }

  /** A snapshot was loaded, and is what `keysIn` counts. @param isFile it did not come from a primary */
  begin(result: RdbLoadResult, isFile: boolean): void {
    this.stop()
    this.#leftOut = leftOutOf(result)
    const mismatch = keyMismatch(result.summary.announcedKeys, this.#leftOut, this.#ports.keysIn)
    if (mismatch !== undefined)
      return this.#end('mismatch', `The snapshot does not have the keys that it announced: ${mismatch}`)
    this.status = { state: isFile ? 'ok' : 'pending', reason: '' }
  }

  /** The link is up: the primary can be asked. */
  linkUp(): void {
    if (this.status.state !== 'pending' || this.#isAsking || this.#told !== undefined) return
    this.#attempts = 0
    void this.#ask()
  }

  /** The link is down: what the primary has told is of no use, and the next resync may be partial. */
  linkDown(): void {
    this.stop()
  }

  /** More of the stream is applied. */
  applied(offset: number): void {
    const told = this.#told
    if (told === undefined || offset < told.offset) return
    this.#told = undefined
    if (offset === told.offset) this.#compare(told)
    else this.#askLater()
  }

  stop(): void {
    clearTimeout(this.#retry)
    this.#retry = undefined
    this.#told = undefined
  }

  async #ask(): Promise<void> {
    this.#isAsking = true
    this.#attempts++
    const before = this.status
    try {
      const told = primaryKeys(await this.#ports.ask())
      // Another snapshot may have come meanwhile.
      if (this.status !== before) return
      if (told === undefined) return this.#end('unknown', 'the primary does not tell its offset')
      const { replid, offset } = this.#ports.position()
      if (told.replid !== replid) return this.#end('unknown', "the primary's history is another one by now")
      this.#told = told
      this.applied(offset)
    } catch (error) {
      if (this.status !== before) return
      this.#end('unknown', `the primary cannot be asked: ${error instanceof Error ? error.message : String(error)}`)
    } finally {
      this.#isAsking = false
    }
  }

  #askLater(): void {
    if (this.#attempts >= ATTEMPTS_MAX) {
      return this.#end(
        'unknown',
        `writes went on: none of ${ATTEMPTS_MAX} answers of the primary was for an offset met here`,
      )
    }
    this.#retry = setTimeout(() => void this.#ask(), RETRY_MS).unref()
  }

  #compare({ keys }: PrimaryKeys): void {
    const { databaseCount, keysIn } = this.#ports
    if (!this.#ports.isFaithful()) return this.#end('unknown', 'this node takes writes of its own')
    const all = Array.from({ length: databaseCount }, (_, db): [number, number] => [db, keys.get(db) ?? 0])
    const mismatch = keyMismatch(all, this.#leftOut, keysIn)
    if (mismatch === undefined) this.#end('ok', '')
    else this.#end('mismatch', `The primary has other keys at the same offset: ${mismatch}`)
  }

  #end(state: KeyCheckStatus['state'], reason: string): void {
    this.stop()
    this.status = { state, reason }
    if (state === 'mismatch') this.#ports.logger.warning(reason)
    else if (state === 'unknown') this.#ports.logger.verbose(`The keys were not compared with the primary's: ${reason}`)
  }
}

function leftOutOf({ summary }: RdbLoadResult): number {
  let count = summary.emptyKeysDropped
  for (const skipped of Object.values(summary.skippedModules)) count += skipped
  return count
}

/** Where the keys are not as many as expected, by more than what was left out on purpose. */
export function keyMismatch(
  expected: readonly (readonly [db: number, keys: number])[],
  leftOut: number,
  keysIn: (db: number) => number,
): string | undefined {
  const differing: string[] = []
  let missing = 0
  for (const [db, keys] of expected) {
    const found = keysIn(db)
    missing += keys - found
    if (keys !== found) differing.push(`database ${db} has ${found} keys here instead of ${keys}`)
  }
  if (differing.length === 0 || (missing === leftOut && leftOut > 0)) return undefined
  return `${differing.join('; ')}; ${leftOut} were left out on purpose`
}

/** @param info sections replication and keyspace among others */
function primaryKeys(info: string): PrimaryKeys | undefined {
  const replid = /^master_replid:([0-9a-f]{40})\r?$/m.exec(info)?.[1]
  const offset = /^master_repl_offset:(\d+)\r?$/m.exec(info)?.[1]
  if (replid === undefined || offset === undefined) return undefined
  const keys = new Map<number, number>()
  for (const [, db, count] of info.matchAll(/^db(\d+):keys=(\d+),/gm)) keys.set(Number(db), Number(count))
  return { replid, offset: Number(offset), keys }
}
