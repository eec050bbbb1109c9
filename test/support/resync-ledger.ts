/**
 * Which resyncs every node must have granted since it was started, beside what it counted (INFO stats): the test says what was due,
 * and a single one more, fewer or of another kind is a failure.
 */
import type { TestServer } from './test-server.ts'
import { waitFor } from './wait-for.ts'

const FIELDS = { partial: 'sync_partial_ok', full: 'sync_full', refused: 'sync_partial_err' } as const
type Kind = keyof typeof FIELDS
const KINDS = Object.keys(FIELDS) as Kind[]
const SETTLED_MS = 40_000

/** Granted in part, granted in full, and asked for in part but not granted so. */
export type Resyncs = Readonly<Record<Kind, number>>

export interface LedgerNode {
  readonly name: string
  readonly server: TestServer
}

export class ResyncLedger {
  /** Of all nodes, since the beginning. */
  readonly total: Record<Kind, number> = { partial: 0, full: 0, refused: 0 }
  readonly #due = new Map<LedgerNode, Record<Kind, number>>()

  /** It was started, for the first time or again: it counts from 0. */
  started(node: LedgerNode): void {
    this.#due.set(node, { partial: 0, full: 0, refused: 0 })
  }

  /** It is gone. */
  ended(node: LedgerNode): void {
    this.#due.delete(node)
  }

  /** @param node the one that grants them */
  expect(node: LedgerNode, resyncs: Partial<Resyncs>): void {
    const due = this.#due.get(node)!
    for (const kind of KINDS) {
      due[kind] += resyncs[kind] ?? 0
      this.total[kind] += resyncs[kind] ?? 0
    }
  }

  /** Waits until all nodes have granted what was due. @throws with what they have, when one did not, or something else */
  async settled(): Promise<void> {
    await waitFor('the resyncs that are due', () => this.#check(), { timeoutMs: SETTLED_MS, intervalMs: 20 })
  }

  async #check(): Promise<true> {
    for (const [{ name, server }, due] of this.#due) {
      const stats = await server.info('stats')
      for (const kind of KINDS) {
        const found = Number(stats[FIELDS[kind]])
        if (found !== due[kind]) throw new Error(`${name} has ${found} in ${FIELDS[kind]}, and ${due[kind]} were due`)
      }
    }
    return true
  }
}
