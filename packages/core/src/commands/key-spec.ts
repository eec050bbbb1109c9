/**
 * Key specifications of COMMAND INFO: where the keys of a command stand, and what is done to them, for clients that find
 * keys by themselves.
 *
 * Source: redis 7.0 server.c addReplyCommandKeySpecs(), the documentation "Key specifications".
 */
import { argInteger, argIs } from './arguments.ts'
import type { CommandArgs } from './command.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'

export interface KeySpec {
  /** In Redis' words: `RO`, `access` … */
  readonly flags: readonly string[]
  /** Where the keys begin: at an argument, or behind a keyword that is searched from one on; undefined: cannot be told. */
  readonly begin: number | readonly [keyword: string, startFrom: number] | undefined
  /** A range from there on; the number of keys and then the keys; undefined: cannot be told. */
  readonly keys: KeyRange | 'numbered' | undefined
}

export interface KeyRange {
  /** Counted from the first key on, or from the end when negative. */
  readonly last: number
  readonly step: number
  /** 2: the first half of what follows; 0: all of it. */
  readonly limit: number
}

const ONE: KeyRange = { last: 0, step: 1, limit: 0 }
const REST: KeyRange = { last: -1, step: 1, limit: 0 }

/**
 * A row's short form: flags, then the place. `@2`: argument 2. `@3..`: from argument 3 to the end. `@1#`: as many as argument 1
 * says, behind it. `STORE@6`: behind that keyword, from argument 6 on. `?`: cannot be told.
 */
export function parseKeySpec(text: string): KeySpec {
  const words = text.split(' ')
  const place = words.pop()!
  const [keyword, argument = ''] = place.split('@')
  if (place === '?') return { flags: words, begin: undefined, keys: undefined }
  const index = Number.parseInt(argument, 10)
  const keys = argument.endsWith('#') ? 'numbered' : argument.endsWith('..') ? REST : ONE
  return { flags: words, begin: keyword === '' ? index : [keyword!, index], keys }
}

/** Does argument `index` stand where the specification says? Never, when that cannot be told. */
export function coversKey({ begin, keys }: KeySpec, args: CommandArgs, index: number): boolean {
  if (begin === undefined || keys === undefined) return false
  const first = typeof begin === 'number' ? begin : behindKeyword(args, begin[0], begin[1])
  if (keys === 'numbered') return index > first && index <= first + argInteger(args, first)
  const last = keys.last < 0 ? args.count + keys.last : first + keys.last
  return index >= first && index <= last && (index - first) % keys.step === 0
}

/** @returns the number of arguments when the keyword is not there. */
function behindKeyword(args: CommandArgs, keyword: string, from: number): number {
  for (let i = from; i < args.count; i++) if (argIs(args, i, keyword)) return i + 1
  return args.count
}

export function writeKeySpec(reply: ReplyEncoder, { flags, begin, keys }: KeySpec): void {
  reply.map(3)
  reply.bulkString('flags')
  reply.set(flags.length)
  for (const flag of flags) reply.simple(flag)
  reply.bulkString('begin_search')
  if (begin === undefined) writePart(reply, 'unknown', {})
  else if (typeof begin === 'number') writePart(reply, 'index', { index: begin })
  else writePart(reply, 'keyword', { keyword: begin[0], startfrom: begin[1] })
  reply.bulkString('find_keys')
  if (keys === undefined) writePart(reply, 'unknown', {})
  else if (keys === 'numbered') writePart(reply, 'keynum', { keynumidx: 0, firstkey: 1, keystep: 1 })
  else writePart(reply, 'range', { lastkey: keys.last, keystep: keys.step, limit: keys.limit })
}

function writePart(reply: ReplyEncoder, type: string, spec: Readonly<Record<string, string | number>>): void {
  const fields = Object.entries(spec)
  reply.map(2)
  reply.bulkString('type')
  reply.bulkString(type)
  reply.bulkString('spec')
  reply.map(fields.length)
  for (const [name, value] of fields) {
    reply.bulkString(name)
    if (typeof value === 'number') reply.integer(value)
    else reply.bulkString(value)
  }
}
