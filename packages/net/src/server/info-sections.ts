/**
 * The sections of INFO that tell about data and replication: Memory, Persistence, Replication, Keyspace, and the lines
 * of Stats that belong to them. Field names: redis 7.0 server.c genRedisInfoString(); what is ours has names of its own.
 */
import { totalmem } from 'node:os'
import { getHeapStatistics } from 'node:v8'
import { HUGE_PAGES, type MemoryFacts } from '@understudy/core/internal'
import type { LinkStatus } from '../link/link-status.ts'
import type { KeyCheckStatus } from './key-check.ts'
import type { Node } from './node.ts'

export function addDataInfoSections(node: Node): void {
  const { info } = node.server
  info.add('Memory', () => memoryLines(node))
  info.add('Persistence', () => persistenceLines(node))
  info.add('Replication', () => replicationLines(node))
  info.add('Keyspace', () => keyspaceLines(node))
}

function human(bytes: number): string {
  if (bytes < 1024) return `${bytes}B`
  for (const [unit, size] of [
    ['K', 2 ** 10],
    ['M', 2 ** 20],
    ['G', 2 ** 30],
  ] as const) {
    if (bytes < size * 1024 || unit === 'G') return `${(bytes / size).toFixed(2)}${unit}`
  }
  return `${bytes}B`
}

/** Of this process: its largest used_memory so far, and what it used before any data. */
let peakBytes = 0
const startupBytes = getHeapStatistics().used_heap_size

/** used_memory. */
export function usedMemory({ keyspace, backlog, below, link }: Node): number {
  const heap = getHeapStatistics().used_heap_size
  return keyspace.generation.runBytes + heap + backlog.capacityBytes + below.keptBytes + link.stream.bufferBytes
}

/** What MEMORY STATS and INFO memory tell. O(clients). */
export function memoryFacts(node: Node): MemoryFacts {
  const { backlog } = node
  const usedBytes = usedMemory(node)
  peakBytes = Math.max(peakBytes, usedBytes)
  return {
    usedBytes,
    peakBytes,
    startupBytes,
    residentBytes: process.memoryUsage.rss(),
    backlogBytes: backlog.capacityBytes,
    replicaBytes: node.below.keptBytes,
    clientBytes: clientBytes(node),
    functionBytes: node.libraries.codeBytes,
  }
}

function memoryLines(node: Node): string[] {
  const { keyspace, link, config } = node
  const { usedBytes, peakBytes: peak, residentBytes, backlogBytes, clientBytes: clients } = memoryFacts(node)
  const dataset = keyspace.usedBytes
  const notCounted = Math.max(0, usedBytes - node.memoryLimit.countBytes())
  const maxmemory = config.get('maxmemory')
  return [
    `used_memory:${usedBytes}`,
    `used_memory_human:${human(usedBytes)}`,
    `used_memory_rss:${residentBytes}`,
    `used_memory_rss_human:${human(residentBytes)}`,
    `used_memory_peak:${peak}`,
    `used_memory_peak_human:${human(peak)}`,
    `used_memory_peak_perc:${((100 * usedBytes) / peak).toFixed(2)}%`,
    `used_memory_overhead:${usedBytes - dataset}`,
    `used_memory_startup:${startupBytes}`,
    `used_memory_dataset:${dataset}`,
    `used_memory_dataset_perc:${((100 * dataset) / usedBytes).toFixed(2)}%`,
    `js_heap_used:${getHeapStatistics().used_heap_size}`,
    `keyspace_segment_bytes:${keyspace.generation.runBytes}`,
    `total_system_memory:${totalmem()}`,
    `total_system_memory_human:${human(totalmem())}`,
    // There is no interpreter: no script, cached or running, takes memory.
    'used_memory_lua:0',
    'used_memory_vm_eval:0',
    'used_memory_scripts_eval:0',
    'number_of_cached_scripts:0',
    `number_of_functions:${node.libraries.functionCount}`,
    `number_of_libraries:${node.libraries.libraryCount}`,
    'used_memory_vm_functions:0',
    'used_memory_vm_total:0',
    `used_memory_functions:${node.libraries.codeBytes}`,
    `used_memory_scripts:${node.libraries.codeBytes}`,
    `maxmemory:${maxmemory}`,
    `maxmemory_human:${human(maxmemory)}`,
    `maxmemory_policy:${config.get('maxmemory-policy')}`,
    `mem_fragmentation_ratio:${(residentBytes / usedBytes).toFixed(2)}`,
    `mem_fragmentation_bytes:${residentBytes - usedBytes}`,
    `mem_not_counted_for_evict:${notCounted}`,
    `mem_replication_backlog:${backlogBytes}`,
    `mem_total_replication_buffers:${backlogBytes + node.below.keptBytes + link.stream.bufferBytes}`,
    `mem_clients_slaves:${node.below.keptBytes}`,
    `mem_clients_normal:${clients}`,
    'mem_cluster_links:0',
    'mem_aof_buffer:0',
    'mem_allocator:understudy-arena',
    `mem_huge_pages_asked_for:${HUGE_PAGES ? 1 : 0}`,
    `active_defrag_running:${node.defrag.effort}`,
    `lazyfree_pending_objects:${keyspace.lazyFreePending}`,
  ]
}

