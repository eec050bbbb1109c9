import { BacklogWriter, CommandStream } from '@understudy/core/internal'
import { KEYS_AT_ONCE, setCommands } from '../../support/micro-data.mjs'

const BACKLOG_BYTES = 1024 * 1024
const READ_BYTES = 64 * 1024

/** @type {import('../../micro.mjs').AddCases} */
export default function add(add) {
  const bytes = setCommands(KEYS_AT_ONCE)
  const clock = { monotonicMs: () => performance.now(), wallMs: () => Date.now() }
  const stream = new CommandStream({ clock, sink: new BacklogWriter(BACKLOG_BYTES) })
  let count = 0
  const handler = { command: () => void count++, group: () => {}, getAck: () => {} }
  add({
    name: 'SET commands to a handler that does nothing, with backlog',
    perCall: KEYS_AT_ONCE,
    unit: 'commands',
    call: () => {
      count = 0
      for (let at = 0; at < bytes.length; at += READ_BYTES) {
        stream.push(bytes.subarray(at, at + READ_BYTES))
        while (stream.drain(handler) === 'more');
      }
      if (count !== KEYS_AT_ONCE) throw new Error(`${count} commands arrived`)
    },
  })
}
