/**
 * Writing to accepted connections without Node's stream. Nearly every reply is taken by the kernel at once; the queue,
 * the states and the next-tick callback that a Writable keeps for each write then cost more than the command (`bench get`
 * shows it). libuv has a queue of its own for what the kernel does not take, in order, also before the end of the stream.
 *
 * What is used of Node's inside is what `net.Socket` itself uses (`writeGeneric` in lib/internal/stream_base_commons.js;
 * the same from Node 12 to 24): `handle.writeBuffer(request, bytes)` tries to write at once and makes use of `request` only
 * for the rest. Where any of it is missing, the socket is written to as documented and everything works as well, only slower.
 */
import type { Socket } from 'node:net'
import { getSystemErrorName } from 'node:util'
import type { ConnectionSocket } from './connection.ts'

/** node::WriteWrap. */
interface WriteRequest {
  /** Keeps the bytes alive. */
  bytes: Buffer
  oncomplete: (status: number) => void
}

interface StreamHandle {
  /** @returns an error number, or 0. */
  writeBuffer(request: WriteRequest, bytes: Buffer): number
  /** Bytes in libuv's queue. */
  readonly writeQueueSize: number
}

/** process.binding('stream_wrap'). */
interface StreamWrap {
  readonly WriteWrap: new () => WriteRequest
  readonly kLastWriteWasAsync: number
  readonly streamBaseState: Int32Array
}

type ProcessWithBinding = { readonly binding?: (name: string) => Partial<StreamWrap> }

const streamWrap: StreamWrap | undefined = findStreamWrap()
/** For the next write of any connection that the kernel does not take whole. */
let spareRequest: WriteRequest | undefined

function findStreamWrap(): StreamWrap | undefined {
  try {
    const found = (process as unknown as ProcessWithBinding).binding?.('stream_wrap')
    const { WriteWrap, kLastWriteWasAsync, streamBaseState } = found ?? {}
    if (WriteWrap === undefined || kLastWriteWasAsync === undefined || streamBaseState === undefined) return undefined
    return { WriteWrap, kLastWriteWasAsync, streamBaseState }
  } catch {
    // Node's permission model forbids it.
    return undefined
  }
}

/** @returns what to write to: it takes the place of the socket's own `write`, all of whose other parts are used as ever. */
export function directWrites(socket: Socket): ConnectionSocket {
  const handle = (socket as unknown as { _handle?: Partial<StreamHandle> | null })._handle
  if (streamWrap === undefined || typeof handle?.writeBuffer !== 'function') return socket
  return new DirectSocket(socket, handle as StreamHandle, streamWrap)
}

class DirectSocket implements ConnectionSocket {
  readonly #socket: Socket
  readonly #handle: StreamHandle
  readonly #wrap: StreamWrap
  writableLength = 0

  constructor(socket: Socket, handle: StreamHandle, wrap: StreamWrap) {
    this.#socket = socket
    this.#handle = handle
    this.#wrap = wrap
  }

  get destroyed(): boolean {
    return this.#socket.destroyed
  }

  get queuedBytes(): number {
    return this.#handle.writeQueueSize
  }

  write(view: Buffer, done: () => void): void {
    if (this.#socket.destroyed) {
      done()
      return
    }
    const request = (spareRequest ??= new this.#wrap.WriteWrap())
    const error = this.#handle.writeBuffer(request, view)
    if (error !== 0) {
      // It may have been made use of before.
      spareRequest = undefined
      this.#fail(error)
      done()
    } else if (this.#wrap.streamBaseState[this.#wrap.kLastWriteWasAsync] === 0) done()
    else this.#wait(request, view, done)
  }

  #wait(request: WriteRequest, view: Buffer, done: () => void): void {
    this.writableLength += view.length
    spareRequest = undefined
    request.bytes = view
    request.oncomplete = (status) => {
      this.writableLength -= view.length
      if (status < 0) this.#fail(status)
      done()
    }
  }

  #fail(error: number): void {
    this.#socket.destroy(new Error(`write ${getSystemErrorName(error)}`))
  }

  pause(): void {
    this.#socket.pause()
  }

  resume(): void {
    // For each call Node does something in the next tick, whether or not there is anything to resume.
    if (this.#socket.isPaused()) this.#socket.resume()
  }

  setNoDelay(noDelay: boolean): void {
    this.#socket.setNoDelay(noDelay)
  }

  destroySoon(): void {
    this.#socket.destroySoon()
  }

  destroy(): void {
    this.#socket.destroy()
  }
}