function clientBytes(node: Node): number {
  let sum = 0
  for (const session of node.server.sessions.values()) sum += session.memoryBytes
  return sum
}

function persistenceLines(node: Node): string[] {
  const { persistence, state } = node
  const lines = [
    `loading:${state.loading ? 1 : 0}`,
    `async_loading:${state.asyncLoading ? 1 : 0}`,
    'current_cow_peak:0',
    'current_cow_size:0',
    'current_fork_perc:0.00',
    'current_save_keys_processed:0',
    'current_save_keys_total:0',
    `rdb_changes_since_last_save:${persistence.changes}`,
    `rdb_bgsave_in_progress:${persistence.isSaving ? 1 : 0}`,
    `rdb_last_save_time:${Math.floor(persistence.lastSaveMs / 1000)}`,
    `rdb_last_bgsave_status:${persistence.fault === '' ? 'ok' : 'err'}`,
    `rdb_last_bgsave_time_sec:${persistence.lastBackgroundSeconds}`,
    `rdb_current_bgsave_time_sec:${persistence.backgroundSeconds}`,
    'rdb_last_cow_size:0',
    `rdb_saves:${persistence.saves}`,
    ...(persistence.fault === '' ? [] : [`rdb_last_save_fault:${oneLine(persistence.fault)}`]),
    `rdb_last_load_keys_expired:${node.lastSnapshot.keysExpired}`,
    `rdb_last_load_keys_loaded:${node.lastSnapshot.keysLoaded}`,
    `rdb_last_load_module_keys_skipped:${node.lastSnapshot.skippedModuleKeys}`,
    'aof_enabled:0',
    'aof_rewrite_in_progress:0',
    'aof_rewrite_scheduled:0',
    'aof_last_rewrite_time_sec:-1',
    'aof_current_rewrite_time_sec:-1',
    'aof_last_bgrewrite_status:ok',
    'aof_last_write_status:ok',
    ...node.streamLog.infoLines,
    'module_fork_in_progress:0',
    'module_fork_last_cow_size:0',
  ]
  const progress = loadingProgress(node, state.loading)
  if (progress === undefined) return lines
  const { startedMs, loadedBytes, totalBytes, loadedKeys } = progress
  const elapsedSeconds = (node.clock.monotonicMs() - startedMs) / 1000
  const share = totalBytes > 0 ? Math.min(1, loadedBytes / totalBytes) : 0
  const eta = share > 0 ? Math.round((elapsedSeconds * (1 - share)) / share) : -1
  lines.push(
    `loading_start_time:${Math.floor(node.clock.wallMs() / 1000 - elapsedSeconds)}`,
    `loading_total_bytes:${totalBytes}`,
    `loading_rdb_used_mem:0`,
    `loading_loaded_bytes:${loadedBytes}`,
    `loading_loaded_perc:${(100 * share).toFixed(2)}`,
    `loading_loaded_keys:${loadedKeys}`,
    `loading_eta_seconds:${eta < 0 ? 1 : eta}`,
  )
  return lines
}

