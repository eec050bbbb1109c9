/**
 * What SCAN and the scans of elements (HSCAN, SSCAN, ZSCAN) have in common: cursors, COUNT and MATCH, and a reply whose number
 * of items is known last.
 *
 * Source: redis 7.0 db.c parseScanCursorOrReply(), scanGenericCommand().
 */
import { globMatches } from '../glob.ts'
import { parseInteger } from '../encoding/integer.ts'
import { ReplyEncoder } from '../resp/encoder.ts'
import { SYNTAX_ERROR } from '../resp/error-replies.ts'
import { findForRead, integerArgument } from './access.ts'
import { argIs, argText } from './arguments.ts'
import type { ReadContext } from './command.ts'

const UINT64_MAX = 0xffff_ffff_ffff_ffffn
const CURSOR = /^(?:[-+]?[0-9]+)?$/
const COUNT_DEFAULT = 10
const STAR = 42

/** A cursor as strtoul() reads it (up to a NUL), or undefined after an error reply. */
export function cursorArgument(context: ReadContext, index: number): number | undefined {
  const { args } = context
  const position = parseInteger(args.bytes, args.start[index]!, args.end[index]!)
  // As this node gives them. What C reads differently, and others may have made, takes its time.
  if (position >= 0 && position <= Number.MAX_SAFE_INTEGER) return position
  const [text = ''] = argText(args, index).split('\0')
  if (CURSOR.test(text)) {
    const digits = text.replace(/^[-+]/, '')
    const magnitude = BigInt(digits === '' ? '0' : digits)
    // A sign wraps around, as it does in C; positions beyond ours are the end of the walk.
    if (magnitude <= UINT64_MAX)
      return text.startsWith('-') ? Number(BigInt.asUintN(64, -magnitude)) : Number(magnitude)
  }
  context.reply.error('ERR invalid cursor')
  return undefined
}

/** The argument's place if, as a pattern, it restricts anything: '*' does not, and 0 is returned. */
export function patternAt({ args }: ReadContext, index: number): number {
  const start = args.start[index]!
  return args.end[index]! - start === 1 && args.bytes[start] === STAR ? 0 : index
}

/** COUNT of the last `beginElementScan`. */
export let scanCount: number = COUNT_DEFAULT
/** Argument index of its pattern, 0 for none. */
let scanPattern = 0
/** Was NOVALUES among its options (HSCAN since Redis 7.4)? */
export let scanNamesOnly = false

/** Reads the options from argument 3 on. @returns false after an error reply. */
function readElementScanOptions(context: ReadContext, hasValues: boolean): boolean {
  const { args, reply } = context
  scanCount = COUNT_DEFAULT
  scanPattern = 0
  scanNamesOnly = false
  // A reply that grew too long may have left something.
  scanned.clear()
  for (let i = 3; i < args.count; i++) {
    const more = i + 1 < args.count
    if (more && argIs(args, i, 'COUNT')) {
      const value = integerArgument(context, ++i)
      if (Number.isNaN(value)) return false
      if (value < 1) {
        reply.error(SYNTAX_ERROR)
        return false
      }
      scanCount = value
    } else if (more && argIs(args, i, 'MATCH')) {
      scanPattern = patternAt(context, ++i)
    } else if (hasValues && argIs(args, i, 'NOVALUES')) scanNamesOnly = true
    else {
      reply.error(SYNTAX_ERROR)
      return false
    }
  }
  return true
}

/**
 * What HSCAN, SSCAN and ZSCAN begin with: the cursor, the key, the options. @param expectType true when the key just found is
 * of the command's type; it writes the error otherwise. @param hasValues may the option NOVALUES leave something out? @returns undefined when a reply was written.
 */
export function beginElementScan(
  context: ReadContext,
  expectType: (context: ReadContext) => boolean,
  hasValues: boolean = false,
): number | undefined {
  const cursor = cursorArgument(context, 2)
  if (cursor === undefined) return undefined
  if (!findForRead(context, 1)) {
    writeScanned(context, 0, 0)
    return undefined
  }
  return expectType(context) && readElementScanOptions(context, hasValues) ? cursor : undefined
}

/** Does the element match the pattern that was read? */
export function scanMatches({ args }: ReadContext, bytes: Uint8Array, start: number, end: number): boolean {
  if (scanPattern === 0) return true
  return globMatches(args.bytes, args.start[scanPattern]!, args.end[scanPattern]!, bytes, start, end)
}

/** Collects the items of one reply, whose number stands before them. Empty it (`clear`) before use. */
export const scanned: ReplyEncoder = new ReplyEncoder()

/** Writes what was collected. */
export function writeCollectedItems({ reply }: ReadContext): void {
  reply.raw(scanned.bytes, 0, scanned.length)
  scanned.clear()
}

/** Writes cursor and collected items. @param items bulk strings in `scanned` */
export function writeScanned(context: ReadContext, cursor: number, items: number): void {
  const { reply } = context
  reply.array(2)
  reply.bulkString(String(cursor))
  reply.array(items)
  if (items > 0) writeCollectedItems(context)
}
