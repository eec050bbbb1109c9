/** The commands on data, in one list: the stream applies them, clients call them, COMMAND describes them. */
import type { LibraryStore } from '../functions/library-store.ts'
import { bitmapCommands } from './bitmap.ts'
import type { CommandTable } from './command.ts'
import { databaseCommands } from './database.ts'
import { dumpCommands } from './dump.ts'
import { expireCommands } from './expire.ts'
import { functionCommands } from './function.ts'
import { hashExpireCommands } from './hash-expire.ts'
import { geoCommands } from './geo.ts'
import { hashCommands } from './hash.ts'
import { hyperloglogCommands } from './hyperloglog.ts'
import { keyCommands } from './key.ts'
import { listCommands } from './list.ts'
import { listMoveCommands } from './list-move.ts'
import { type MemoryFacts, memoryCommands } from './memory.ts'
import { objectCommands } from './object.ts'
import { scanCommands } from './scan.ts'
import { setCommands } from './set.ts'
import { sortCommands } from './sort.ts'
import { streamCommands } from './stream.ts'
import { stringCommands } from './string.ts'
import { zsetCommands } from './zset.ts'

export interface DataCommandPorts {
  /** Where FUNCTION keeps its libraries. */
  readonly libraries: LibraryStore
  /** What MEMORY STATS and DOCTOR tell about the process. */
  readonly memory: () => MemoryFacts
  /** FLUSHALL has removed everything; called inside its unit. */
  readonly datasetFlushed?: () => void
}

export function dataCommandFamilies(ports: DataCommandPorts): readonly CommandTable[] {
  return [
    stringCommands,
    bitmapCommands,
    hyperloglogCommands,
    listCommands,
    listMoveCommands,
    hashCommands,
    hashExpireCommands,
    setCommands,
    zsetCommands,
    geoCommands,
    keyCommands,
    expireCommands,
    scanCommands,
    objectCommands,
    dumpCommands,
    sortCommands,
    databaseCommands(ports.datasetFlushed),
    memoryCommands(ports.memory),
    streamCommands,
    functionCommands(ports.libraries),
  ]
}
