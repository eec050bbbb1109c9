/**
 * From directives to what the rooms of the server use: reads the configuration into the settings of clients and link,
 * once at start and again whenever CONFIG SET changes it. The rooms read their settings anew at every use.
 */
import { type EncodingThresholds, policyTracksFrequency } from '@understudy/core/internal'
import type { Config } from '../config/config.ts'
import { fromByteString } from '../config/directive.ts'
import type { DirectiveName } from '../config/directives.ts'
import { type ClientSettings, defaultClientSettings } from '../clients/settings.ts'
import type { ReplicaLinkConfig } from '../link/replica-link-ports.ts'
import { checkTls, type TlsFiles } from '../link/transport.ts'
import { errorText } from '../error-text.ts'
import type { ReplicaSettings } from '../replicas/settings.ts'

/** Calls `apply` now and after every change of one of the directives. */
export function follow(config: Config, names: readonly DirectiveName[], apply: () => void): void {
  apply()
  for (const name of names) config.onChange(name, () => apply())
}

/** Directives that the settings of clients are made of. */
export const CLIENT_DIRECTIVES: readonly DirectiveName[] = [
  'requirepass',
  'protected-mode',
  'maxclients',
  'timeout',
  'tcp-keepalive',
  'tcp-backlog',
  'proto-max-bulk-len',
  'client-query-buffer-limit',
  'client-output-buffer-limit',
  'long-reply-pin-bytes',
  'long-reply-pin-seconds',
  'slowlog-log-slower-than',
  'slowlog-max-len',
  'latency-monitor-threshold',
  'latency-tracking',
  'latency-tracking-info-percentiles',
  'tracking-table-max-keys',
  'hz',
  'hll-sparse-max-bytes',
  'hash-max-listpack-entries',
  'hash-max-listpack-value',
  'set-max-intset-entries',
  'zset-max-listpack-entries',
  'zset-max-listpack-value',
  'list-max-listpack-size',
  'list-compress-depth',
  'stream-node-max-bytes',
  'stream-node-max-entries',
]

export function clientSettings(config: Config): ClientSettings {
  const settings = defaultClientSettings()
  follow(config, CLIENT_DIRECTIVES, () => {
    settings.requirepass = config.get('requirepass')
    settings.protectedMode = config.get('protected-mode')
    settings.maxclients = config.get('maxclients')
    settings.timeoutSeconds = config.get('timeout')
    settings.tcpKeepaliveSeconds = config.get('tcp-keepalive')
    settings.tcpBacklog = config.get('tcp-backlog')
    settings.databases = config.get('databases')
    settings.protoMaxBulkBytes = config.get('proto-max-bulk-len')
    settings.hllSparseMaxBytes = config.get('hll-sparse-max-bytes')
    Object.assign(settings.encodings, encodingThresholds(config))
    settings.clientQueryBufferBytesMax = config.get('client-query-buffer-limit')
    settings.outputBufferLimits = config.get('client-output-buffer-limit')
    settings.longReplyPinSeconds = config.get('long-reply-pin-seconds')
    settings.longReplyPinBytes = config.get('long-reply-pin-bytes')
    settings.slowlogSlowerThanMicros = config.get('slowlog-log-slower-than')
    settings.slowlogLengthMax = config.get('slowlog-max-len')
    settings.latencyMonitorThresholdMs = config.get('latency-monitor-threshold')
    settings.latencyTracking = config.get('latency-tracking')
    settings.latencyTrackingPercentiles = [...config.get('latency-tracking-info-percentiles')]
    settings.trackingTableKeysMax = config.get('tracking-table-max-keys')
    settings.enableDebugCommand = config.get('enable-debug-command')
    settings.hz = config.get('hz')
  })
  return settings
}

