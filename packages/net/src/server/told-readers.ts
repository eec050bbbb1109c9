/** What readers in other threads are told of a node beside its data: where in the stream these are, and whether there are any. */
import type { Node } from './node.ts'

type Told = Pick<Node, 'keyspace' | 'link' | 'clock'>

/** What moves the position without changing data included. @param replid when that has changed */
export function tellPosition({ keyspace, link, clock }: Told, replid?: string): void {
  // REPLICAOF may be part of a transaction; Sentinel sends it so.
  keyspace.inUnit(() => {
    if (replid !== undefined) keyspace.position.setReplid(replid)
    keyspace.position.note(link.history.replOffset, clock.wallMs())
  })
}

/** Are there data to be read? Not before the start, and not before the first sync. */
export function tellDataset({ keyspace }: Told, has: boolean): void {
  if (keyspace.position.hasDataset !== has) keyspace.inUnit(() => keyspace.position.setHasDataset(has))
}
