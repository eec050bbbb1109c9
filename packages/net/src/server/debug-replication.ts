/** DEBUG CHANGE-REPL-ID: the history ends here, so that replicas have to be given all of the data anew. As in redis 7.0 debug.c. */
import type { DebugSubcommand } from '../commands/debug.ts'
import type { ReplicaLink } from '../link/replica-link.ts'

export function debugReplication(link: () => ReplicaLink): Readonly<Record<string, DebugSubcommand>> {
  return {
    'CHANGE-REPL-ID': {
      summary: 'Changes the replication IDs: replicas that come again get a full resync.',
      run: ({ reply }) => {
        link().history.beginAnew()
        reply.ok()
      },
    },
  }
}