function encodingThresholds(config: Config): EncodingThresholds {
  return {
    hashMaxListpackEntries: config.get('hash-max-listpack-entries'),
    hashMaxListpackValue: config.get('hash-max-listpack-value'),
    setMaxIntsetEntries: config.get('set-max-intset-entries'),
    zsetMaxListpackEntries: config.get('zset-max-listpack-entries'),
    zsetMaxListpackValue: config.get('zset-max-listpack-value'),
    listMaxListpackSize: config.get('list-max-listpack-size'),
    listCompressDepth: config.get('list-compress-depth'),
    streamNodeMaxBytes: config.get('stream-node-max-bytes'),
    streamNodeMaxEntries: config.get('stream-node-max-entries'),
  }
}

/** Directives that the link's TLS is made of. */
const TLS_DIRECTIVES = [
  'tls-replication',
  'tls-cert-file',
  'tls-key-file',
  'tls-key-file-pass',
  'tls-client-cert-file',
  'tls-client-key-file',
  'tls-client-key-file-pass',
  'tls-ca-cert-file',
  'tls-ca-cert-dir',
  'tls-protocols',
  'tls-ciphers',
  'tls-ciphersuites',
] as const satisfies readonly DirectiveName[]

/** @param encodings the settings' own: CONFIG SET changes them in place.
 *  @param ownPort the port that replicas announce when replica-announce-port is 0. */
export function linkConfig(
  config: Config,
  encodings: EncodingThresholds,
  hashSeed: Uint8Array,
  ownPort: () => number,
): ReplicaLinkConfig {
  const link: ReplicaLinkConfig = {
    replTimeoutMs: 0,
    handshake: readHandshake(config, ownPort),
    sourceAddress: '',
    disableNoDelay: false,
    tls: undefined,
    disklessLoad: 'disabled',
    directory: '',
    dbFileName: '',
    deleteSyncFiles: false,
    databaseCount: config.get('databases'),
    hashSeed,
    encodings,
    tracksFrequency: false,
    verifyChecksum: true,
    keyLoadDelayMicros: 0,
    spill: { memoryBytesMax: 0, fileBytesMax: 0 },
  }
  follow(
    config,
    [
      'repl-timeout',
      'bind-source-addr',
      'repl-disable-tcp-nodelay',
      'repl-diskless-load',
      'dir',
      'dbfilename',
      'rdb-del-sync-files',
      'save',
      'repl-stream-log',
      'rdbchecksum',
      'maxmemory-policy',
      'key-load-delay',
      'replica-full-sync-buffer-limit',
      'replica-full-sync-spill-limit',
      'client-output-buffer-limit',
      'masterauth',
      'masteruser',
      'replica-announce-ip',
      'replica-announce-port',
      'upstream-command',
      ...TLS_DIRECTIVES,
    ],
    () => {
      link.replTimeoutMs = config.get('repl-timeout') * 1000
      link.handshake = readHandshake(config, ownPort)
      link.sourceAddress = config.get('bind-source-addr')
      link.disableNoDelay = config.get('repl-disable-tcp-nodelay')
      link.tls = config.get('tls-replication') ? readTls(config) : undefined
      link.disklessLoad = config.get('repl-diskless-load')
      link.directory = config.get('dir')
      link.dbFileName = fromByteString(config.get('dbfilename'))
      // A node with save points, or with a log that goes with a snapshot, keeps files of its own.
      link.deleteSyncFiles =
        config.get('rdb-del-sync-files') && config.get('save').length === 0 && !config.get('repl-stream-log')
      link.verifyChecksum = config.get('rdbchecksum')
      link.tracksFrequency = policyTracksFrequency(config.get('maxmemory-policy'))
      link.keyLoadDelayMicros = config.get('key-load-delay')
      link.spill = {
        memoryBytesMax: fullSyncBufferBytes(config),
        fileBytesMax: config.get('replica-full-sync-spill-limit'),
      }
    },
  )
  // A link that is up would go on until it is lost, and then not come back.
  for (const name of TLS_DIRECTIVES)
    config.onChange(name, () => (link.tls === undefined ? undefined : tlsRefusal(link.tls)))
  return link
}

/** What a CONFIG SET is answered whose outcome is of no use; undefined: it is. */
function tlsRefusal(files: TlsFiles): string | undefined {
  try {
    checkTls(files)
    return undefined
  } catch (error) {
    return `Unable to update TLS configuration: ${errorText(error)}`
  }
}

