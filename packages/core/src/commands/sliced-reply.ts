/** A long reply as the thread that sends it makes it: the command that asked for it, over the pin it was given. No socket here. */
import { strict as assert } from 'node:assert'
import { CopyMemory } from '../keyspace/copy-memory.ts'
import type { PinHandle } from '../keyspace/pin-board.ts'
import { PinnedKeyspace } from '../keyspace/pinned-keyspace.ts'
import { COMMAND, REQUEST_BYTES_MAX, RequestDecoder } from '../resp/decoder.ts'
import type { ReplyEncoder } from '../resp/encoder.ts'
import type { CommandArgs, CommandSettings, ReadContext } from './command.ts'
import type { ReplySlices, SliceBounds } from './reply-slices.ts'

/** What a thread needs to make a long reply: plain data. Send it with `pin.port` in the transfer list. */
export interface LongReplyRequest {
  readonly pin: PinHandle
  /** The command as the client sent it. */
  readonly command: Uint8Array<ArrayBuffer>
  readonly db: number
  readonly resp: 2 | 3
  /** Which keys and fields have expired. */
  readonly nowMs: number
}

/** Where the command is found: a `CommandRegistry`. */
export interface SlicedCommands {
  resolve(args: CommandArgs): { readonly slices: (() => ReplySlices) | undefined } | undefined
}

/** Of all long replies of this thread: each slice looks everything up again. */
let copies: CopyMemory | undefined

export class SlicedReply implements ReadContext {
  readonly args: RequestDecoder = new RequestDecoder()
  readonly keyspace: PinnedKeyspace
  readonly settings: CommandSettings
  readonly db: number
  readonly resp: 2 | 3
  readonly nowMs: number
  readonly fromPrimary = false
  reply!: ReplyEncoder
  readonly #slices: ReplySlices

  /** Owns the pin from now on. */
  constructor(request: LongReplyRequest, commands: SlicedCommands, settings: CommandSettings) {
    const { pin, command, db, resp, nowMs } = request
    this.settings = settings
    this.db = db
    this.resp = resp
    this.nowMs = nowMs
    const { args } = this
    // It was within the limits of its time.
    args.bulkBytesMax = REQUEST_BYTES_MAX
    args.feed(Buffer.from(command.buffer, command.byteOffset, command.byteLength))
    assert.equal(args.next(), COMMAND)
    const slices = commands.resolve(args)?.slices
    assert.ok(slices !== undefined, 'only replies that can be made in slices are')
    this.#slices = slices()
    copies ??= new CopyMemory()
    this.keyspace = new PinnedKeyspace(pin, copies)
  }

  /** The pin was broken: the reply cannot be finished. */
  get isBroken(): boolean {
    return this.keyspace.isBroken
  }

  /** Writes more of the reply. @returns true when it is complete. @throws KeyspaceError PIN_BROKEN */
  write(reply: ReplyEncoder, slice: SliceBounds): boolean {
    reply.resp = this.resp
    this.reply = reply
    return this.#slices.write(this, slice)
  }

  /** Gives the pin back. Nothing may be written after this. */
  close(): void {
    this.keyspace.close()
  }
}
