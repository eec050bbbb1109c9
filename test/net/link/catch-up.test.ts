/** The stream is given the queue's bytes piece by piece, however slow it is: its own buffer has no bound. */
import { join } from 'node:path'
import { tmpdir } from 'node:os'
import { CommandStream } from '@understudy/core/internal'
import { CatchUp, openSpillFile, SpillQueue } from '@understudy/net/internal'
import { describe, expect, it } from 'vitest'
import { encodeCommand } from '../../support/raw-client.ts'

const PIECE = 256 << 10

function queueOf(bytes: Uint8Array): SpillQueue {
  const nothing = (): void => {}
  const queue = new SpillQueue(
    { memoryBytesMax: 64 << 20, fileBytesMax: 0 },
    join(tmpdir(), 'never made'),
    openSpillFile,
    { onRoom: nothing, onReadable: nothing, onWriteFault: nothing, onReadFault: nothing, letGo: nothing },
  )
  queue.push(bytes)
  return queue
}

describe('catching up', () => {
  it.each([0, 5])(
    'gives a stream nothing more before it has used up the last piece (%i MiB before the queue)',
    (mebibytes) => {
      const command = encodeCommand('SET', 'key', 'v'.repeat(1000))
      const count = Math.floor(((8 + 4 * mebibytes) * PIECE) / command.length)
      const all = Buffer.concat(Array.from({ length: count }, () => command))
      // As the load leaves it: in two pieces, cut anywhere.
      const [cut, end] = [(mebibytes << 19) + 1, mebibytes << 20]
      const before = mebibytes === 0 ? [] : [all.subarray(0, cut), all.subarray(cut, end)]
      const queue = queueOf(all.subarray(end))
      let nowMs = 0
      const sink = { append: () => {}, end: 0 }
      const stream = new CommandStream({ clock: { monotonicMs: () => nowMs, wallMs: () => 0 }, sink })
      stream.begin(0, 0)
      const catchUp = new CatchUp(before, queue, 0)
      let applied = 0
      const handler = {
        command: () => {
          applied++
          // Slower than a turn allows: one piece takes many turns.
          nowMs += 1
        },
        group: () => {},
        getAck: () => {},
      }
      expect(catchUp.byteLength).toBe(all.length)
      let turns = 0
      for (; !catchUp.isOver || catchUp.isStreamBusy; turns++) {
        expect(catchUp.feed(stream)).toBe(true)
        const outcome = stream.drain(handler, PIECE, 2)
        catchUp.isStreamBusy = outcome === 'more'
        // What the stream holds is at most a piece and the beginning of a command.
        const held = stream.receivedOffset - stream.appliedOffset
        expect(held).toBeLessThanOrEqual(PIECE + command.length)
      }
      expect(applied).toBe(count)
      expect(stream.appliedOffset).toBe(all.length)
      expect(turns).toBeGreaterThan(100)
    },
  )
})
