/**
 * What a library of functions registers, as far as its text says it in literals: names, descriptions and flags given to
 * `redis.register_function`. The text is cut into tokens, nothing is executed; a name that is computed is not seen.
 *
 * Source: Lua 5.1 manual, "Lexical Conventions"; redis 7.0 function_lua.c luaRegisterFunctionReadNamedArgs().
 */

/** A function that the text of a library registers. Texts have one character per byte (latin1). */
export interface LibraryFunction {
  readonly name: string
  readonly description: string | undefined
  /** no-writes, allow-oom, allow-stale … */
  readonly flags: readonly string[]
}

interface Token {
  readonly kind: 'name' | 'string' | 'mark'
  readonly text: string
}

const LONG_BRACKET = /\[(=*)\[/y
const NAME = /[A-Za-z_][A-Za-z0-9_]*/y
const ESCAPES: Readonly<Record<string, string>> = { a: '\x07', b: '\b', f: '\f', n: '\n', r: '\r', t: '\t', v: '\v' }

function matchAt(pattern: RegExp, text: string, at: number): RegExpExecArray | null {
  pattern.lastIndex = at
  return pattern.exec(text)
}

/** Names, strings and single characters; comments, blanks and numbers are left out. */
function* tokensOf(text: string): Generator<Token> {
  for (let at = 0; at < text.length;) {
    const character = text[at]!
    const comment = text.startsWith('--', at)
    const long = matchAt(LONG_BRACKET, text, comment ? at + 2 : at)
    if (long !== null) {
      const start = LONG_BRACKET.lastIndex
      const close = text.indexOf(`]${long[1]}]`, start)
      const end = close < 0 ? text.length : close
      if (!comment) yield { kind: 'string', text: text.slice(start, end).replace(/^\r?\n/, '') }
      at = end + long[1]!.length + 2
    } else if (comment) {
      const end = text.indexOf('\n', at)
      at = end < 0 ? text.length : end
    } else if (character === "'" || character === '"') {
      const string = quotedString(text, at)
      yield { kind: 'string', text: string.text }
      at = string.end
    } else {
      const name = matchAt(NAME, text, at)
      if (name !== null) {
        yield { kind: 'name', text: name[0] }
        at = NAME.lastIndex
      } else {
        if (character > ' ') yield { kind: 'mark', text: character }
        at++
      }
    }
  }
}

/** The string that is quoted at `start`; one that is never closed ends with the text. */
function quotedString(text: string, start: number): { text: string; end: number } {
  let out = ''
  let at = start + 1
  while (at < text.length && text[at] !== text[start]) {
    if (text[at] !== '\\') {
      out += text[at++]
      continue
    }
    const digits = /^[0-9]{1,3}/.exec(text.slice(at + 1, at + 4))?.[0]
    if (digits !== undefined) {
      out += String.fromCharCode(Number(digits) & 0xff)
      at += 1 + digits.length
    } else {
      const escaped = text[at + 1] ?? ''
      out += ESCAPES[escaped] ?? escaped
      at += 2
    }
  }
  return { text: out, end: at + 1 }
}

/** Functions in the order in which the text registers them. */
export function registeredFunctions(text: string): LibraryFunction[] {
  const tokens = [...tokensOf(text)]
  const found: LibraryFunction[] = []
  for (let i = 0; i < tokens.length; i++) {
    if (tokens[i]!.kind !== 'name' || tokens[i]!.text !== 'register_function') continue
    const at = isMark(tokens[i + 1], '(') ? i + 2 : i + 1
    const first = tokens[at]
    if (first?.kind === 'string') found.push({ name: first.text, description: undefined, flags: [] })
    else if (isMark(first, '{')) {
      const end = tableEnd(tokens, at)
      const named = namedArguments(tokens, at, end)
      if (named !== undefined) found.push(named)
      // Going on behind the table keeps the whole linear, whatever the text.
      i = end
    }
  }
  return found
}

function isMark(token: Token | undefined, mark: string): boolean {
  return token?.kind === 'mark' && token.text === mark
}

/** Index of the token that closes the table that opens at token `open`, or of the end. */
function tableEnd(tokens: readonly Token[], open: number): number {
  let depth = 0
  for (let i = open; i < tokens.length; i++) {
    if (isMark(tokens[i], '{')) depth++
    else if (isMark(tokens[i], '}') && --depth === 0) return i
  }
  return tokens.length
}

/** The fields of the table of tokens `open` to `end`; undefined without a literal name. */
function namedArguments(tokens: readonly Token[], open: number, end: number): LibraryFunction | undefined {
  let name: string | undefined
  let description: string | undefined
  let flags: string[] = []
  let depth = 0
  for (let i = open; i < end; i++) {
    const token = tokens[i]!
    if (isMark(token, '{')) depth++
    else if (isMark(token, '}')) depth--
    if (depth !== 1 || token.kind !== 'name' || !isMark(tokens[i + 1], '=')) continue
    const value = tokens[i + 2]
    if (token.text === 'function_name' && value?.kind === 'string') name = value.text
    else if (token.text === 'description' && value?.kind === 'string') description = value.text
    else if (token.text === 'flags' && isMark(value, '{')) {
      const values = tokens.slice(i + 3, tableEnd(tokens, i + 2))
      flags = values.filter(({ kind }) => kind === 'string').map(({ text }) => text)
    }
  }
  return name === undefined ? undefined : { name, description, flags }
}
