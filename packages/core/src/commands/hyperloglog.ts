/**
 * PFADD, PFCOUNT, PFMERGE and the debugging commands beside them (redis 7.0 hyperloglog.c). The representation is
 * encoding/hyperloglog.ts; this file finds the strings and stores them.
 *
 * PFCOUNT of one key stores the cardinality it computed in the value. Primaries send it down as a command for that
 * reason: on the stream (and on a writable node) it is stored here as well, for a reader of a replica it is not.
 */
import {
  cachedCardinality,
  createSparse,
  denseByteOf,
  denseFromBytes,
  denseRegister,
  denseToBytes,
  describeSparse,
  elementIndex,
  elementRun,
  estimateCardinality,
  HLL_DENSE,
  HLL_DENSE_BYTES,
  HLL_HEADER_BYTES,
  HLL_REGISTERS,
  HLL_SPARSE,
  HLL_SPARSE_BYTES_END,
  type HllBytes,
  hashElement,
  hllEncoding,
  invalidateCardinality,
  isHllHeader,
  mergeRegisters,
  raiseRegister,
  sparseToDense,
  writeDenseRegisters,
  writeCardinality,
} from '../encoding/hyperloglog.ts'
import { NOTIFY_STRING } from '../keyspace/key-events.ts'
import { FLAG_RAW } from '../keyspace/layout.ts'
import { expectString, findForRead, findForWrite, foundChanged, putFound, requireWriter } from './access.ts'
import { argIs, argText } from './arguments.ts'
import type { CommandContext, CommandTable, ReadContext } from './command.ts'
import { ADMIN, DENYOOM, FAST, MAY_REPLICATE, READONLY, WRITE } from './flags.ts'
import { notify } from './notify.ts'

const NOT_A_HLL = 'WRONGTYPE Key is not a valid HyperLogLog string value.'
const CORRUPT = 'INVALIDOBJ Corrupted HLL object detected'

const CARDINALITY_AT = 8
const WORK_BYTES_MAX: number = 16 * 1024 * 1024
const KEPT_WORK_BYTES_MAX: number = 64 * 1024

/** A copy of the value being worked on, and the registers of several values. */
const work: HllBytes = { bytes: new Uint8Array(HLL_DENSE_BYTES), length: 0 }
const registers: Uint8Array = new Uint8Array(HLL_REGISTERS)
const header: Uint8Array = new Uint8Array(HLL_HEADER_BYTES)
const pair: Uint8Array = new Uint8Array(2)

/** PFADD key [element …] */
function runPfAdd(context: CommandContext): void {
  const { args, keyspace, reply } = context
  const { entry } = keyspace
  const found = findForWrite(context, 1)
  if (found) {
    if (!expectHll(context)) return
    if (hllEncoding(header) === HLL_DENSE) {
      addToDense(context)
      return
    }
    if (!loadValue(context)) return
  } else createSparse(work)
  let changed = !found
  let corrupt = false
  for (let index = 2; index < args.count && !corrupt; index++) {
    hashElement(args.bytes, args.start[index]!, args.end[index]!)
    const update = raiseRegister(work, elementIndex, elementRun, context.settings.hllSparseMaxBytes)
    if (update === 'changed') changed = true
    else corrupt = update === 'corrupt'
  }
  if (changed) {
    invalidateCardinality(work.bytes)
    putFound(context, 1, FLAG_RAW, work.bytes, 0, work.length, found ? entry.expireAtMs : -1)
    notify(context, NOTIFY_STRING, 'pfadd', 1)
  }
  if (corrupt) reply.error(CORRUPT)
  else reply.integer(changed ? 1 : 0)
}

/** Adds the elements to the dense value just found, in place. */
function addToDense(context: CommandContext): void {
  const { args, keyspace } = context
  const { entry } = keyspace
  let changed = false
  for (let index = 2; index < args.count; index++) {
    hashElement(args.bytes, args.start[index]!, args.end[index]!)
    const at = denseByteOf(elementIndex)
    const bytes = at + 1 < HLL_DENSE_BYTES ? 2 : 1
    const first = entry.byteAt(at)
    const second = bytes === 2 ? entry.byteAt(at + 1) : 0
    if (denseFromBytes(elementIndex, first, second) >= elementRun) continue
    const both = denseToBytes(elementIndex, first, second, elementRun)
    pair[0] = both
    pair[1] = both >>> 8
    keyspace.writeEntry(at, pair, 0, bytes)
    changed = true
  }
  if (changed) {
    invalidateCardinality(header)
    keyspace.writeEntry(0, header, 0, HLL_HEADER_BYTES)
    foundChanged(context, 1)
    notify(context, NOTIFY_STRING, 'pfadd', 1)
  }
  context.reply.integer(changed ? 1 : 0)
}