interface Progress {
  startedMs: number
  loadedBytes: number
  totalBytes: number
  loadedKeys: number
}

/** Waiting for the first sync is loading too, of nothing yet: clients that poll look at all of its fields. */
function loadingProgress(node: Node, isLoading: boolean): Progress | undefined {
  if (node.fileLoading !== undefined) return node.fileLoading
  const { loading } = node.link.getStatus()
  const nowMs = node.clock.monotonicMs()
  if (loading !== undefined) return { ...loading, startedMs: nowMs - loading.elapsedMs }
  return isLoading ? { startedMs: nowMs, loadedBytes: 0, totalBytes: 0, loadedKeys: 0 } : undefined
}

function seconds(milliseconds: number): number {
  return milliseconds < 0 ? -1 : Math.floor(milliseconds / 1000)
}

function replicationLines(node: Node): string[] {
  const { config, backlog, link } = node
  const status = link.getStatus()
  const lines = [`role:${status.host === undefined ? 'master' : 'slave'}`]
  if (status.host !== undefined) {
    const port = status.port ?? 0
    lines.push(
      `master_host:${status.host}`,
      `master_port:${port}`,
      `master_link_status:${status.isUp ? 'up' : 'down'}`,
      `master_last_io_seconds_ago:${seconds(status.lastIoMsAgo)}`,
      `master_sync_in_progress:${status.isSyncing ? 1 : 0}`,
      `slave_read_repl_offset:${status.receivedOffset}`,
      `slave_repl_offset:${status.appliedOffset}`,
    )
    if (status.sync !== undefined) {
      const { totalBytes, receivedBytes, lastIoMsAgo } = status.sync
      const left = totalBytes > 0 ? Math.max(0, totalBytes - receivedBytes) : 0
      lines.push(
        `master_sync_total_bytes:${totalBytes}`,
        `master_sync_read_bytes:${receivedBytes}`,
        `master_sync_left_bytes:${left}`,
        `master_sync_perc:${totalBytes > 0 ? ((100 * receivedBytes) / totalBytes).toFixed(2) : '0.00'}`,
        `master_sync_last_io_seconds_ago:${seconds(lastIoMsAgo)}`,
      )
    }
    lines.push(...fullSyncLines(status), ...keyCheckLines(node.keyCheck.status))
    if (!status.isUp) lines.push(`master_link_down_since_seconds:${seconds(status.downSinceMsAgo)}`)
    lines.push(
      `slave_priority:${config.get('replica-priority')}`,
      `slave_read_only:${config.get('replica-read-only') ? 1 : 0}`,
      `replica_announced:${config.get('replica-announced') ? 1 : 0}`,
      `master_link_last_failure:${oneLine(status.lastFailure)}`,
      ...node.unapplied.lines(),
    )
  }
  const hasBacklog = node.below.isBacklogActive
  lines.push(
    ...replicaLines(node),
    `master_failover_state:${node.failover.stateName}`,
    `master_replid:${status.replid}`,
    `master_replid2:${status.replid2}`,
    `master_repl_offset:${status.appliedOffset}`,
    `second_repl_offset:${status.secondReplOffset}`,
    `repl_backlog_active:${hasBacklog ? 1 : 0}`,
    `repl_backlog_size:${backlog.capacityBytes}`,
    `repl_backlog_first_byte_offset:${hasBacklog ? backlog.firstByteOffset : 0}`,
    `repl_backlog_histlen:${backlog.histlen}`,
  )
  return lines
}

