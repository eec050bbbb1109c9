/** Makes a stream of the bytes of a snapshot: types 15 (redis 5.0), 19 (7.0) and 21 (7.2). Follows redis 7.2 rdb.c rdbLoadObject(). */
import { StreamId } from '../encoding/stream-id.ts'
import { listpackFirst, listpackRead } from '../encoding/listpack.ts'
import { PackedItem } from '../encoding/packed-item.ts'
import { readInt32 } from '../object-codec/rdb-length.ts'
import { RDB_TYPE_STREAM_LISTPACKS, RDB_TYPE_STREAM_LISTPACKS_3 } from '../object-codec/rdb-types.ts'
import { SourceReader, type ValueSource } from '../object-codec/value-source.ts'
import { FORM_STREAM } from './form-numbers.ts'
import { createStreamRoot, Stream } from './stream.ts'
import { estimateEntriesRead } from './stream-counters.ts'
import { ENTRIES_READ_UNKNOWN, StreamGroups } from './stream-groups.ts'
import { D_ROOT, R_FIRST, R_LAST, R_MAX_DELETED, STREAM_HAS_ACTIVE_TIMES } from './stream-layout.ts'
import type { ValueBuild } from './value-build.ts'

const stream = new Stream()
const groups = new StreamGroups()
const id = new StreamId()
const item = new PackedItem()
const sourceReader = new SourceReader()

/** @throws ValueFault when parts contradict each other. */
export function buildStream(rdbType: number, source: ValueSource, build: ValueBuild): void {
  const value = build.beginLarge(FORM_STREAM, 0)
  const root = createStreamRoot(value.region.writer)
  value.words[value.at + D_ROOT] = root
  stream.open(value.region, root)
  groups.open(stream)
  try {
    readStream(rdbType, sourceReader.open(source))
  } finally {
    sourceReader.close()
  }
}

/** Reads what `stream` shall hold, which is open and empty. */
function readStream(rdbType: number, reader: SourceReader): void {
  const first = rdbType === RDB_TYPE_STREAM_LISTPACKS
  for (let left = reader.length().value; left > 0; left--) {
    const name = reader.string()
    if (name.length !== 16) reader.fail('the ID of a stream node is not 16 bytes long')
    id.readBigEndian(name, 0)
    const bytes = reader.string()
    listpackRead(bytes, listpackFirst(0), bytes.length, item)
    if (!stream.addNode(id, item.lo, bytes, 0, bytes.length)) reader.fail('two stream nodes have the same ID')
  }
  const length = reader.length().value
  if (length > 0 && stream.nodes.entries === 0) reader.fail('a stream of some length has no nodes')
  stream.writeId(R_LAST, readId(reader))
  if (first) {
    stream.updateFirstId()
    stream.entriesAdded = stream.length
  } else {
    stream.writeId(R_FIRST, readId(reader))
    stream.writeId(R_MAX_DELETED, readId(reader))
    stream.entriesAdded = readCount(reader)
  }
  const activeTimes = rdbType === RDB_TYPE_STREAM_LISTPACKS_3
  if (activeTimes) stream.flags = STREAM_HAS_ACTIVE_TIMES
  for (let left = reader.length().value; left > 0; left--) readGroup(reader, first, activeTimes)
}

function readId(reader: SourceReader): StreamId {
  const ms = reader.length()
  const msHi = ms.hi
  const msLo = ms.lo
  const sequence = reader.length()
  return id.set(msHi, msLo, sequence.hi, sequence.lo)
}

function readCount(reader: SourceReader): number | bigint {
  const { hi, lo } = reader.length()
  return BigInt.asIntN(64, (BigInt(hi) << 32n) | BigInt(lo >>> 0))
}

function readTime(reader: SourceReader): bigint {
  const at = reader.fixed(8)
  return (BigInt(readInt32(reader.bytes, at + 4)) << 32n) | BigInt(readInt32(reader.bytes, at) >>> 0)
}

function readGroup(reader: SourceReader, first: boolean, activeTimes: boolean): void {
  // The name is borrowed only until the next item is read.
  const name = reader.string().slice()
  readId(reader)
  const entriesRead = first ? ENTRIES_READ_UNKNOWN : readCount(reader)
  const group = groups.create(name, 0, name.length, id, entriesRead)
  if (group === 0) reader.fail('two consumer groups have the same name')
  if (first) groups.setEntriesRead(group, estimateEntriesRead(stream, id))
  let unowned = reader.length().value
  for (let left = unowned; left > 0; left--) {
    id.readBigEndian(reader.bytes, reader.fixed(16))
    const time = readTime(reader)
    const count = readCount(reader)
    if (groups.findPending(group, id) !== 0) reader.fail('an entry is pending twice')
    groups.createPending(id, time, count, 0)
  }
  for (let left = reader.length().value; left > 0; left--) {
    const consumerName = reader.string().slice()
    const seen = readTime(reader)
    const active = activeTimes ? readTime(reader) : seen
    if (groups.findConsumer(group, consumerName, 0, consumerName.length) !== 0) {
      reader.fail('two consumers have the same name')
    }
    const consumer = groups.createConsumer(consumerName, 0, consumerName.length, seen)
    groups.setActiveTime(consumer, active)
    for (let pending = reader.length().value; pending > 0; pending--) {
      id.readBigEndian(reader.bytes, reader.fixed(16))
      const entry = groups.findPending(group, id)
      if (entry === 0) reader.fail("a consumer's pending entry is not in its group")
      if (groups.pendingConsumer(entry) !== 0) reader.fail('an entry is pending for two consumers')
      groups.give(entry, consumer)
      unowned--
    }
  }
  if (unowned !== 0) reader.fail('a pending entry has no consumer')
}
