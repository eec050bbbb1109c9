import { CommandParser } from '@understudy/core/internal'
import { KEYS_AT_ONCE, setCommands } from '../../support/micro-data.mjs'

/** @type {import('../../micro.mjs').AddCases} */
export default function add(add) {
  const bytes = setCommands(KEYS_AT_ONCE)
  const parser = new CommandParser(bytes)
  add({
    name: 'SET commands of 75 bytes',
    perCall: KEYS_AT_ONCE,
    unit: 'commands',
    call: () => {
      parser.reset()
      parser.cursor = 0
      parser.unitStart = 0
      parser.tail = bytes.length
      let count = 0
      while (parser.parse()) {
        count++
        parser.unitStart = parser.cursor
      }
      if (count !== KEYS_AT_ONCE) throw new Error(`${count} commands were found`)
    },
  })
}
