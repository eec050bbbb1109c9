/** The stream log of this server: what it is told by directives, what it asks of the other parts, and its replay at start. */
import { type AuxField, CommandStream, type SnapshotPosition, type StreamHandler } from '@understudy/core/internal'
import { fromByteString } from '../config/directive.ts'
import { type FoundSegment, type LogFiles, logFilesIn } from '../stream-log/log-files.ts'
import { type Replayed, replayLog } from '../stream-log/log-replay.ts'
import { type RestoredRun, StreamLog, type StreamLogSettings } from '../stream-log/stream-log.ts'
import { follow, replicaBufferBytes } from './configure.ts'
import type { Node } from './node.ts'
import { positionOfSnapshot, type StartPosition, takePosition } from './snapshot-facts.ts'

/** Of a node whose other parts are made by the time anything is logged. */
export function newStreamLog(node: Node): StreamLog {
  const { config, backlog, clock, logger } = node
  let settings: StreamLogSettings
  follow(
    config,
    [
      'repl-stream-log',
      'repl-stream-log-fsync',
      'repl-stream-log-segment-size',
      'repl-stream-log-max-size',
      'client-output-buffer-limit',
    ],
    () => {
      settings = {
        isOn: config.get('repl-stream-log'),
        sync: config.get('repl-stream-log-fsync'),
        // A segment goes as a whole: a quarter at most stays longer than it is needed.
        segmentBytesMax: Math.min(
          config.get('repl-stream-log-segment-size'),
          config.get('repl-stream-log-max-size') / 4,
        ),
        bytesMax: config.get('repl-stream-log-max-size'),
        behindBytesMax: replicaBufferBytes(config),
      }
    },
  )
  const log = new StreamLog({
    backlog,
    clock,
    logger,
    files: () => filesOf(node),
    settings: () => settings,
    history: () => {
      const { replid, past } = node.link.history
      return { replid, past }
    },
    ensureStream: () => {
      if (node.link.history.resumable) return true
      // Not synced yet.
      if (node.state.replica) return false
      node.below.keepStream()
      return true
    },
    saveSnapshot: () => void node.persistence.saveInBackground(),
    isSaving: () => node.persistence.isSaving,
    onOutcome: () => node.updateState(),
    onProgress: () => {
      // On a node that has become a replica nobody waits, however much of its primary's stream is to be synced.
      if (node.server.repliesMustWait?.() !== true) node.server.release()
    },
  })
  for (const name of ['repl-stream-log', 'dir', 'dbfilename'] as const) config.onChange(name, () => void log.reopen())
  return log
}

function filesOf({ config }: Node): LogFiles {
  return logFilesIn(config.get('dir'), fromByteString(config.get('dbfilename')))
}

/** Who applies the log at start, and which stream it reads meanwhile, for those that tell offsets. */
export interface Replay extends Required<Pick<StreamHandler, 'ahead' | 'command' | 'group'>> {
  stream: CommandStream | undefined
}

/**
 * The data of a start are those of a snapshot: applies what the log has behind it, and goes on from there, in data, offset and log.
 * @param aux of the snapshot; empty: there was none. @throws see `replayLog`
 */
export async function goOnFrom(node: Node, aux: readonly AuxField[], replay: Replay): Promise<void> {
  const { backlog, config, link, logger, streamLog } = node
  // REPLICAOF came while the file was loaded: that primary's history is the one that counts.
  const isWanted = (): boolean => !node.isStopped && link.state.name === 'none'
  let position: StartPosition | undefined = positionOfSnapshot(node, aux)
  if (position !== undefined && isWanted()) backlog.restart(position.offset)
  const isLogged = config.get('repl-stream-log')
  const files = filesOf(node)
  const found = isLogged ? await files.list() : []
  let run: RestoredRun | undefined
  if (found.length > 0 && position !== undefined) {
    const replayed = await replayFrom(node, files, found, position, isWanted, replay)
    if (replayed !== undefined) {
      position = { ...replayed.history, offset: replayed.offset, db: replayed.db }
      run = replayed.run
    }
  } else if (found.length > 0) {
    logger.warning('The stream log is not used: no snapshot was loaded that says where its data are')
  }
  if (node.isStopped) return
  // The log of that history may have begun already.
  if (!isWanted()) return await streamLog.reopen()
  if (position !== undefined) takePosition(node, position, config.get('replicaof') !== undefined)
  if (isLogged) streamLog.restore(files, found, run)
}

async function replayFrom(
  node: Node,
  files: LogFiles,
  found: readonly FoundSegment[],
  position: SnapshotPosition,
  isWanted: () => boolean,
  replay: Replay,
): Promise<Replayed | undefined> {
  const { backlog, clock, logger, streamLog } = node
  const handler: StreamHandler = { ahead: replay.ahead, command: replay.command, group: replay.group, getAck: () => {} }
  const stream = new CommandStream({ clock, sink: backlog })
  stream.begin(position.offset, position.db)
  replay.stream = stream
  try {
    const replayed = await replayLog(files, found, position, { logger, backlog, stream, handler, isWanted })
    streamLog.replayedBytes = replayed === undefined ? 0 : replayed.offset - position.offset
    return replayed
  } finally {
    replay.stream = undefined
  }
}
