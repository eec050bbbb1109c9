/**
 * Public door of @understudy/net: a whole server inside another process, and the link to a primary by itself.
 *
 *   const writingNoFile = ['--repl-diskless-load', 'swapdb', '--save', '']
 *   const command = parseArguments(['--port', '0', ...writingNoFile, '--replicaof', 'db.example.com', '6379'])
 *   const config = loadConfig(command) // command.kind is 'run'
 *   const server = new UnderstudyServer({ config, logger, version, onShutdown, onPanic })
 *   await server.start()
 *   const handle = server.readers.attach() // for a KeyspaceReader in another thread
 */
export { parseArguments } from './cli/arguments.ts'
export type { CommandLine } from './cli/arguments.ts'
export { Config } from './config/config.ts'
export { loadConfig } from './config/load-config.ts'
export type { ConfigSources, LoadOptions } from './config/load-config.ts'
export type { LinkStatus } from './link/link-status.ts'
export { ReplicaLink } from './link/replica-link.ts'
export type { ReplicaLinkConfig, ReplicaLinkPorts } from './link/replica-link-ports.ts'
export type { TlsFiles } from './link/transport.ts'
export { barStream } from './log/progress.ts'
export type { BarStream } from './log/progress.ts'
export { ServerLog } from './log/server-log.ts'
export type { DatasetSnapshot, DatasetSnapshotOptions } from './server/dataset-snapshot.ts'
export { UnderstudyServer } from './server/understudy-server.ts'
export type { UnderstudyServerOptions } from './server/understudy-server.ts'
