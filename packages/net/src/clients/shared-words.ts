/**
 * What every thread that serves clients looks at, in shared memory: whether it may answer reads itself, and the next
 * connection's number.
 *
 * ```
 * bytes 0-3   closed: one bit for each reason why reads, or only transactions, have to go to the link thread; 0: none
 * bytes 4-7   1: clients may write, so a read may store what it computed (PFCOUNT)
 * bytes 8-15  id of the connection accepted last
 * ```
 * The link thread alone writes the first two words. It closes the gate before it does what the reason stands for, and an I/O
 * thread looks again after each read: a read that has seen anything of it finds the gate closed and is forwarded.
 */
const CLOSED_WORD = 0
const WRITABLE_WORD = 1
/** In numbers of 8 bytes. */
const LAST_ID_WORD = 1
const BYTES = 16

/** MONITOR shows every command, in order. */
export const GATE_MONITOR = 1
/** CLIENT PAUSE ALL holds every command back. */
export const GATE_PAUSE = 2
/** Reads are refused (-LOADING, -MASTERDOWN); a full resync that loads beside what is served is no reason. */
export const GATE_NODE = 4
/** notify-keyspace-events wants to hear of reads that found nothing. */
export const GATE_EVENTS = 8

/** Memory has run out: MULTI queues nothing more (-OOM). Only transactions have to know. */
export const GATE_MEMORY = 16

export class SharedWords {
  /** To be given to other threads. */
  readonly memory: SharedArrayBuffer
  readonly #words: Int32Array
  readonly #ids: BigInt64Array

  /** @param memory of the link thread's; it makes its own by leaving this out. */
  constructor(memory: SharedArrayBuffer = new SharedArrayBuffer(BYTES)) {
    this.memory = memory
    this.#words = new Int32Array(memory)
    this.#ids = new BigInt64Array(memory)
  }

  /** May threads answer reads themselves? Atomics.load pairs with `setGate`. */
  get readsAllowed(): boolean {
    return (Atomics.load(this.#words, CLOSED_WORD) & ~GATE_MEMORY) === 0
  }

  /** May threads run transactions of reads themselves? */
  get transactionsAllowed(): boolean {
    return Atomics.load(this.#words, CLOSED_WORD) === 0
  }

  /** Link thread only. */
  setGate(reason: number, closed: boolean): void {
    if (closed) Atomics.or(this.#words, CLOSED_WORD, reason)
    else Atomics.and(this.#words, CLOSED_WORD, ~reason)
  }

  /** Does the node take writes from clients? */
  get writable(): boolean {
    return Atomics.load(this.#words, WRITABLE_WORD) === 1
  }

  /** Link thread only. */
  setWritable(writable: boolean): void {
    Atomics.store(this.#words, WRITABLE_WORD, writable ? 1 : 0)
  }

  /** A number that no other connection of this process has had. */
  takeClientId(): number {
    return Number(Atomics.add(this.#ids, LAST_ID_WORD, 1n)) + 1
  }
}