/** What replicas below are fed by. */
export function replicaSettings(config: Config): ReplicaSettings {
  const read = (): ReplicaSettings => ({
    timeoutMs: config.get('repl-timeout') * 1000,
    pingPeriodMs: config.get('repl-ping-replica-period') * 1000,
    disableNoDelay: config.get('repl-disable-tcp-nodelay'),
    disklessSync: config.get('repl-diskless-sync'),
    disklessDelayMs: config.get('repl-diskless-sync-delay') * 1000,
    disklessReplicasMax: config.get('repl-diskless-sync-max-replicas'),
    backlogTtlSeconds: config.get('repl-backlog-ttl'),
    rdbVersion: Number(config.get('repl-rdb-version')),
    replicasMaxLagMs: config.get('min-replicas-max-lag') * 1000,
  })
  const settings = read()
  follow(
    config,
    [
      'repl-timeout',
      'repl-ping-replica-period',
      'repl-disable-tcp-nodelay',
      'repl-diskless-sync',
      'repl-diskless-sync-delay',
      'repl-diskless-sync-max-replicas',
      'repl-backlog-ttl',
      'repl-rdb-version',
      'min-replicas-max-lag',
    ],
    () => Object.assign(settings, read()),
  )
  return settings
}

/** When no directive says how much memory may be used. */
const REPLICA_BUFFER_BYTES_DEFAULT: number = 256 << 20

/** What is kept for somebody who reads the stream more slowly than it comes: the hard limit of client-output-buffer-limit replica. */
export function replicaBufferBytes(config: Config): number {
  return config.get('client-output-buffer-limit').replica.hardBytes || REPLICA_BUFFER_BYTES_DEFAULT
}

/** 0 means, as in Redis 8, what a primary would keep for a replica. */
function fullSyncBufferBytes(config: Config): number {
  const bytes = config.get('replica-full-sync-buffer-limit')
  return bytes > 0 ? bytes : replicaBufferBytes(config)
}

function readHandshake(config: Config, ownPort: () => number): ReplicaLinkConfig['handshake'] {
  const announcedPort = config.get('replica-announce-port')
  const renamed = config.get('upstream-command')
  return {
    user: Buffer.from(config.get('masteruser'), 'latin1'),
    password: Buffer.from(config.get('masterauth'), 'latin1'),
    // Asked for at every handshake: the port is not open yet when the configuration is read, and may change.
    get listeningPort(): number {
      return announcedPort === 0 ? ownPort() : announcedPort
    },
    announceIp: config.get('replica-announce-ip'),
    version: undefined,
    psync: renamed['psync'] ?? 'PSYNC',
    replconf: renamed['replconf'] ?? 'REPLCONF',
  }
}

function readTls(config: Config): TlsFiles {
  const ownClientFiles = config.get('tls-client-cert-file') !== ''
  const certFile = config.path(ownClientFiles ? 'tls-client-cert-file' : 'tls-cert-file')
  const keyFile = config.path(ownClientFiles ? 'tls-client-key-file' : 'tls-key-file')
  const keyFilePass = config.get(ownClientFiles ? 'tls-client-key-file-pass' : 'tls-key-file-pass')
  const caCertFile = config.path('tls-ca-cert-file')
  const caCertDir = config.path('tls-ca-cert-dir')
  const protocols = config.get('tls-protocols')
  const ciphers = config.get('tls-ciphers')
  const cipherSuites = config.get('tls-ciphersuites')
  return {
    ...(certFile === undefined ? {} : { certFile }),
    ...(keyFile === undefined ? {} : { keyFile }),
    ...(keyFilePass === '' ? {} : { keyFilePass }),
    ...(caCertFile === undefined ? {} : { caCertFile }),
    ...(caCertDir === undefined ? {} : { caCertDir }),
    ...(protocols === '' ? {} : { protocols }),
    ...(ciphers === '' ? {} : { ciphers }),
    ...(cipherSuites === '' ? {} : { cipherSuites }),
  }
}
