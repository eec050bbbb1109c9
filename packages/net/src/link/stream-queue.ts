/** The queue of what comes while a snapshot is loaded: where its file is, and what is said when that fails. */
import { errorText } from '../error-text.ts'
import { collectGarbageSoon } from '../server/collect-garbage.ts'
import { temporaryPath } from '../temporary-path.ts'
import type { ReplicaLinkConfig, ReplicaLinkPorts } from './replica-link-ports.ts'
import { openSpillFile } from './spill-file.ts'
import { type SpillEvents, SpillQueue } from './spill-queue.ts'

export interface StreamQueueEvents extends Pick<SpillEvents, 'onRoom' | 'onReadable'> {
  /** The file has failed. @param isLost bytes of the stream went with it: it cannot be followed from here */
  readonly onFault: (why: string, isLost: boolean) => void
}

export function newStreamQueue(
  { spill, directory, dbFileName }: ReplicaLinkConfig,
  ports: ReplicaLinkPorts,
  { onRoom, onReadable, onFault }: StreamQueueEvents,
): SpillQueue {
  const path = temporaryPath(directory, `stream-${ports.clock.wallMs()}.`, dbFileName)
  return new SpillQueue(spill, path, ports.openSpillFile ?? openSpillFile, {
    onRoom,
    onReadable,
    onWriteFault: (error) => {
      const why = errorText(error)
      ports.logger.warning(
        `The stream that waits for the end of a load cannot be kept in a file in ${directory}: ${why}. ` +
          'It is kept in memory; when that is used up, the primary has to keep it',
      )
      onFault(why, false)
    },
    onReadFault: (error) => onFault(errorText(error), true),
    letGo: collectGarbageSoon,
  })
}
