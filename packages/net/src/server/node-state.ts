/** What a node's parts make of its state: whether it is a replica, what it refuses and why. The checks themselves are the dispatcher's. */
import type { Node } from './node.ts'
import { tellDataset } from './told-readers.ts'

/** Brings the state up to date, and tells those who go by it. `node` need not be complete yet. */
export function updateNodeState(node: Node): void {
  const { state, config, persistence, streamLog, below } = node
  const status = node.link?.getStatus()
  state.replica = status?.host !== undefined
  state.replicaReadOnly = config.get('replica-read-only')
  state.serveStaleData = config.get('replica-serve-stale-data')
  state.linkUp = status === undefined || status.host === undefined || status.isUp
  // A node that was never synced says so; it does not answer 'no such key' from an empty dataset.
  state.loading = node.fileLoading !== undefined || (state.replica && !node.hasData)
  state.asyncLoading = !state.loading && status?.loading !== undefined
  state.cannotSave = persistence.stopsWrites
  state.logFault = streamLog.fault
  tellDataset(node, node.hasData && node.fileLoading === undefined)
  below.roleChanged()
  node.server?.nodeChanged()
}

/** min-replicas-to-write: more replicas are good enough, or fewer. */
export function countGoodReplicas({ state, config, below, server }: Node): void {
  const needed = config.get('min-replicas-max-lag') > 0 ? config.get('min-replicas-to-write') : 0
  const tooFew = !state.replica && below.goodReplicas < needed
  if (tooFew === state.tooFewReplicas) return
  state.tooFewReplicas = tooFew
  server.nodeChanged()
}