/** PFCOUNT key [key …] */
function runPfCount(context: ReadContext): void {
  const { args, reply } = context
  registers.fill(0)
  if (args.count > 2) {
    for (let index = 1; index < args.count; index++) {
      if (findForRead(context, index) && !mergeFound(context)) return
    }
    reply.integer(estimateCardinality(registers))
    return
  }
  if (!findForRead(context, 1)) {
    reply.integer(0)
    return
  }
  if (!expectHll(context)) return
  const cached = cachedCardinality(header)
  if (cached !== -1) {
    reply.integer(cached)
    return
  }
  if (!mergeFound(context)) return
  const count = estimateCardinality(registers)
  if (context.fromPrimary || context.writable === true) {
    requireWriter(context)
    storeCardinality(context, count)
  }
  reply.integer(count)
}

/** Stores the cardinality in the value just found. PFCOUNT is a read for the dispatcher: it may come without a unit. */
function storeCardinality(context: CommandContext, count: number | bigint): void {
  const { keyspace } = context
  const isUnit = !keyspace.counters.isOpen
  if (isUnit) keyspace.begin()
  writeCardinality(header, CARDINALITY_AT, count)
  keyspace.writeEntry(CARDINALITY_AT, header, CARDINALITY_AT, HLL_HEADER_BYTES)
  foundChanged(context, 1)
  if (isUnit) keyspace.end()
}

/** PFMERGE target [source …]: the target counts as a source. */
function runPfMerge(context: CommandContext): void {
  const { args, keyspace, reply } = context
  const { entry } = keyspace
  registers.fill(0)
  let dense = false
  for (let index = 1; index < args.count; index++) {
    if (!findForRead(context, index)) continue
    if (!mergeFound(context)) return
    dense ||= hllEncoding(header) === HLL_DENSE
  }
  const found = findForWrite(context, 1)
  if (!found) createSparse(work)
  else if (!expectHll(context) || !loadValue(context)) return
  if (dense) {
    sparseToDense(work)
    // The target's own are among them.
    writeDenseRegisters(work, registers)
  } else {
    for (let index = 0; index < HLL_REGISTERS; index++) {
      if (registers[index] !== 0) raiseRegister(work, index, registers[index]!, context.settings.hllSparseMaxBytes)
    }
  }
  invalidateCardinality(work.bytes)
  putFound(context, 1, FLAG_RAW, work.bytes, 0, work.length, found ? entry.expireAtMs : -1)
  notify(context, NOTIFY_STRING, 'pfadd', 1)
  reply.ok()
}

/** PFDEBUG GETREG|DECODE|ENCODING|TODENSE key */
function runPfDebug(context: CommandContext): void {
  const { reply } = context
  const { entry } = context.keyspace
  if (!findForWrite(context, 2)) {
    reply.error('ERR The specified key does not exist')
    return
  }
  if (!expectHll(context) || !loadValue(context)) return
  const sparse = hllEncoding(header) === HLL_SPARSE
  const getsRegisters = argIs(context.args, 1, 'GETREG')
  if (getsRegisters || argIs(context.args, 1, 'TODENSE')) {
    if (sparse) {
      if (!sparseToDense(work)) {
        reply.error(CORRUPT)
        return
      }
      putFound(context, 2, FLAG_RAW, work.bytes, 0, work.length, entry.expireAtMs)
    }
    if (!getsRegisters) {
      reply.integer(sparse ? 1 : 0)
      return
    }
    reply.array(HLL_REGISTERS)
    for (let index = 0; index < HLL_REGISTERS; index++) reply.integer(denseRegister(work.bytes, index))
  } else if (argIs(context.args, 1, 'DECODE')) {
    if (sparse) reply.bulkString(describeSparse(work))
    else reply.error('ERR HLL encoding is not sparse')
  } else if (argIs(context.args, 1, 'ENCODING')) reply.simple(sparse ? 'sparse' : 'dense')
  else {
    // As C prints it: up to a NUL.
    const [name = ''] = argText(context.args, 1).split('\0')
    reply.error(`ERR Unknown PFDEBUG subcommand '${name}'`)
  }
}

const SELFTEST_ELEMENTS = 20_000
/** Four times the standard error of 16,384 registers. */
const SELFTEST_ERROR_MAX: number = 4 * (1.04 / 128)

