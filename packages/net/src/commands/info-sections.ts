/**
 * The sections of INFO that follow from connections and commands: Server, Clients, Stats, CPU, Modules, Commandstats,
 * Errorstats, Latencystats, Cluster. Memory, Persistence, Replication and Keyspace are added by those who know; so are
 * further lines of Server and Stats (`moreServer`, `moreStats`).
 *
 * Source of names: redis 7.0 server.c genRedisInfoString().
 */
import { arch, release, type as osType } from 'node:os'
import type { ClientServer } from '../clients/server.ts'

export interface ServerIdentity {
  readonly runId: string
  readonly executable: string
  readonly configFile: string
  /** Shown as `understudy_version`. */
  readonly version: string
}

export interface MoreInfo {
  moreServer?: () => readonly string[]
  /** sync_full, expired_keys, keyspace_hits … A line whose field is known replaces the default. */
  moreStats?: () => readonly string[]
}

/** Not a command: the turns of the event loops of all threads that serve clients. */
export const EVENT_LOOP = 'eventloop'

const KIBIBYTE = 1024
const MICROS = 1e6

export function addClientInfoSections(server: ClientServer, identity: ServerIdentity, more: MoreInfo = {}): void {
  const { info } = server
  info.add('Server', () => [...serverLines(server, identity), ...(more.moreServer?.() ?? [])])
  info.add('Clients', () => clientLines(server))
  info.add('Stats', () => override(statsLines(server), more.moreStats?.() ?? []))
  info.add('CPU', cpuLines)
  info.add('Modules', () => [])
  info.add('Commandstats', () => commandLines(server), false)
  info.add('Errorstats', () => errorLines(server))
  info.add('Latencystats', () => latencyLines(server), false)
  info.add('Cluster', () => ['cluster_enabled:0'])
}

function serverLines(server: ClientServer, identity: ServerIdentity): string[] {
  const { settings, clock } = server
  const nowMs = clock.wallMs()
  const uptimeSeconds = Math.floor((nowMs - server.startedAtMs) / 1000)
  return [
    `redis_version:${settings.redisVersion}`,
    'redis_git_sha1:00000000',
    'redis_git_dirty:0',
    'redis_build_id:0',
    `understudy_version:${identity.version}`,
    'redis_mode:standalone',
    `os:${osType()} ${release()} ${arch()}`,
    'arch_bits:64',
    'monotonic_clock:POSIX clock_gettime',
    `multiplexing_api:libuv`,
    `node_version:${process.versions.node}`,
    `process_id:${process.pid}`,
    'process_supervised:no',
    `run_id:${identity.runId}`,
    `tcp_port:${server.port}`,
    `server_time_usec:${Math.floor(nowMs) * 1000}`,
    `uptime_in_seconds:${uptimeSeconds}`,
    `uptime_in_days:${Math.floor(uptimeSeconds / 86_400)}`,
    `hz:${settings.hz}`,
    `configured_hz:${settings.hz}`,
    `lru_clock:${Math.floor(nowMs / 1000) & 0xffffff}`,
    `executable:${identity.executable}`,
    `config_file:${identity.configFile}`,
    `io_threads_active:${server.openPlace === undefined ? 0 : 1}`,
  ]
}

function clientLines(server: ClientServer): string[] {
  const { settings, statistics } = server
  const foreign = [...(server.ports.foreignConnections?.() ?? [])]
  let replicas = 0
  let blocked = 0
  let tracking = 0
  let timeouts = 0
  let inputMax = statistics.recentInputBufferMax
  let outputMax = statistics.recentOutputBufferMax
  for (const session of server.sessions.values()) {
    if (session.type === 'replica') replicas++
    if (session.blocked !== undefined) {
      blocked++
      if (session.blocked.timer !== undefined) timeouts++
    }
    if (session.tracking !== undefined) tracking++
    const { facts } = session
    inputMax = Math.max(inputMax, facts.inputBytes)
    outputMax = Math.max(outputMax, facts.outputBytes)
  }
  return [
    `connected_clients:${server.sessions.size - replicas + foreign.length}`,
    'cluster_connections:0',
    `maxclients:${settings.maxclients}`,
    `client_recent_max_input_buffer:${inputMax}`,
    `client_recent_max_output_buffer:${outputMax}`,
    `blocked_clients:${blocked + server.pauses.postponedCount}`,
    `tracking_clients:${tracking}`,
    `clients_in_timeout_table:${timeouts}`,
  ]
}

