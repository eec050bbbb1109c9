/**
 * Words of a line and back: the quoting that redis.conf, inline commands and CONFIG REWRITE share. `'…'` takes only
 * `\'` as an escape; `"…"` takes \n \r \t \b \a \xHH and otherwise the escaped character itself. A quote may open in the
 * middle of a word; behind a closing quote must come a space or the end. Source: redis 7.0 sds.c sdssplitargs(),
 * sdscatrepr(). Works on byte strings.
 */

const ESCAPES: Readonly<Record<string, string>> = { n: '\n', r: '\r', t: '\t', b: '\b', a: '\x07' }

function isSpace(character: string | undefined): boolean {
  return character !== undefined && ' \t\n\v\f\r\0'.includes(character)
}

/** @returns the words; undefined when quotes do not balance or something follows a closing quote. */
export function splitArguments(line: string): string[] | undefined {
  const words: string[] = []
  let i = 0
  for (;;) {
    while (isSpace(line[i])) i++
    if (i >= line.length) return words
    let word = ''
    let quote = ''
    for (;;) {
      const character = line[i]
      if (character === undefined) {
        if (quote !== '') return undefined
        break
      }
      i++
      if (quote === '') {
        if (isSpace(character)) break
        if (character === '"' || character === "'") quote = character
        else word += character
      } else if (character === quote) {
        if (i < line.length && !isSpace(line[i])) return undefined
        break
      } else if (character === '\\' && quote === "'" && line[i] === "'") {
        word += "'"
        i++
      } else if (character === '\\' && quote === '"' && i < line.length) {
        const hex = /^x[0-9a-f]{2}/i.exec(line.slice(i, i + 3))
        if (hex) {
          word += String.fromCharCode(Number.parseInt(hex[0].slice(1), 16))
          i += 3
        } else {
          const escaped = line[i]!
          word += ESCAPES[escaped] ?? escaped
          i++
        }
      } else {
        word += character
      }
    }
    words.push(word)
  }
}

const PRINTED: Readonly<Record<string, string>> = {
  '\\': '\\\\',
  '"': '\\"',
  '\n': '\\n',
  '\r': '\\r',
  '\t': '\\t',
  '\x07': '\\a',
  '\b': '\\b',
}

/** The byte string in double quotes, everything but printable ASCII escaped: `splitArguments()` gives it back. */
export function quoteArgument(bytes: string): string {
  let quoted = '"'
  for (const character of bytes) {
    const code = character.charCodeAt(0)
    quoted += PRINTED[character] ?? (code >= 32 && code < 127 ? character : `\\x${code.toString(16).padStart(2, '0')}`)
  }
  return `${quoted}"`
}
