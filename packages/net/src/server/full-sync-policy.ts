/**
 * Shall the data of this node be replaced? Judged before a snapshot is received (whose it is, whether both datasets fit into
 * memory) and before it is swapped in (whether the primary has come back empty). It decides; the link carries out.
 */
import { totalmem } from 'node:os'
import type { FullSync, ReplicationHistory } from '@understudy/core/internal'
import type { FullSyncGate } from '../link/full-sync-gate.ts'

/** full-resync-policy. `ask` and `never` differ in whether FULLRESYNC ACCEPT is allowed. */
export type FullResyncPolicy = 'always' | 'same-history' | 'never' | 'ask'

/** full-sync-low-memory: what to do when two datasets do not fit. */
export type LowMemoryPolicy = 'flush' | 'hold' | 'load'

type Ids = Pick<ReplicationHistory, 'replid' | 'replid2'>

/** Are they our data, further on? */
function isOurHistory(sync: FullSync, { replid, replid2 }: Ids): boolean {
  return sync.known && (sync.replid === replid || sync.replid === replid2)
}

/** Why the policy is against replacing data that this node has; undefined: it is not. */
export function refusalOfHistory(policy: FullResyncPolicy, sync: FullSync, history: Ids): string | undefined {
  switch (policy) {
    case 'always':
      return undefined
    case 'same-history':
      if (isOurHistory(sync, history)) return undefined
      return `its history ${sync.replid} is not ours, ${history.replid}, and full-resync-policy is same-history`
    case 'never':
    case 'ask':
      return `full-resync-policy is ${policy}`
  }
}

/** What the gate looks at, read at every question. */
export interface FullSyncFacts {
  readonly policy: () => FullResyncPolicy
  readonly lowMemory: () => LowMemoryPolicy
  readonly refusesEmptyPrimary: () => boolean
  /** 0: not set. */
  readonly maxmemory: () => number
  readonly history: () => Ids
  readonly keyCount: () => number
  readonly datasetBytes: () => number
}

/**
 * The directives as the link's gate. A node without keys has nothing to lose: neither a foreign history nor an empty dataset
 * is refused. Whether there are old data to make room for is the link's question; `roomForTwo` is only asked if so.
 */
export function fullSyncGate(facts: FullSyncFacts): FullSyncGate {
  return {
    refuseHistory(sync) {
      return facts.keyCount() === 0 ? undefined : refusalOfHistory(facts.policy(), sync, facts.history())
    },
    roomForTwo(sync, snapshotBytes) {
      const policy = facts.lowMemory()
      if (policy === 'load') return { do: 'load' }
      const isOurs = isOurHistory(sync, facts.history())
      const why = memoryShortage(estimateMemory(facts.maxmemory(), facts.datasetBytes(), snapshotBytes, isOurs))
      return why === undefined ? { do: 'load' } : { do: policy, why }
    },
    refuseDropFirst() {
      if (!facts.refusesEmptyPrimary() || facts.keyCount() === 0) return undefined
      return (
        'full-sync-low-memory flush would drop the old data first, and refuse-empty-primary yes keeps them until the new ones are ' +
        'known to have keys. FULLRESYNC ACCEPT drops them, full-sync-low-memory load loads beside them'
      )
    },
    refuseLoaded(keyCount) {
      if (!facts.refusesEmptyPrimary() || keyCount > 0 || facts.keyCount() === 0) return undefined
      return `the primary has no keys, this node has ${facts.keyCount()}, and refuse-empty-primary is yes`
    },
  }
}

export interface MemoryEstimate {
  /** The lower of maxmemory and what the container or the machine has. */
  readonly limitBytes: number
  readonly limitName: string
  readonly usedBytes: number
  /** What the new dataset will take. */
  readonly neededBytes: number
}

/**
 * A snapshot is smaller than what it becomes: strings of tens of bytes take about half as much again. Values that compress well become many
 * times as much, which is not to be seen from outside.
 */
const SNAPSHOT_TO_MEMORY = 1.5

/**
 * @param maxmemory 0: not set
 * @param snapshotBytes length of the snapshot; undefined: the primary does not say
 * @param datasetBytes what the present data take
 * @param isOurs they are these data, further on: taken for as large as now at least. So is what nothing is known of
 */
export function estimateMemory(
  maxmemory: number,
  datasetBytes: number,
  snapshotBytes: number | undefined,
  isOurs: boolean,
): MemoryEstimate {
  const constrained = process.constrainedMemory?.() ?? 0
  const machine = totalmem()
  const isContainer = constrained > 0 && constrained < machine
  let limitBytes = isContainer ? constrained : machine
  let limitName = isContainer ? "the container's limit" : "the machine's memory"
  if (maxmemory > 0 && maxmemory < limitBytes) {
    limitBytes = maxmemory
    limitName = 'maxmemory'
  }
  const grownBytes = Math.round((snapshotBytes ?? 0) * SNAPSHOT_TO_MEMORY)
  const neededBytes = isOurs || snapshotBytes === undefined ? Math.max(grownBytes, datasetBytes) : grownBytes
  const usedBytes = limitName === 'maxmemory' ? datasetBytes : process.memoryUsage.rss()
  return { limitBytes, limitName, usedBytes, neededBytes }
}

/** Undefined: both datasets fit. */
export function memoryShortage(estimate: MemoryEstimate): string | undefined {
  const { limitBytes, limitName, usedBytes, neededBytes } = estimate
  if (usedBytes + neededBytes <= limitBytes) return undefined
  const megabytes = (bytes: number): string => `${Math.ceil(bytes / 2 ** 20)} MiB`
  return (
    `the new data are estimated at ${megabytes(neededBytes)} beside ${megabytes(usedBytes)} in use, ` +
    `and ${limitName} is ${megabytes(limitBytes)}`
  )
}
