/** Writes past Node's stream, over real sockets: order, what the peer is slow to take, ends and errors. */
import { once } from 'node:events'
import { createServer, connect, type Server, type Socket } from 'node:net'
import type { AddressInfo } from 'node:net'
import { type ConnectionSocket, directWrites } from '@understudy/net/internal'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { SeededRandom } from '../../support/seeded-random.ts'
import { waitFor, waitForValue } from '../../support/wait-for.ts'

describe('direct writes', () => {
  let server: Server
  let client: Socket
  let accepted: Socket
  let direct: ConnectionSocket

  beforeEach(async () => {
    server = createServer({ allowHalfOpen: true })
    server.listen(0, '127.0.0.1')
    await once(server, 'listening')
    client = connect((server.address() as AddressInfo).port, '127.0.0.1')
    client.on('error', () => {})
    ;[accepted] = (await once(server, 'connection')) as [Socket]
    accepted.on('error', () => {})
    direct = directWrites(accepted)
  })

  afterEach(() => {
    client.destroy()
    accepted.destroy()
    server.close()
  })

  /** A write of its own memory. @returns a promise of its end. */
  function write(bytes: Buffer): Promise<void> {
    return new Promise((resolve) => direct.write(bytes, resolve))
  }

  /** Writes until the kernel takes no more. @returns what was written, and the promises of the writes. */
  function fill(): { bytes: Buffer; writes: Promise<void>[] } {
    const random = new SeededRandom(7)
    const pieces: Buffer[] = []
    const writes: Promise<void>[] = []
    while (direct.writableLength === 0) {
      const piece = random.bytes(random.int(1, 300_000))
      pieces.push(piece)
      writes.push(write(piece))
    }
    return { bytes: Buffer.concat(pieces), writes }
  }

  /** Not `once`, which rejects with the error before it. */
  function closed(socket: Socket): Promise<void> {
    return new Promise((resolve) => socket.once('close', () => resolve()))
  }

  async function readAll(): Promise<Buffer> {
    const chunks: Buffer[] = []
    for await (const chunk of client) chunks.push(chunk as Buffer)
    return Buffer.concat(chunks)
  }

  it('is what an accepted connection gets, and is done at once with what the kernel takes', () => {
    expect(direct).not.toBe(accepted)
    let isDone = false
    direct.write(Buffer.from('+OK\r\n'), () => {
      isDone = true
    })
    expect(isDone).toBe(true)
    expect(direct.writableLength).toBe(0)
  })

  it('keeps the order behind a peer that does not read, and says of each write when it was taken', async () => {
    client.pause()
    const { bytes, writes } = fill()
    const order: number[] = []
    for (let i = 0; i < 20; i++) direct.write(Buffer.from(`late ${i};`), () => order.push(i))
    expect(order).toEqual([])
    const received = readAll()
    await Promise.all(writes)
    await waitForValue('the late writes', () => order.length, 20)
    expect(order).toEqual(Array.from({ length: 20 }, (_, i) => i))
    expect(direct.writableLength).toBe(0)
    direct.destroySoon()
    const late = Array.from({ length: 20 }, (_, i) => `late ${i};`).join('')
    expect((await received).equals(Buffer.concat([bytes, Buffer.from(late)]))).toBe(true)
  })

  it('sends everything before the end of the stream', async () => {
    client.pause()
    const { bytes } = fill()
    direct.destroySoon()
    expect((await readAll()).equals(bytes)).toBe(true)
    await waitFor('the end', () => accepted.destroyed)
  })

  it('lets go of what was not taken when the socket is destroyed', async () => {
    client.pause()
    const { writes } = fill()
    direct.destroy()
    await Promise.all(writes)
    expect(direct.writableLength).toBe(0)
    expect(direct.destroyed).toBe(true)
    // And of what comes after it.
    await write(Buffer.from('nobody'))
  })

  it('ends when the peer has gone, with every write let go of', async () => {
    const end = closed(accepted)
    client.resetAndDestroy()
    const writes: Promise<void>[] = []
    while (!direct.destroyed) {
      writes.push(write(Buffer.alloc(1000)))
      await new Promise(setImmediate)
    }
    await end
    await Promise.all(writes)
    expect(direct.writableLength).toBe(0)
  })

  it('ends when the peer goes in the middle of a write', async () => {
    client.pause()
    const { writes } = fill()
    const end = closed(accepted)
    client.resetAndDestroy()
    await end
    await Promise.all(writes)
    expect(direct.writableLength).toBe(0)
  })
})