/** Replicas below. */
function replicaLines({ below, clock, config }: Node): string[] {
  const replicas = below.list()
  const lines = [`connected_slaves:${replicas.length}`]
  if (config.get('min-replicas-to-write') > 0 && config.get('min-replicas-max-lag') > 0) {
    lines.push(`min_slaves_good_slaves:${below.goodReplicas}`)
  }
  for (const [index, { ip, port, stateName, machine }] of replicas.entries()) {
    const lag = machine.isOnline ? seconds(clock.monotonicMs() - machine.ackAtMs) : 0
    lines.push(`slave${index}:ip=${ip},port=${port},state=${stateName},offset=${machine.ackOffset},lag=${lag}`)
  }
  return lines
}

/** What a full resync keeps back, and what of it failed. The names of the buffer are those of Redis 8. */
function fullSyncLines({ heldReason, waiting, spillFault, syncFileFault }: LinkStatus): string[] {
  return [
    `full_resync_held:${heldReason === '' ? 0 : 1}`,
    `full_resync_held_reason:${oneLine(heldReason)}`,
    `replicas_repl_buffer_size:${waiting.bytes}`,
    `replicas_repl_buffer_peak:${waiting.peakBytes}`,
    `full_sync_spill_file_bytes:${waiting.fileBytes}`,
    `full_sync_spilled_bytes:${waiting.spilledBytes}`,
    `full_sync_catch_up_eta_seconds:${waiting.catchUpEtaSeconds}`,
    `full_sync_spill_status:${spillFault === '' ? 'ok' : 'err'}`,
    `full_sync_file_status:${syncFileFault === '' ? 'ok' : 'err'}`,
    ...[spillFault, syncFileFault]
      .filter((fault) => fault !== '')
      .map((fault) => `full_sync_last_fault:${oneLine(fault)}`),
  ]
}

function keyCheckLines({ state, reason }: KeyCheckStatus): string[] {
  return [`full_sync_key_check:${state}`, `full_sync_key_check_reason:${oneLine(reason)}`]
}

function oneLine(text: string): string {
  return text.replace(/[\r\n]/g, ' ')
}

function keyspaceLines(node: Node): string[] {
  const { keyspace } = node
  const lines: string[] = []
  for (let db = 0; db < keyspace.databaseCount; db++) {
    const keys = keyspace.size(db)
    if (keys > 0) lines.push(`db${db}:keys=${keys},expires=${keyspace.expires(db)},avg_ttl=0`)
  }
  return lines
}

/** Lines of Stats about the stream; they replace the defaults of the same name. */
export function streamStatLines(node: Node): string[] {
  const status = node.link.getStatus()
  const { statistics } = node.server
  const whole = statistics.whole()
  return [
    `total_net_input_bytes:${whole.netInputBytes + statistics.replicationInputBytes}`,
    `total_net_repl_input_bytes:${statistics.replicationInputBytes}`,
    `instantaneous_input_repl_kbps:${(statistics.replicationInputRate.perSecond / 1024).toFixed(2)}`,
    `sync_full:${node.below.counters.fullSyncs}`,
    `sync_partial_ok:${node.below.counters.partialSyncs}`,
    `sync_partial_err:${node.below.counters.partialSyncsRefused}`,
    // Those that this node asked of its primary.
    `sync_asked_full:${status.counters.fullResyncs}`,
    `sync_asked_partial_ok:${status.counters.partialResyncs}`,
    `keyspace_hits:${node.keyspace.hits + whole.hits}`,
    `keyspace_misses:${node.keyspace.misses + whole.misses}`,
    `expired_keys:${node.keyspace.expiredKeys}`,
    `evicted_clients:${node.clientEviction.evicted}`,
    ...node.defrag.statLines(),
    ...node.memoryLimit.statLines(),
  ]
}
