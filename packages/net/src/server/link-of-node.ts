/** The link of a node to its primary: what it asks of the other parts, and what becomes of what it tells. */
import type { RdbLoaderPool } from '@understudy/rdb-worker'
import { ReplicaLink } from '../link/replica-link.ts'
import { adoptDataset } from './adopt-dataset.ts'
import { linkConfig } from './configure.ts'
import { fullSyncGate } from './full-sync-policy.ts'
import type { Node } from './node.ts'
import { PrimaryClient } from './primary-client.ts'
import { tellPosition } from './told-readers.ts'
import { ensureWorkingDirectory } from './working-directory.ts'

/** The last part of a node to be made. @param primaryClient is told of connections */
export function newLink(node: Node, loader: RdbLoaderPool, primaryClient: PrimaryClient): ReplicaLink {
  const {
    applier,
    backlog,
    below,
    clock,
    config,
    failover,
    keyCheck,
    keyspace,
    logger,
    monitoredStream,
    server,
    streamLog,
  } = node
  const { registry, settings, statistics } = server
  const link: ReplicaLink = new ReplicaLink(
    linkConfig(config, settings.encodings, keyspace.hashSeed, () => server.port),
    {
      clock,
      logger,
      loader: {
        load: (load) => {
          ensureWorkingDirectory(config.get('dir'))
          return loader.load(load)
        },
      },
      backlog,
      commandsAhead: applier.ahead,
      applyCommand: applier.command,
      applyGroup: applier.group,
      onFrame: (name, args, db) => {
        const entry = registry.findFullName(name)
        if (entry === undefined) return
        statistics.commandsProcessed++
        statistics.calls[entry.id]!++
        if (monitoredStream.isWatched) monitoredStream.show(entry, args, db)
      },
      onFullSync: (result) => {
        adoptDataset(node, result, link.getStatus().loading?.elapsedMs ?? 0, false)
        // Replicas below, and the log, are of the old history; the backlog that they read is about to go.
        below.historyChanged()
        streamLog.dataReplaced()
      },
      onHandedOver: (accepted) => failover.answered(accepted),
      onSynced: (file) => {
        if (file !== undefined) node.persistence.noteFile()
        streamLog.dataAdopted(file)
      },
      onHistoryChanged: () => node.historyRenamed(),
      onApplied: (offset) => {
        below.appended()
        streamLog.appended()
        tellPosition(node)
        keyCheck.applied(offset)
      },
      dropData: () => {
        below.historyChanged()
        streamLog.dataReplaced()
        node.hasData = false
        // I/O threads must know before it that they must not answer from what is empty.
        node.updateState()
        keyspace.begin()
        keyspace.flushAll()
        keyspace.end()
      },
      gate: fullSyncGate({
        policy: () => config.get('full-resync-policy'),
        lowMemory: () => config.get('full-sync-low-memory'),
        refusesEmptyPrimary: () => config.get('refuse-empty-primary'),
        maxmemory: () => config.get('maxmemory'),
        history: () => link.history,
        keyCount: () => (node.hasData ? keyspace.keyCount : 0),
        datasetBytes: () => keyspace.usedBytes,
      }),
      isEmpty: () => !node.hasData || keyspace.keyCount === 0,
      onState: (name) => {
        if (name === 'connected') keyCheck.linkUp()
        else keyCheck.linkDown()
        primaryClient.noteState()
        node.updateState()
      },
    },
  )
  statistics.replicationInputTotal = () => link.bytesReceived
  for (const name of ['full-resync-policy', 'refuse-empty-primary', 'full-sync-low-memory'] as const) {
    config.onChange(name, () => link.release(false))
  }
  return link
}
