/**
 * Decides whether a node in its present state refuses a command, and with which error. It looks at flags and states
 * only; unknown names, arity and the queueing of transactions are the dispatcher's.
 *
 * The order of the checks is that of redis 7.0 server.c processCommand(), which clients can observe.
 */
import type { CommandContext } from './command.ts'
import type { CommandEntry } from './table.ts'
import {
  DENYOOM,
  LOADING,
  MAY_REPLICATE,
  NO_ASYNC_LOADING,
  NO_AUTH,
  NO_MULTI,
  PROTECTED,
  READONLY,
  STALE,
  WRITE,
} from './flags.ts'
import {
  LOADING_ERROR,
  MASTERDOWN_ERROR,
  MISCONF_ERROR,
  misconfLog,
  NOAUTH_ERROR,
  NOREPLICAS_ERROR,
  NOT_IN_MULTI_ERROR,
  OOM_ERROR,
  protectedCommand,
  READONLY_ERROR,
  REPLICA_CLIENT_ERROR,
  subscriberContext,
} from '../resp/error-replies.ts'

/** What the node is doing. The owner changes the fields in place; every command looks at them. */
export interface NodeState {
  /** A primary is configured. */
  replica: boolean
  replicaReadOnly: boolean
  /** The link is up and synced (redis REPL_STATE_CONNECTED). */
  linkUp: boolean
  serveStaleData: boolean
  /** No dataset can be served: a first load, or one that flushed the old data. */
  loading: boolean
  /** A new generation is loaded beside the one that is served. */
  asyncLoading: boolean
  /** More than maxmemory is used, and no key may be evicted. */
  outOfMemory: boolean
  /** Snapshots are wanted and the last one failed: what clients write might not survive. */
  cannotSave: boolean
  /** Why the log of the stream is wanted and not written; empty: it is, or is not wanted. */
  logFault: string
  /** A primary with fewer good replicas than min-replicas-to-write. */
  tooFewReplicas: boolean
}

/** A primary without data restrictions: the state every check lets pass. */
export function idleNodeState(): NodeState {
  return {
    replica: false,
    replicaReadOnly: true,
    linkUp: true,
    serveStaleData: true,
    loading: false,
    asyncLoading: false,
    outOfMemory: false,
    cannotSave: false,
    logFault: '',
    tooFewReplicas: false,
  }
}

/** What the connection is doing. */
export interface RequesterState {
  readonly authRequired: boolean
  readonly inMulti: boolean
  /** A RESP2 connection with subscriptions. */
  readonly subscriberOnly: boolean
  /** A replica that reads our stream, or a monitor. */
  readonly replicaClient: boolean
  /** May it use DEBUG (enable-debug-command)? */
  readonly protectedAllowed: boolean
  /** Flags that any queued command has, and flags that any queued command lacks: they count as EXEC's own. */
  readonly queuedFlags: number
  readonly queuedLacks: number
}

const SUBSCRIBER_COMMANDS: ReadonlySet<string> = new Set([
  'ping',
  'subscribe',
  'ssubscribe',
  'psubscribe',
  'unsubscribe',
  'sunsubscribe',
  'punsubscribe',
  'quit',
  'reset',
])

/** Commands that MULTI does not queue. */
export const NEVER_QUEUED: ReadonlySet<string> = new Set(['exec', 'discard', 'multi', 'watch', 'quit', 'reset'])

/** The error text with which the command is refused, or undefined. */
export function refusal<Context extends CommandContext>(
  entry: CommandEntry<Context>,
  node: NodeState,
  requester: RequesterState,
): string | undefined {
  const own = entry.flags
  if ((own & PROTECTED) !== 0 && !requester.protectedAllowed) return protectedCommand(entry.name)
  const exec = entry.name === 'exec'
  const flags = exec ? own | requester.queuedFlags : own
  const lacks = exec ? ~own | requester.queuedLacks : ~own
  if (requester.authRequired && (own & NO_AUTH) === 0) return NOAUTH_ERROR
  if (requester.inMulti && (own & NO_MULTI) !== 0) return NOT_IN_MULTI_ERROR
  if (node.outOfMemory) {
    // A queue takes memory, too.
    const isQueued = requester.inMulti && !NEVER_QUEUED.has(entry.name)
    if (isQueued || (flags & DENYOOM) !== 0) return OOM_ERROR
  }
  const isReadOnly = node.replica && node.replicaReadOnly
  if (!isReadOnly && ((flags & WRITE) !== 0 || entry.name === 'ping')) {
    if (node.cannotSave) return MISCONF_ERROR
    if (node.logFault !== '') return misconfLog(node.logFault)
  }
  if ((flags & WRITE) !== 0) {
    if (node.tooFewReplicas && !node.replica) return NOREPLICAS_ERROR
    if (isReadOnly) return READONLY_ERROR
  }
  if (requester.subscriberOnly && !SUBSCRIBER_COMMANDS.has(entry.name)) return subscriberContext(entry.name)
  if (node.replica && !node.linkUp && !node.serveStaleData && (lacks & STALE) !== 0) return MASTERDOWN_ERROR
  if (node.loading && !node.asyncLoading && (lacks & LOADING) !== 0) return LOADING_ERROR
  if (node.asyncLoading && (flags & NO_ASYNC_LOADING) !== 0) return LOADING_ERROR
  if (requester.replicaClient && (flags & (MAY_REPLICATE | WRITE | READONLY)) !== 0) return REPLICA_CLIENT_ERROR
  return undefined
}

/** Are the reads of an ordinary authenticated client refused now? */
export function refusesReads(node: NodeState): boolean {
  return node.loading || (node.replica && !node.linkUp && !node.serveStaleData)
}

/** Can any check refuse anything to such a client now, but writes? For the dispatcher's fast path. */
export function mayRefuse(node: NodeState): boolean {
  return refusesReads(node) || node.asyncLoading || node.cannotSave || node.logFault !== '' || node.tooFewReplicas
}
