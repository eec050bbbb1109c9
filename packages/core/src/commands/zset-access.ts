/** How commands of sorted sets reach the key of an argument, and the arguments they share. */
import { parseScore } from '../encoding/score-text.ts'
import { NOTIFY_ZSET } from '../keyspace/key-events.ts'
import { NOT_A_FLOAT, WRONG_TYPE } from '../resp/error-replies.ts'
import { FORM_ZSET, isZsetForm } from '../values/form-numbers.ts'
import { formOf } from '../values/forms.ts'
import { SortedSet } from '../values/sorted-set.ts'
import { LargeSortedSet, SortedSetWriter } from '../values/sorted-set-writer.ts'
import type { ValueBuild } from '../values/value-build.ts'
import { finishZset } from '../values/zset-form.ts'
import { deleteFound, findForRead, findForWrite, foundChanged } from './access.ts'
import type { CommandContext, ReadContext } from './command.ts'
import { notify, notifyDeleted } from './notify.ts'

/** The set that a command reads, and the one it changes. */
const reading: SortedSet = new SortedSet()
const writing: SortedSetWriter = new SortedSetWriter()

/**
 * The sorted set at argument `index`, for reading. `missing` writes the reply for an absent key; a wrong type is refused.
 * @returns undefined when a reply was written.
 */
export function readZset(
  context: ReadContext,
  index: number,
  missing: (context: ReadContext) => void,
  into: SortedSet = reading,
): SortedSet | undefined {
  if (!findForRead(context, index)) {
    missing(context)
    return undefined
  }
  if (!expectZset(context)) return undefined
  return into.open(context.keyspace)
}

/** True when the key just found holds a sorted set; otherwise the error is written. */
export function expectZset(context: ReadContext): boolean {
  if (isZsetForm(context.keyspace.entry.rdbType)) return true
  context.reply.error(WRONG_TYPE)
  return false
}

/** The sorted set at argument `index`, for changing it; undefined when the key is absent or (an error is written) of another type. */
export function writeZset(
  context: CommandContext,
  index: number,
  missing: (context: CommandContext) => void,
): SortedSetWriter | undefined {
  const { args, keyspace } = context
  if (!findForWrite(context, index)) {
    missing(context)
    return undefined
  }
  if (!expectZset(context)) return undefined
  return writing.edit(
    keyspace,
    context.db,
    args.bytes,
    args.start[index]!,
    args.end[index]!,
    context.settings.encodings,
  )
}

/** The sorted set at argument `index` or one to be made there; undefined after an error reply. @param member index of the first member. */
export function writeOrCreateZset(context: CommandContext, index: number, member: number): SortedSetWriter | undefined {
  const { args, keyspace, settings } = context
  const start = args.start[index]!
  const end = args.end[index]!
  if (findForWrite(context, index)) {
    if (!expectZset(context)) return undefined
    return writing.edit(keyspace, context.db, args.bytes, start, end, settings.encodings)
  }
  const length = args.end[member]! - args.start[member]!
  return writing.create(keyspace, context.db, args.bytes, start, end, settings.encodings, length)
}

/** After elements went: the event, and with none left the key. Call it before the reply. */
export function elementsRemoved(context: CommandContext, index: number, event: string, left: number): void {
  if (left > 0) foundChanged(context, index)
  else deleteFound(context, index)
  notify(context, NOTIFY_ZSET, event, index)
  if (left === 0) notifyDeleted(context, index)
}

/** Argument `index` as a score; NaN after an error reply. */
export function scoreArgument(context: ReadContext, index: number, error: string = NOT_A_FLOAT): number {
  const { args } = context
  const value = parseScore(args.bytes, args.start[index]!, args.end[index]!)
  if (Number.isNaN(value)) context.reply.error(error)
  return value
}

export function missingIsZero({ reply }: ReadContext): void {
  reply.integer(0)
}

export function missingIsNull({ reply }: ReadContext): void {
  reply.nullBulk()
}

export function missingIsNullArray({ reply }: ReadContext): void {
  reply.nullArray()
}

export function missingIsEmpty({ reply }: ReadContext): void {
  reply.array(0)
}

/** A sorted set that is being made as the result of a command, beside all keys. */
export class ZsetResult {
  readonly set: LargeSortedSet = new LargeSortedSet()
  /** Bytes of the longest member: Redis chooses the encoding by it. */
  longest = 0
  readonly #build: ValueBuild
  readonly #index: number
  #gone = false

  /** @param index argument of the key that will have the result, or any key when nobody will. */
  constructor(context: ReadContext, index: number) {
    const { args, keyspace, settings } = context
    this.#index = index
    keyspace.lookup(context.db, args.bytes, args.start[index]!, args.end[index]!)
    this.#build = keyspace.newBuild(settings.encodings)
    this.#build.begin(keyspace.targetRegion)
    this.set.openLarge(this.#build.beginLarge(FORM_ZSET, 0))
  }

  /** Adds a member that the last `find` of the set did not find; they get their order at the end. */
  add(member: Uint8Array, start: number, end: number, score: number): void {
    if (end - start > this.longest) this.longest = end - start
    this.set.addToTable(member, start, end, score)
  }

  /** Frees what was made, unless it has gone to a key. */
  free(): void {
    if (this.#gone) return
    this.#gone = true
    formOf(FORM_ZSET).free(this.#build.large)
  }

  /** Puts the result at its key, or deletes the key when there is nothing; the number of elements is the reply. */
  store(context: CommandContext, event: string): void {
    const { args, keyspace, reply, settings } = context
    const index = this.#index
    this.set.indexAll()
    const { count } = this.set
    const { encodings } = settings
    if (count === 0) {
      this.free()
      if (keyspace.delete(context.db, args.bytes, args.start[index]!, args.end[index]!)) notifyDeleted(context, index)
      reply.integer(0)
      return
    }
    const isListpack = count <= encodings.zsetMaxListpackEntries && this.longest <= encodings.zsetMaxListpackValue
    finishZset(this.set, isListpack, this.#build)
    this.#gone = true
    findForWrite(context, index)
    keyspace.putBuilt(context.db, args.bytes, args.start[index]!, args.end[index]!, this.#build, -1)
    notify(context, NOTIFY_ZSET, event, index)
    reply.integer(count)
  }
}

/** Makes a result; what was made is freed when memory ends on the way. */
export function withResult(context: ReadContext, index: number, make: (result: ZsetResult) => void): void {
  const result = new ZsetResult(context, index)
  try {
    make(result)
  } catch (error) {
    result.free()
    throw error
  }
}
