/** What the stream keeps of commands and groups that were unusually long, once they have been applied or forgotten: nothing. */
import { CommandStream, type StreamHandler } from '@understudy/core/internal'
import { describe, expect, it } from 'vitest'
import { arrayBytesLeftBy } from '../../support/collected.ts'
import { FakeClock } from '../../support/fake-clock.ts'
import { encodeCommand } from '../../support/raw-client.ts'

const LONG_BYTES: number = 24 << 20
/** Beside what is measured: noise of the test itself. */
const NOISE_BYTES: number = 2 << 20

const handler: StreamHandler = {
  command: () => {},
  group: (group) => {
    while (group.next());
  },
  getAck: () => {},
}

function newStream(): CommandStream {
  const stream = new CommandStream({ clock: new FakeClock() })
  stream.begin(0, 0)
  return stream
}

function apply(stream: CommandStream, ...commands: Buffer[]): void {
  for (const command of commands) stream.push(command)
  while (stream.drain(handler) === 'more');
}

function ofEmptyWords(count: number): Buffer {
  return Buffer.from(`*${count}\r\n${'$0\r\n\r\n'.repeat(count)}`)
}

const leftBy = (work: () => void): Promise<number> => arrayBytesLeftBy(work, NOISE_BYTES)

describe('a stream that had to hold much', () => {
  const longValue = (): Buffer => encodeCommand('SET', 'key', Buffer.alloc(LONG_BYTES))
  const small = encodeCommand('SET', 'key', 'value')

  it('lets go of the buffer of a long group', async () => {
    const stream = newStream()
    apply(stream, small)
    const left = await leftBy(() => {
      apply(stream, encodeCommand('MULTI'), longValue(), encodeCommand('EXEC'))
      apply(stream, small)
    })
    expect(left).toBeLessThan(NOISE_BYTES)
  })

  it('lets go of the buffer of a command whose rest never came', async () => {
    const stream = newStream()
    apply(stream, small)
    const left = await leftBy(() => {
      apply(stream, longValue().subarray(0, -1))
      stream.forgetUnapplied()
    })
    expect(left).toBeLessThan(NOISE_BYTES)
  })

  it.each(['command', 'group'])('lets go of the positions of the arguments of a %s', async (kind) => {
    const stream = newStream()
    apply(stream, small)
    const long = ofEmptyWords(400_000)
    const left = await leftBy(() => {
      if (kind === 'command') apply(stream, long)
      else apply(stream, encodeCommand('MULTI'), long, encodeCommand('EXEC'))
      apply(stream, small)
    })
    expect(left).toBeLessThan(NOISE_BYTES)
  })

  it('lets go of them wherever the command stood among those found with it', async () => {
    const stream = newStream()
    apply(stream, small)
    const long = ofEmptyWords(30_000)
    const left = await leftBy(() => {
      for (let before = 0; before < 60; before++) {
        // Some fewer follow: what is found last has none of it.
        const commands = [...Array.from({ length: before }, () => small), long]
        while (commands.length < 64) commands.push(small)
        apply(stream, Buffer.concat([...commands, small]))
      }
    })
    expect(left).toBeLessThan(NOISE_BYTES)
  })
})