function statsLines(server: ClientServer): string[] {
  const { statistics, pubsub, tracking } = server
  const whole = statistics.whole()
  const { threadedIo, turnMicrosRate } = statistics
  const cyclesPerSecond = statistics.turnRate.perSecond
  const kbps = (rate: number): string => (rate / KIBIBYTE).toFixed(2)
  return [
    `total_connections_received:${whole.connectionsReceived}`,
    `total_commands_processed:${whole.commandsProcessed}`,
    `instantaneous_ops_per_sec:${Math.round(statistics.commandRate.perSecond)}`,
    `total_net_input_bytes:${whole.netInputBytes}`,
    `total_net_output_bytes:${whole.netOutputBytes}`,
    'total_net_repl_input_bytes:0',
    'total_net_repl_output_bytes:0',
    `instantaneous_input_kbps:${kbps(statistics.inputRate.perSecond)}`,
    `instantaneous_output_kbps:${kbps(statistics.outputRate.perSecond)}`,
    'instantaneous_input_repl_kbps:0.00',
    'instantaneous_output_repl_kbps:0.00',
    `rejected_connections:${whole.connectionsRejected}`,
    'sync_full:0',
    'sync_partial_ok:0',
    'sync_partial_err:0',
    'expired_keys:0',
    'expired_stale_perc:0.00',
    'expired_time_cap_reached_count:0',
    'expire_cycle_cpu_milliseconds:0',
    'evicted_keys:0',
    'evicted_clients:0',
    'total_eviction_exceeded_time:0',
    'current_eviction_exceeded_time:0',
    'keyspace_hits:0',
    'keyspace_misses:0',
    `pubsub_channels:${pubsub.channels.size}`,
    `pubsub_patterns:${pubsub.patterns.size}`,
    `pubsubshard_channels:${pubsub.shardChannels.size}`,
    'latest_fork_usec:0',
    'total_forks:0',
    'migrate_cached_sockets:0',
    'slave_expires_tracked_keys:0',
    'active_defrag_hits:0',
    'active_defrag_misses:0',
    'active_defrag_key_hits:0',
    'active_defrag_key_misses:0',
    'total_active_defrag_time:0',
    'current_active_defrag_time:0',
    `tracking_total_keys:${tracking.keyCount}`,
    `tracking_total_items:${tracking.itemCount}`,
    `tracking_total_prefixes:${tracking.prefixCount}`,
    `unexpected_error_replies:${whole.unexpectedErrorReplies}`,
    `total_error_replies:${whole.errorReplies}`,
    'dump_payload_sanitizations:0',
    `total_reads_processed:${whole.readsProcessed}`,
    `total_writes_processed:${whole.writesProcessed}`,
    `io_threaded_reads_processed:${threadedIo.reads}`,
    `io_threaded_writes_processed:${threadedIo.writes}`,
    'reply_buffer_shrinks:0',
    'reply_buffer_expands:0',
    // Of redis 7.4.
    `client_output_buffer_limit_disconnections:${whole.outputLimitDisconnections}`,
    // Of redis 7.2.
    `eventloop_cycles:${whole.turnCount}`,
    `eventloop_duration_sum:${Math.round(whole.turnMicros)}`,
    `eventloop_duration_cmd_sum:${Math.round(whole.turnCommandMicros)}`,
    `instantaneous_eventloop_cycles_per_sec:${Math.round(cyclesPerSecond)}`,
    `instantaneous_eventloop_duration_usec:${cyclesPerSecond === 0 ? 0 : Math.round(turnMicrosRate.perSecond / cyclesPerSecond)}`,
    // Our own.
    `long_replies_active:${server.replyPins.active}`,
    `long_replies_waiting:${server.replyPins.waiting}`,
    `long_replies_total:${whole.longReplies}`,
    `pins_active:${server.keyspace.pins.count}`,
    `pins_broken:${server.keyspace.pins.broken}`,
  ]
}

/** Lines of `more` replace those of the same field in place; new ones follow. */
function override(lines: string[], more: readonly string[]): string[] {
  const byField = new Map(lines.map((line) => [fieldOf(line), line]))
  for (const line of more) byField.set(fieldOf(line), line)
  return [...byField.values()]
}

function fieldOf(line: string): string {
  return line.slice(0, line.indexOf(':'))
}

function cpuLines(): string[] {
  const { user, system } = process.cpuUsage()
  const seconds = (micros: number): string => (micros / MICROS).toFixed(6)
  return [
    `used_cpu_sys:${seconds(system)}`,
    `used_cpu_user:${seconds(user)}`,
    'used_cpu_sys_children:0.000000',
    'used_cpu_user_children:0.000000',
    `used_cpu_sys_main_thread:${seconds(system)}`,
    `used_cpu_user_main_thread:${seconds(user)}`,
  ]
}

function commandLines(server: ClientServer): string[] {
  const { registry } = server
  const statistics = server.statistics.whole()
  const lines: string[] = []
  for (const { id, name } of registry.byId) {
    const calls = statistics.calls[id]!
    const rejected = statistics.rejected[id]!
    const failed = statistics.failed[id]!
    if (calls === 0 && rejected === 0 && failed === 0) continue
    const micros = Math.round(statistics.micros[id]!)
    const perCall = calls === 0 ? 0 : micros / calls
    lines.push(
      `cmdstat_${name}:calls=${calls},usec=${micros},usec_per_call=${perCall.toFixed(2)},` +
        `rejected_calls=${rejected},failed_calls=${failed}`,
    )
  }
  return lines
}

function errorLines(server: ClientServer): string[] {
  return server.statistics.whole().errors.map(([code, count]) => `errorstat_${code}:count=${count}`)
}

function latencyLines({ registry, settings, statistics }: ClientServer): string[] {
  if (!settings.latencyTracking) return []
  const lineOf = (name: string, id: number): string => {
    const histogram = statistics.latencies(id)
    const percentiles = settings.latencyTrackingPercentiles.map(
      (percent) => `p${percent}=${(histogram.percentile(percent) / 1000).toFixed(3)}`,
    )
    return `latency_percentiles_usec_${name}:${percentiles.join(',')}`
  }
  const lines = registry.byId.filter(({ id }) => statistics.timed(id) > 0).map(({ id, name }) => lineOf(name, id))
  if (statistics.timed(statistics.turnsId) > 0) lines.push(lineOf(EVENT_LOOP, statistics.turnsId))
  return lines
}
