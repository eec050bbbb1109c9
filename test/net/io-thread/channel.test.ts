import { describe, expect, test } from 'vitest'
import { Channel, FRAME_COMMANDS, FRAME_OUTPUT } from '@understudy/net/internal'

const MEBIBYTE = 1024 * 1024

/** Two ends, and the batches that are under way from the first to the second. */
function pair(): { near: Channel; far: Channel; batches: Uint8Array<ArrayBuffer>[]; deliver: () => void } {
  const batches: Uint8Array<ArrayBuffer>[] = []
  const near = new Channel({ postMessage: (batch) => void batches.push(batch as Uint8Array<ArrayBuffer>) })
  const far: Channel = new Channel({ postMessage: (batch) => void near.receive(batch as Uint8Array<ArrayBuffer>) })
  const deliver = (): void => {
    for (const batch of batches.splice(0)) far.receive(batch)
    far.send()
  }
  return { near, far, batches, deliver }
}

describe('the channel', () => {
  test('tells who waits when the other side has taken what was under way, each once', () => {
    const { near, deliver } = pair()
    near.bytes(FRAME_OUTPUT, 1, Buffer.alloc(2 * MEBIBYTE))
    expect(near.isFull).toBe(true)
    const told = { first: 0, second: 0 }
    const first = (): void => void told.first++
    near.whenRoom(first)
    near.whenRoom(() => told.second++)
    // A connection asks whenever something of it was done, and does not wait the longer for it.
    for (let i = 0; i < 1000; i++) near.whenRoom(first)
    expect(told).toEqual({ first: 0, second: 0 })
    deliver()
    expect(near.isFull).toBe(false)
    expect(told).toEqual({ first: 1, second: 1 })
    near.whenRoom(first)
    expect(told.first).toBe(2)
  })

  test('who is told may wait again', () => {
    const { near, deliver } = pair()
    let told = 0
    const fill = (): void => {
      if (++told === 3) return
      near.bytes(FRAME_OUTPUT, 1, Buffer.alloc(2 * MEBIBYTE))
      near.whenRoom(fill)
    }
    fill()
    expect(told).toBe(1)
    deliver()
    expect(told).toBe(2)
    deliver()
    expect(told).toBe(3)
  })

  test('nobody waits for a side that is gone', () => {
    const { near } = pair()
    near.bytes(FRAME_OUTPUT, 1, Buffer.alloc(2 * MEBIBYTE))
    let told = 0
    near.whenRoom(() => {
      // Whoever is told may have more to write.
      near.whenRoom(() => told++)
      told++
    })
    near.close()
    expect(told).toBe(2)
    expect(near.isFull).toBe(false)
  })

  test('long batches leave before the turn ends, in order', () => {
    const { near, batches, far } = pair()
    const ids = [1, 2, 3, 4, 5]
    for (const id of ids) near.bytes(FRAME_COMMANDS, id, Buffer.alloc(700_000, id))
    near.send()
    expect(batches.map((batch) => batch.length > 2 * MEBIBYTE)).toEqual([false, false, false])
    const seen: number[] = []
    for (const batch of batches) {
      const frames = far.receive(batch)
      while (frames.next()) {
        expect(frames.payload.equals(Buffer.alloc(700_000, frames.id))).toBe(true)
        seen.push(frames.id)
      }
    }
    expect(seen).toEqual(ids)
  })
})
