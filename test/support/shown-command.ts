/** A command in an error message: as redis-cli takes it, long arguments cut. */
import type { Argument } from './raw-client.ts'

export function shownCommand(command: readonly Argument[], charsMax = 300): string {
  return command
    .map((argument) => {
      const text = argument instanceof Uint8Array ? Buffer.from(argument).toString('latin1') : String(argument)
      const shown = /^[\w:.*@+()[\]?>$~=#-]+$/.test(text)
        ? text
        : `"${text.replace(/[^ -~]|["\\]/g, (char) => {
            const code = char.charCodeAt(0)
            return char === '"' || char === '\\' ? `\\${char}` : `\\x${code.toString(16).padStart(2, '0')}`
          })}"`
      return shown.length > charsMax ? `${shown.slice(0, charsMax)}…(${text.length} bytes)` : shown
    })
    .join(' ')
}
