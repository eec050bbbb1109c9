/**
 * The states of the link to the primary, and what holds in each. Who moves between them is link-machine.ts and link-moves.ts.
 *
 *      none ◄──────────────────────── replicaOfNoOne() from everywhere
 *        │ replicaOf(), handOver()                       held ◄─── hold() from  awaiting-psync … loading
 *        ▼                                                 │ release(), replicaOf(), reconnect()
 *     connect ◄────────────────────────────────────────────┘
 *        │
 *     connect ◄────────────── fail(), retryAfterLoss() from  everywhere below ◄───────────────────────┐
 *        │ tick(), at its time                                                                         │
 *        ▼                                                                                             │
 *     connecting ──connectionMade()──► awaiting-pong ──► awaiting-replies ──► awaiting-psync           │
 *                                                            (one per step)     │        │             │
 *                                                       +FULLRESYNC or SYNC sent│        │+CONTINUE    │
 *                                                                               ▼        │             │
 *                                                                     awaiting-snapshot  │             │
 *                                                                        $len │ $EOF     │             │
 *                                                                             ▼          ▼             │
 *                                                          loading ◄── receiving     connected ────────┘
 *                                                             │            │             ▲
 *                                                             └────────────┴─snapshotLoaded()
 *
 *     FROM -> TO                                   [link-machine.ts, link-moves.ts]
 *     none, any -> connect                         [replicaOf]
 *     none -> connect                              [handOver]
 *     any -> none                                  [replicaOfNoOne]
 *     connect -> connecting                        [connectIfTime]
 *     connecting -> awaiting-pong                  [connectionMade]
 *     awaiting-pong -> awaiting-replies            [#onPong]
 *     awaiting-replies -> itself, awaiting-psync   [#onReply]
 *     awaiting-psync -> awaiting-snapshot          [#onPsyncReply: full, unsupported]
 *     awaiting-psync -> connected                  [#onPsyncReply: continue]
 *     awaiting-snapshot -> receiving               [#onSnapshotHeader]
 *     receiving -> loading                         [snapshotReceived]
 *     receiving, loading -> connected              [snapshotLoaded]
 *     any with a connection -> connect             [fail, retryAfterLoss]
 *     awaiting-psync … loading -> held             [hold]
 *     held -> connect                              [release, replicaOf, reconnect]
 *
 * Guarantees
 *     none               no target, no connection; this node is a primary.
 *     connect            a target, no connection; the next attempt has a time.
 *     held               a target, no connection, and none will be tried: a full resync was not wanted. Data and history are
 *                        those of before.
 *     connecting …       one connection. The data, replid, offset and backlog are those of before the attempt, and stay
 *     … loading          so on any failure (exception: data dropped first on the operator's wish, repl-diskless-load
 *                        flush-before-load, and the history with them).
 *     awaiting-snapshot, receiving, loading: `sync` is what the data will be when, and only when, the load succeeds.
 *     connected          the data are replid's at replOffset, and the next byte is byte replOffset + 1.
 */
import assert from 'node:assert/strict'
import type { SnapshotFraming } from './full-sync.ts'
import type { HandshakeStep } from './handshake.ts'
import type { PsyncRequest } from './psync.ts'
import { REPLID_LENGTH, REPLID_NONE } from './replication-id.ts'

export interface LinkTarget {
  readonly host: string
  readonly port: number
}

/** What a full resync will make of this node. */
export interface FullSync {
  readonly replid: string
  readonly offset: number
  /** False after SYNC or a malformed FULLRESYNC: no ACKs are sent and no partial resync is asked for later. */
  readonly known: boolean
}

export type LinkState =
  | { readonly name: 'none' }
  | { readonly name: 'connect'; readonly tryAtMs: number }
  | { readonly name: 'held'; readonly reason: string }
  | { readonly name: 'connecting'; lastIoMs: number }
  | { readonly name: 'awaiting-pong'; lastIoMs: number }
  | { readonly name: 'awaiting-replies'; lastIoMs: number; readonly steps: readonly HandshakeStep[] }
  | { readonly name: 'awaiting-psync'; lastIoMs: number; readonly request: PsyncRequest }
  | { readonly name: 'awaiting-snapshot'; lastIoMs: number; readonly sync: FullSync }
  | { readonly name: 'receiving'; lastIoMs: number; readonly sync: FullSync; readonly framing: SnapshotFraming }
  | { readonly name: 'loading'; lastIoMs: number; readonly sync: FullSync; readonly framing: SnapshotFraming }
  | { readonly name: 'connected'; lastIoMs: number; readonly sinceMs: number; readonly known: boolean }

export type LinkStateName = LinkState['name']

/** As ROLE says it; `held` is ours. `none`: this node is a primary. */
export type RoleState = 'none' | 'held' | 'connect' | 'connecting' | 'handshake' | 'sync' | 'connected'

const ROLE_STATES: Readonly<Record<LinkStateName, RoleState>> = {
  none: 'none',
  connect: 'connect',
  held: 'held',
  connecting: 'connecting',
  'awaiting-pong': 'handshake',
  'awaiting-replies': 'handshake',
  'awaiting-psync': 'handshake',
  'awaiting-snapshot': 'sync',
  receiving: 'sync',
  loading: 'sync',
  connected: 'connected',
}

export function roleState(state: LinkState): RoleState {
  return ROLE_STATES[state.name]
}

/** Is there a socket, or one being made? */
export function hasConnection(state: LinkState): boolean {
  return state.name !== 'none' && state.name !== 'connect' && state.name !== 'held'
}

/** Do the primary's bytes come as lines for the machine (and not as a snapshot or stream)? */
export function readsLines(state: LinkState): boolean {
  return state.name.startsWith('awaiting-')
}

/** The guarantees again, in code. */
export function assertLinkState(state: LinkState, target: LinkTarget | undefined): void {
  assert.equal(state.name === 'none', target === undefined, `state ${state.name} and target disagree`)
  switch (state.name) {
    case 'none':
    case 'held':
    case 'connecting':
    case 'awaiting-pong':
    case 'connected':
      break
    case 'connect':
      assert(Number.isFinite(state.tryAtMs))
      break
    case 'awaiting-replies':
      assert(state.steps.length > 0, 'waiting for a reply to nothing')
      break
    case 'awaiting-psync':
      assert.equal(state.request.replid === '?', state.request.offset === -1)
      assert(state.request.replid === '?' || state.request.replid.length === REPLID_LENGTH)
      break
    case 'awaiting-snapshot':
    case 'receiving':
    case 'loading':
      assert.equal(state.sync.known, state.sync.replid !== REPLID_NONE)
      assert(Number.isSafeInteger(state.sync.offset) && state.sync.offset >= 0)
      break
  }
}
