/**
 * `maxclients` is fitted to the descriptors that the process may open: each client takes one, and what this node needs
 * itself has to be left over, or with all clients connected no snapshot can be made and no thread started.
 *
 * Source of the rules: redis 7.0 server.c adjustOpenFilesLimit(), config.c updateMaxclients(). Node has raised the soft
 * limit to the hard one already, which is all that Redis can do about it.
 *
 * What one node has open, counted in /proc (Linux, Node 20):
 * ```
 * idle                                  21, nearly all of them before it is put together
 * an I/O thread                         +5, and one for each place that is listened on
 * a thread that loads or saves          +5 to +6, and its files
 * ```
 */
import { readdirSync, readFileSync } from 'node:fs'
import { ConfigError, type Logger } from '@understudy/core/internal'
import { REPLICA_PASSES_AT_WORK_MAX } from '@understudy/rdb-worker'
import type { Config } from '../config/config.ts'
import { ioThreadCount, listensSomewhere } from './listening.ts'

/** Event loop, wake-ups and standard input of a thread. */
const THREAD_DESCRIPTORS = 6
/** The file that a thread reads or writes, and the one beside it. */
const FILES_OF_THREAD = 2
/** A BGSAVE, and snapshots for replicas below. */
const SNAPSHOT_THREADS: number = 1 + REPLICA_PASSES_AT_WORK_MAX
/** The link, questions to the primary, names that are looked up, logs, the process that helps a new I/O thread, clients that are turned away. */
const OTHER_DESCRIPTORS = 32

/** Of the process; Infinity where it is not known. Others may change it (prlimit): to be asked each time. */
function openFilesLimit(): number {
  try {
    const soft = /^Max open files\s+(\d+)/m.exec(readFileSync('/proc/self/limits', 'utf8'))
    return soft === null ? Number.POSITIVE_INFINITY : Number(soft[1])
  } catch {
    return Number.POSITIVE_INFINITY
  }
}

/** What is open by now: of Node, of who started the process, of the application around the node. */
function openNow(): number {
  try {
    return readdirSync('/proc/self/fd').length
  } catch {
    return 0
  }
}

function placesToListen(config: Config): number {
  const tcp = config.get('port') === 0 ? 0 : config.get('bind').length
  return tcp + (config.path('unixsocket') === undefined ? 0 : 1)
}

/** What this node opens beside its clients. @param loadThreads threads of one load */
function ownDescriptors(config: Config, loadThreads: number): number {
  const places = placesToListen(config)
  const ioThreads = ioThreadCount(config)
  const serving = places + (ioThreads === 1 ? 0 : ioThreads * (THREAD_DESCRIPTORS + places))
  const loading = loadThreads * THREAD_DESCRIPTORS + FILES_OF_THREAD
  const saving = SNAPSHOT_THREADS * (THREAD_DESCRIPTORS + FILES_OF_THREAD)
  return serving + loading + saving + OTHER_DESCRIPTORS
}

/**
 * Lowers `maxclients` to what fits below the limit, and refuses to raise it beyond that later. Call before the node opens
 * anything. @throws ConfigError CONFIG_BAD_VALUE when not one client fits
 */
export function fitMaxclients(config: Config, logger: Logger, loadThreads: number): void {
  const others = openNow()
  const needed = (): number => others + ownDescriptors(config, loadThreads)
  const limit = openFilesLimit()
  const wanted = config.get('maxclients')
  const fitting = limit - needed()
  // Where nobody can connect no client has to fit.
  if (fitting < 1 && listensSomewhere(config)) {
    throw new ConfigError(
      'CONFIG_BAD_VALUE',
      `this process may open ${limit} descriptors (ulimit -n), and needs ${needed()} before the first client: ` +
        `raise the limit to ${needed() + wanted} for maxclients ${wanted}`,
    )
  }
  if (fitting < wanted) {
    config.assign('maxclients', Math.max(1, fitting))
    logger.warning(
      `maxclients is ${config.get('maxclients')}, not ${wanted}: this process may open ${limit} descriptors (ulimit -n) and needs ` +
        `${needed()} itself. For ${wanted} clients raise the limit to ${needed() + wanted}`,
    )
  }
  config.onChange('maxclients', (clients) => {
    const most = Math.max(1, openFilesLimit() - needed())
    if (clients <= most) return undefined
    return `The operating system is not able to handle the specified number of clients, try with ${most}`
  })
}