/** PFSELFTEST: adds numbered elements to a sparse value that becomes dense, and checks registers and estimates. */
function runPfSelfTest(context: ReadContext): void {
  const { reply } = context
  const element = new Uint8Array(4)
  const expected = new Uint8Array(HLL_REGISTERS)
  createSparse(work)
  for (let count = 1; count <= SELFTEST_ELEMENTS; count++) {
    new DataView(element.buffer).setUint32(0, count)
    hashElement(element, 0, element.length)
    expected[elementIndex] = Math.max(expected[elementIndex]!, elementRun)
    raiseRegister(work, elementIndex, elementRun, context.settings.hllSparseMaxBytes)
    if (count !== 100 && count !== 1000 && count !== SELFTEST_ELEMENTS) continue
    registers.fill(0)
    mergeRegisters(registers, work)
    const wrong = registers.findIndex((run, index) => run !== expected[index])
    if (wrong !== -1) {
      reply.error(`TESTFAILED Register ${wrong} should be ${expected[wrong]} but is ${registers[wrong]}`)
      return
    }
    const estimate = Number(estimateCardinality(registers))
    if (Math.abs(estimate - count) > Math.max(10, count * SELFTEST_ERROR_MAX)) {
      reply.error(`TESTFAILED Too big error. card:${count} abserr:${Math.abs(estimate - count)}`)
      return
    }
  }
  reply.ok()
}

/** True when the key just found holds a HyperLogLog, whose first bytes are in `header` then; else the error is written. */
function expectHll(context: ReadContext): boolean {
  const { entry } = context.keyspace
  if (!expectString(context)) return false
  if (entry.length >= HLL_HEADER_BYTES) {
    entry.copy(0, HLL_HEADER_BYTES, header, 0)
    if (isHllHeader(header, entry.length)) return true
  }
  context.reply.error(NOT_A_HLL)
  return false
}

/**
 * Copies the value just found, whose header was checked, to `work`. A sparse value that is too long to be valid is still
 * changed as Redis changes it, up to a bound.
 */
function loadValue(context: ReadContext): boolean {
  const { entry } = context.keyspace
  if (entry.length > WORK_BYTES_MAX) {
    context.reply.error(CORRUPT)
    return false
  }
  if (work.bytes.length < entry.length || work.bytes.length > KEPT_WORK_BYTES_MAX) {
    work.bytes = new Uint8Array(Math.max(entry.length, HLL_DENSE_BYTES))
  }
  entry.copy(0, entry.length, work.bytes, 0)
  work.length = entry.length
  return true
}

/** Merges the value just found into `registers`; writes the error when it is no valid HyperLogLog. */
function mergeFound(context: ReadContext): boolean {
  if (!expectHll(context)) return false
  const fits = context.keyspace.entry.length < HLL_SPARSE_BYTES_END
  if (fits && loadValue(context) && mergeRegisters(registers, work)) return true
  context.reply.error(CORRUPT)
  return false
}

const GROUP = 'hyperloglog'
const ONE_KEY = [1, 1, 1] as const

export const hyperloglogCommands: CommandTable = {
  PFADD: {
    arity: -2,
    flags: WRITE | DENYOOM | FAST,
    keys: ONE_KEY,
    since: '2.8.9',
    group: GROUP,
    summary: 'Adds elements to a HyperLogLog.',
    keyFlags: ['RW', 'insert'],
    run: runPfAdd,
  },
  PFCOUNT: {
    arity: -2,
    flags: READONLY | MAY_REPLICATE,
    keys: [1, -1, 1],
    since: '2.8.9',
    group: GROUP,
    summary: 'Estimates how many different elements HyperLogLogs have seen.',
    keyFlags: ['RW', 'access'],
    read: runPfCount,
  },
  PFMERGE: {
    arity: -2,
    flags: WRITE | DENYOOM,
    keys: [1, -1, 1],
    since: '2.8.9',
    group: GROUP,
    summary: 'Merges HyperLogLogs into one.',
    keySpecs: ['RW access insert @1', 'RO access @2..'],
    run: runPfMerge,
  },
  PFDEBUG: {
    arity: 3,
    flags: WRITE | DENYOOM | ADMIN,
    keys: [2, 2, 1],
    since: '2.8.9',
    group: GROUP,
    summary: 'Shows the inside of a HyperLogLog.',
    keyFlags: ['RW', 'access'],
    run: runPfDebug,
  },
  PFSELFTEST: {
    arity: 1,
    flags: ADMIN,
    keys: [0, 0, 0],
    since: '2.8.9',
    group: GROUP,
    summary: 'Checks registers and estimates of the HyperLogLog code.',
    run: runPfSelfTest,
  },
}
