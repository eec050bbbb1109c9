/** DEBUG CHANGE-REPL-ID: the history ends here, so that replicas have to be given all of the data anew. As in redis 7.0 debug.c. */
import type { DebugSubcommand } from '../commands/debug.ts'
import type { Node } from './node.ts'
import { tellPosition } from './told-readers.ts'

/** @param node need not be complete yet. */
export function debugReplication(node: Node): Readonly<Record<string, DebugSubcommand>> {
  return {
    'CHANGE-REPL-ID': {
      summary: 'Changes the replication IDs: replicas that come again get a full resync.',
      run: ({ reply }) => {
        const { history } = node.link
        history.beginAnew()
        // Replicas that are here stay, as in Redis.
        node.streamLog.historyChanged()
        tellPosition(node, history.replid)
        reply.ok()
      },
    },
  }
}
