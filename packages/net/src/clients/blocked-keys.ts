/**
 * Connections that wait for keys (BLPOP, XREAD BLOCK …): who waits for which key, in which order they began, and which
 * keys changed since. Every change of a key comes here through the keyspace's listener; while nobody waits it costs one
 * comparison. Waits are tried again after the command, EXEC or unit of the stream that made the change (`serve`).
 *
 * For each key that changed, in the order of the changes, its waiters are tried in the order in which they began to wait,
 * for this key alone. A served command may change further keys: they are served next.
 *
 * Source: redis 7.0 blocked.c blockForKeys(), handleClientsBlockedOnKeys().
 */
import { NOTIFY_KEY_MISS, rdbTypeFacts } from '@understudy/core/internal'
import type { CommandArgs, KeyChangeListener, KeyWait } from '@understudy/core/internal'
import { retryCommand } from './dispatcher.ts'
import { KeyNames } from './key-names.ts'
import type { ClientServer } from './server.ts'
import type { ClientSession } from './session.ts'
import { copyArgs } from './transaction.ts'

/** One waiting command. */
interface Waiter {
  readonly session: ClientSession
  readonly wait: KeyWait
  readonly args: CommandArgs
  readonly keys: AwaitedKey[]
}

/** One key that somebody waits for. */
interface AwaitedKey {
  readonly db: number
  readonly bytes: Buffer
  /** Waiters in the order in which they came, with the index of the key's argument. */
  readonly waiters: Map<Waiter, number>
  /** Waiters that are tried when the key is gone or of another type. */
  triedWithout: number
  /** Stands in the list of keys to serve. */
  isReady: boolean
}

export class BlockedKeys implements KeyChangeListener {
  readonly #server: ClientServer
  readonly #names = new KeyNames<AwaitedKey>()
  #ready: AwaitedKey[] = []
  #serving = false

  constructor(server: ClientServer) {
    this.#server = server
  }

  get active(): boolean {
    return this.#names.count > 0
  }

  /** Did an awaited key change? `serve` is due then. */
  get hasReady(): boolean {
    return this.#ready.length > 0
  }

  /** The command of `session` waits; its arguments are copied. */
  block(session: ClientSession, wait: KeyWait): void {
    const { args, db } = session
    const waiter: Waiter = { session, wait, args: copyArgs(args), keys: [] }
    for (const index of wait.keys) {
      const start = args.start[index]!
      const end = args.end[index]!
      let key = this.#names.find(db, args.bytes, start, end)
      if (key === undefined) {
        const bytes = Buffer.from(args.bytes.subarray(start, end))
        key = { db, bytes, waiters: new Map(), triedWithout: 0, isReady: false }
        this.#names.add(db, bytes, key)
      } else if (key.waiters.has(waiter)) continue
      key.waiters.set(waiter, index)
      if (wait.triesWithout === true) key.triedWithout++
      waiter.keys.push(key)
    }
    session.block(wait.timeoutMs, () => this.#withArgs(waiter, () => wait.timedOut(session)), {
      ended: () => this.#forget(waiter),
    })
  }

  /** @param gone The key is not there any more: that is news only to those who wait for it. */
  keyChanged(db: number, key: Uint8Array, start: number, end: number, gone: boolean = false): void {
    const awaited = this.#names.find(db, key, start, end)
    if (awaited !== undefined && (!gone || awaited.triedWithout > 0)) this.#markReady(awaited)
  }

  /** @param db -1 for all. */
  databaseFlushed(db: number): void {
    this.#names.forEach(db, (key) => this.#markReady(key))
  }

  databasesSwapped(first: number, second: number): void {
    this.databaseFlushed(first)
    this.databaseFlushed(second)
  }

  /** Tries the waits for all keys that changed. Call outside of units. */
  serve(): void {
    if (this.#serving) return
    this.#serving = true
    try {
      while (this.#ready.length > 0) {
        const ready = this.#ready
        this.#ready = []
        for (const key of ready) {
          key.isReady = false
          this.#serveKey(key)
        }
      }
    } finally {
      this.#serving = false
    }
  }

  #markReady(key: AwaitedKey): void {
    if (key.isReady) return
    key.isReady = true
    this.#ready.push(key)
    // Changes outside of commands (a new generation, expiry) are served at the end of the turn.
    this.#server.endTurnSoon()
  }

  /** That a key is gone is no `keymiss` when a wait looks again (redis 7.0 LOOKUP_NONOTIFY). */
  #serveKey(key: AwaitedKey): void {
    const { events } = this.#server.keyspace
    const { mask } = events
    events.mask = mask & ~NOTIFY_KEY_MISS
    try {
      this.#serveWaiters(key)
    } finally {
      events.mask = mask
    }
  }

  #serveWaiters(key: AwaitedKey): void {
    for (const [waiter, index] of key.waiters) {
      const type = this.#typeOf(key)
      const { session, wait } = waiter
      if (type !== wait.awaitedType && wait.triesWithout !== true) {
        if (type === undefined && key.triedWithout === 0) return
        continue
      }
      let served = false
      this.#server.replyNow(session, () => {
        this.#withArgs(waiter, () => {
          served = retryCommand(session, (context) => wait.retry(context, index))
        })
      })
      if (!served) continue
      session.endWait()
      session.commandOver()
      this.#server.resume(session)
    }
  }

  /** The type of a key as clients see it. */
  #typeOf({ db, bytes }: AwaitedKey): string | undefined {
    const { keyspace, clock } = this.#server
    if (!keyspace.lookupAlive(db, bytes, 0, bytes.length, clock.wallMs())) return undefined
    return rdbTypeFacts(keyspace.entry.rdbType)?.typeName
  }

  #withArgs({ session, args }: Waiter, run: () => void): void {
    const before = session.args
    session.args = args
    try {
      run()
    } finally {
      session.args = before
    }
  }

  #forget(waiter: Waiter): void {
    for (const key of waiter.keys) {
      key.waiters.delete(waiter)
      if (waiter.wait.triesWithout === true) key.triedWithout--
      if (key.waiters.size === 0) this.#names.remove(key.db, key.bytes)
    }
  }
}
