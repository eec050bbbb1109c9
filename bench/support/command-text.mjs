/** Commands as they go over the wire, gathered into large buffers. */

const BUFFER_CHARACTERS = 1 << 20

/**
 * One command in the form of a replication stream.
 *
 * @param {readonly string[]} words Latin-1.
 */
export function commandText(words) {
  let text = `*${words.length}\r\n`
  for (const word of words) text += `$${word.length}\r\n${word}\r\n`
  return text
}

/**
 * @param {Iterable<string>} commands From `commandText`.
 * @returns {Generator<Buffer>} Whole commands each.
 */
export function* inBuffers(commands) {
  let text = ''
  for (const command of commands) {
    text += command
    if (text.length < BUFFER_CHARACTERS) continue
    yield Buffer.from(text, 'latin1')
    text = ''
  }
  if (text !== '') yield Buffer.from(text, 'latin1')
}
