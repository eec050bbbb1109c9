/**
 * How the arguments of a command are written down, and how COMMAND DOCS tells them: redis-cli shows from that what to type.
 *
 *   name             a string          GET               a word to be typed; named as it is, in small letters
 *   name:i           integer           change=CH         a word with another name
 *   name:d           double            EX seconds:i      an argument behind a word
 *   name:p           pattern           [ … ]             may be left out
 *   name:u           Unix time         …  ...            may be repeated; `+...`: its word, too
 *   name:k           key; with the     name(a | b)       one of them
 *   name:k0          number of its     name{a b}         all of them
 *                    specification     @6.2.0            since
 *   name†2.8.12      deprecated since
 *
 * Source of the shape of replies: redis 7.0 server.c addReplyCommandArgList().
 */
import type { ReplyEncoder } from '../resp/encoder.ts'

export interface CommandArgument {
  readonly name: string
  readonly type: string
  readonly keySpec: number | undefined
  readonly token: string | undefined
  readonly since: string | undefined
  readonly deprecatedSince: string | undefined
  readonly isOptional: boolean
  readonly isMultiple: boolean
  readonly repeatsToken: boolean
  /** Of `oneof` and `block`. */
  readonly parts: readonly CommandArgument[]
}

const TYPES: Readonly<Record<string, string>> = { k: 'key', i: 'integer', d: 'double', p: 'pattern', u: 'unix-time' }

const WORD = /[^\s()[\]{}@†+.]+/y
const BEHIND_WORD = /[A-Z][A-Z0-9_-]* (?=[^|)\]}\s[])/y
const TYPE = /^(.*):([kidpu])(\d*)$/
const PURE_WORD = /^[A-Z0-9_-]+$/
const VERSION = /[\d.]*\d/y

class SyntaxReader {
  readonly #text: string
  #at = 0

  constructor(text: string) {
    this.#text = text
  }

  /** Arguments up to `end`. */
  list(end: string): CommandArgument[] {
    const found: CommandArgument[] = []
    for (;;) {
      this.#takeAll(' ')
      if (this.#at >= this.#text.length || this.#take(end)) return found
      this.#take('|')
      this.#takeAll(' ')
      found.push(this.#argument())
    }
  }

  #argument(): CommandArgument {
    const isOptional = this.#take('[')
    const token = this.#match(BEHIND_WORD)?.trimEnd()
    const word = this.#match(WORD) ?? ''
    const parts = this.#take('(') ? this.list(')') : this.#take('{') ? this.list('}') : []
    const isBlock = this.#text[this.#at - 1] === '}'
    const deprecatedSince = this.#take('†') ? this.#match(VERSION) : undefined
    const since = this.#take('@') ? this.#match(VERSION) : undefined
    const repeatsToken = this.#take('+')
    const isMultiple = this.#take('...')
    if (isOptional && !this.#take(']')) throw new SyntaxError(`no ] at ${this.#at} of ${this.#text}`)
    const kind = parts.length === 0 ? kindOf(word) : { name: word, type: isBlock ? 'block' : 'oneof' }
    return {
      keySpec: undefined,
      token,
      ...kind,
      since,
      deprecatedSince,
      isOptional,
      isMultiple,
      repeatsToken,
      parts,
    }
  }

  #take(what: string): boolean {
    if (what === '' || !this.#text.startsWith(what, this.#at)) return false
    this.#at += what.length
    return true
  }

  #takeAll(what: string): void {
    while (this.#take(what));
  }

  #match(pattern: RegExp): string | undefined {
    pattern.lastIndex = this.#at
    const found = pattern.exec(this.#text)?.[0]
    this.#at += found?.length ?? 0
    return found
  }
}

function kindOf(word: string): Pick<CommandArgument, 'name' | 'type'> & Partial<CommandArgument> {
  const named = word.indexOf('=')
  if (named > 0) return { name: word.slice(0, named), type: 'pure-token', token: word.slice(named + 1) }
  if (PURE_WORD.test(word)) return { name: word.toLowerCase(), type: 'pure-token', token: word }
  const typed = TYPE.exec(word)
  if (typed === null) return { name: word, type: 'string' }
  const [, name = '', letter = '', keySpec] = typed
  return { name, type: TYPES[letter]!, keySpec: keySpec === '' ? undefined : Number(keySpec) }
}

/** @param text in the notation above */
export function parseSyntax(text: string): CommandArgument[] {
  return new SyntaxReader(text).list('')
}

/** Writes the arguments as COMMAND DOCS has them. */
export function writeArguments(reply: ReplyEncoder, arguments_: readonly CommandArgument[]): void {
  reply.array(arguments_.length)
  for (const argument of arguments_) writeArgument(reply, argument)
}

function writeArgument(reply: ReplyEncoder, argument: CommandArgument): void {
  const { name, type, keySpec, token, since, deprecatedSince, isOptional, isMultiple, repeatsToken, parts } = argument
  const flags: string[] = []
  if (isOptional) flags.push('optional')
  if (isMultiple) flags.push('multiple')
  if (repeatsToken) flags.push('multiple_token')
  const texts: [string, string | undefined][] = [
    ['token', token],
    ['since', since],
    ['deprecated_since', deprecatedSince],
  ]
  const told = texts.filter(([, text]) => text !== undefined)
  const more = (keySpec === undefined ? 0 : 1) + (flags.length > 0 ? 1 : 0) + (parts.length > 0 ? 1 : 0)
  reply.map(2 + told.length + more)
  reply.bulkString('name')
  reply.bulkString(name)
  reply.bulkString('type')
  reply.bulkString(type)
  if (keySpec !== undefined) {
    reply.bulkString('key_spec_index')
    reply.integer(keySpec)
  }
  for (const [field, text] of told) {
    reply.bulkString(field)
    reply.bulkString(text!)
  }
  if (flags.length > 0) {
    reply.bulkString('flags')
    reply.set(flags.length)
    for (const flag of flags) reply.simple(flag)
  }
  if (parts.length > 0) {
    reply.bulkString('arguments')
    writeArguments(reply, parts)
  }
}
