/**
 * A primary that does what it is told, in this process: serves the handshake, PSYNC in every outcome, snapshots in both
 * framings and a stream with a history; and misbehaves on order, at an exact byte: cuts, stalls, sends garbage.
 *
 *   const primary = await FakePrimary.start({ snapshot: emptyRdb(), framing: 'mark' })
 *   primary.feed(encodeCommand('SET', 'k', 'v'))          // to the stream, and to every replica that is online
 *   primary.misbehave({ phase: 'stream', atByte: 17, fault: 'cut' })
 *   primary.sessions.at(-1)!.requests                     // what the replica said, one string per command
 *   await primary.stop()
 *
 * A real redis-server is better wherever no exact byte is needed. Source of the behaviour: redis 7.0 replication.c
 * syncCommand(), masterTryPartialResync(); protocol-facts §1.
 */
import { once } from 'node:events'
import { createServer, type Server, type Socket } from 'node:net'
import { createServer as createTlsServer, type TlsOptions } from 'node:tls'

/** Where in what it sends a session is. `stream` begins behind the snapshot or +CONTINUE. */
export type Phase = 'handshake' | 'snapshot' | 'stream'

export interface Misbehaviour {
  readonly phase: Phase
  /**
   * Position in the bytes sent in this phase by one session (snapshot: header and end mark included). A session that is
   * beyond it does it at its next byte.
   */
  readonly atByte: number
  /** cut: FIN behind this byte. reset: RST. stall: nothing more is sent, the connection stays. garbage: `bytes`, then goes on. */
  readonly fault: 'cut' | 'reset' | 'stall' | 'garbage'
  readonly bytes?: Uint8Array
}

/** Lines to answer with instead of the usual ones, without CR LF. A list is used up, one for each time. */
export interface ScriptedReplies {
  ping?: string | string[]
  auth?: string | string[]
  /** By option: 'listening-port', 'capa' … */
  replconf?: Record<string, string>
  /** '' is a bare newline before the real answer; 'auto' is the usual answer. */
  psync?: string | string[]
  /** Raw bytes of the answer to SYNC; default: the snapshot. */
  sync?: string
}

export interface FakePrimaryOptions {
  readonly replid?: string
  /** The snapshot, and the offset it was taken at. Default: an empty RDB at offset 0. */
  readonly snapshot?: Uint8Array
  readonly snapshotOffset?: number
  /** Default 'length'. */
  readonly framing?: 'length' | 'mark'
  readonly user?: string
  readonly password?: string
  /** Bytes of history a partial resync may ask for. Default: everything since the snapshot. */
  readonly backlogBytes?: number
  readonly scripted?: ScriptedReplies
  readonly tls?: TlsOptions
  readonly port?: number
  /** Names of PSYNC and REPLCONF here. */
  readonly psyncName?: string
  readonly replconfName?: string
}

/** A snapshot without keys that every loader accepts: header of RDB 10, EOF, no checksum. */
export function emptyRdb(): Buffer {
  return Buffer.concat([Buffer.from('REDIS0010'), Buffer.from([0xff]), Buffer.alloc(8)])
}

const END_MARK = 'e0f'.repeat(14).slice(0, 40)

export class FakePrimary {
  replid: string
  snapshot: Uint8Array
  snapshotOffset: number
  framing: 'length' | 'mark'
  scripted: ScriptedReplies
  backlogBytes: number
  /** Every connection ever made, oldest first. */
  readonly sessions: FakeSession[] = []
  fullResyncs = 0
  partialResyncs = 0
  readonly options: FakePrimaryOptions
  readonly #server: Server
  readonly #misbehaviours: Misbehaviour[] = []
  /** The stream since `#historyStart`, as it was fed. */
  readonly #chunks: Uint8Array[] = []
  #historyStart: number
  #offset: number

  static async start(options: FakePrimaryOptions = {}): Promise<FakePrimary> {
    const primary = new FakePrimary(options)
    primary.#server.listen(options.port ?? 0, '127.0.0.1')
    await once(primary.#server, 'listening')
    return primary
  }

  private constructor(options: FakePrimaryOptions) {
    this.options = options
    this.replid = options.replid ?? 'a1'.repeat(20)
    this.snapshot = options.snapshot ?? emptyRdb()
    this.snapshotOffset = options.snapshotOffset ?? 0
    this.framing = options.framing ?? 'length'
    this.scripted = options.scripted ?? {}
    this.backlogBytes = options.backlogBytes ?? Infinity
    this.#historyStart = this.snapshotOffset
    this.#offset = this.snapshotOffset
    const accept = (socket: Socket): void => {
      this.sessions.push(new FakeSession(this, socket, this.#misbehaviours))
    }
    this.#server = options.tls === undefined ? createServer(accept) : createTlsServer(options.tls, accept)
    this.#server.on('tlsClientError', () => undefined)
  }

  get port(): number {
    const address = this.#server.address()
    if (address === null || typeof address === 'string') throw new Error('the fake primary does not listen')
    return address.port
  }

  /** master_repl_offset: the stream's last byte. */
  get offset(): number {
    return this.#offset
  }

  /** Highest offset any replica has acknowledged. */
  get ackedOffset(): number {
    return Math.max(-1, ...this.sessions.map((session) => session.ackedOffset))
  }

  /** The first session that does and is online. */
  get online(): FakeSession | undefined {
    return this.sessions.findLast((session) => session.isOnline)
  }

  /** Adds to the stream and sends it to everybody online. The bytes are kept, not copied. */
  feed(bytes: Uint8Array): void {
    if (bytes.length === 0) return
    this.#chunks.push(bytes)
    this.#offset += bytes.length
    for (const session of this.sessions) session.streamGrew()
  }

  /** The next full resync sends this, taken now. */
  takeSnapshot(snapshot: Uint8Array): void {
    this.snapshot = snapshot
    this.snapshotOffset = this.#offset
  }

  /** Failover: another id for the same bytes; `+CONTINUE newid` to those who knew the old one. */
  changeReplid(replid: string): string {
    const old = this.replid
    this.formerReplid = old
    this.replid = replid
    return old
  }
  formerReplid = ''

  /** Next session that gets there does this; each order is carried out once, in the order given per phase. */
  misbehave(order: Misbehaviour): void {
    this.#misbehaviours.push(order)
  }

  /** Orders not yet carried out. */
  get pendingMisbehaviours(): number {
    return this.#misbehaviours.length
  }

  /** Drops every connection. */
  cutAll(): void {
    for (const session of this.sessions) session.socket.destroy()
  }

  async stop(): Promise<void> {
    this.cutAll()
    if (!this.#server.listening) return
    this.#server.close()
    await once(this.#server, 'close')
  }

  /** @internal Can a replica that wants byte `offset` of `replid` be served from the history? */
  canContinue(replid: string, offset: number): boolean {
    const known = replid === this.replid || (this.formerReplid !== '' && replid === this.formerReplid)
    const first = Math.max(this.#historyStart, this.#offset - this.backlogBytes) + 1
    return known && offset >= first && offset <= this.#offset + 1
  }

  /** @internal Stream bytes behind `offset`, without copying. */
  *bytesBehind(offset: number): Generator<Uint8Array> {
    let at = this.#historyStart
    for (const chunk of this.#chunks) {
      if (at + chunk.length > offset) yield chunk.subarray(Math.max(0, offset - at))
      at += chunk.length
    }
  }
}

/** One connection of a replica. */
export class FakeSession {
  readonly socket: Socket
  /** Commands received, arguments joined by spaces; 'SYNC' for the inline form; newlines are counted apart. */
  readonly requests: string[] = []
  /** All bytes received. */
  received: Buffer = Buffer.alloc(0)
  newlines = 0
  acks: number[] = []
  ackedOffset = -1
  isOnline = false
  hasStalled = false
  /** Stream offset of the last byte sent. */
  sentOffset = 0
  readonly #primary: FakePrimary
  readonly #orders: Misbehaviour[]
  readonly #sent: Record<Phase, number> = { handshake: 0, snapshot: 0, stream: 0 }
  #pending: Buffer = Buffer.alloc(0)
  #waitsForAck = false
  #isAuthenticated: boolean

  constructor(primary: FakePrimary, socket: Socket, orders: Misbehaviour[]) {
    this.#primary = primary
    this.socket = socket
    this.#orders = orders
    this.#isAuthenticated = primary.options.password === undefined
    socket.setNoDelay(true)
    socket.on('data', (bytes: Buffer) => this.#take(bytes))
    socket.on('error', () => undefined)
    socket.on('close', () => {
      this.isOnline = false
    })
  }

  /** Sends raw bytes outside of the stream's history. */
  sendRaw(bytes: Uint8Array | string): void {
    this.#send('handshake', Buffer.from(bytes as string))
  }

  /** @internal */
  streamGrew(): void {
    if (!this.isOnline) return
    for (const bytes of this.#primary.bytesBehind(this.sentOffset)) {
      this.sentOffset += bytes.length
      this.#send('stream', bytes)
      if (!this.isOnline) return
    }
  }

  #send(phase: Phase, bytes: Uint8Array): void {
    if (this.hasStalled || this.socket.destroyed || this.socket.writableEnded) return
    const first = this.#sent[phase]
    const index = this.#orders.findIndex((order) => order.phase === phase && order.atByte <= first + bytes.length)
    const order = this.#orders[index]
    if (order === undefined) {
      this.#sent[phase] += bytes.length
      this.socket.write(bytes)
      return
    }
    this.#orders.splice(index, 1)
    const before = bytes.subarray(0, Math.max(order.atByte - first, 0))
    this.#sent[phase] += before.length
    if (before.length > 0) this.socket.write(before)
    switch (order.fault) {
      case 'cut':
        this.isOnline = false
        this.socket.end()
        return
      case 'reset':
        this.isOnline = false
        this.socket.resetAndDestroy()
        return
      case 'stall':
        this.hasStalled = true
        return
      case 'garbage':
        this.socket.write(order.bytes ?? Buffer.from('\u0000garbage\r\n'))
        this.#send(phase, bytes.subarray(before.length))
    }
  }

  #take(bytes: Buffer): void {
    this.received = Buffer.concat([this.received, bytes])
    this.#pending = Buffer.concat([this.#pending, bytes])
    for (;;) {
      if (this.#pending[0] === 0x0a) {
        this.newlines++
        this.#pending = this.#pending.subarray(1)
        continue
      }
      const parsed = readRequest(this.#pending)
      if (parsed === undefined) return
      this.#pending = this.#pending.subarray(parsed.length)
      this.requests.push(parsed.args.join(' '))
      this.#answer(parsed.args)
    }
  }

  #line(text: string): void {
    this.#send('handshake', Buffer.from(text === '' ? '\n' : `${text}\r\n`, 'latin1'))
  }

  #answer(args: string[]): void {
    const { scripted, options } = this.#primary
    const name = args[0]!.toUpperCase()
    if (name === (options.psyncName ?? 'PSYNC').toUpperCase()) return this.#psync(args)
    if (name === (options.replconfName ?? 'REPLCONF').toUpperCase()) return this.#replconf(args)
    switch (name) {
      case 'PING':
        return this.#line(
          scriptedLine(scripted, 'ping') ?? (this.#isAuthenticated ? '+PONG' : '-NOAUTH Authentication required.'),
        )
      case 'AUTH': {
        const good = args.at(-1) === options.password && (args.length === 2 || args[1] === (options.user ?? 'default'))
        this.#isAuthenticated ||= good
        const usual = good ? '+OK' : '-WRONGPASS invalid username-password pair or user is disabled.'
        return this.#line(scriptedLine(scripted, 'auth') ?? usual)
      }
      case 'SYNC':
        if (scripted.sync !== undefined) return this.#send('snapshot', Buffer.from(scripted.sync, 'latin1'))
        return this.#sendSnapshot('length')
      default:
        return this.#line(`-ERR unknown command '${args[0]}'`)
    }
  }

  #replconf(args: string[]): void {
    const option = args[1]?.toLowerCase() ?? ''
    if (option === 'ack') {
      this.ackedOffset = Number(args[2])
      this.acks.push(this.ackedOffset)
      if (this.#waitsForAck) {
        this.#waitsForAck = false
        this.isOnline = true
        this.streamGrew()
      }
      return
    }
    this.#line(this.#primary.scripted.replconf?.[option] ?? (this.#isAuthenticated ? '+OK' : '-NOAUTH'))
  }

  #psync(args: string[]): void {
    const primary = this.#primary
    const scripted = scriptedLine(primary.scripted, 'psync')
    if (scripted === '') {
      this.#line('')
      return this.#psync(args)
    }
    if (scripted !== undefined && scripted !== 'auto') {
      this.#line(scripted)
      if (scripted.startsWith('+CONTINUE')) this.#goOnline(Number(args[2]) - 1)
      else if (scripted.startsWith('+FULLRESYNC')) this.#sendSnapshot(primary.framing)
      return
    }
    const offset = Number(args[2])
    if (primary.canContinue(args[1]!, offset)) {
      primary.partialResyncs++
      this.#line(args[1] === primary.replid ? '+CONTINUE' : `+CONTINUE ${primary.replid}`)
      this.#goOnline(offset - 1)
      return
    }
    primary.fullResyncs++
    this.#line(`+FULLRESYNC ${primary.replid} ${primary.snapshotOffset}`)
    this.#sendSnapshot(primary.framing)
  }

  #goOnline(offset: number): void {
    this.sentOffset = offset
    this.isOnline = true
    this.streamGrew()
  }

  #sendSnapshot(framing: 'length' | 'mark'): void {
    const { snapshot, snapshotOffset } = this.#primary
    const header = framing === 'length' ? `$${snapshot.length}\r\n` : `$EOF:${END_MARK}\r\n`
    this.sentOffset = snapshotOffset
    this.#send('snapshot', Buffer.from(header))
    this.#send('snapshot', snapshot)
    if (framing === 'mark') {
      this.#send('snapshot', Buffer.from(END_MARK))
      this.#waitsForAck = true
    } else {
      this.#goOnline(snapshotOffset)
    }
  }
}

function scriptedLine(scripted: ScriptedReplies, key: 'ping' | 'auth' | 'psync'): string | undefined {
  const reply = scripted[key]
  return Array.isArray(reply) ? reply.shift() : reply
}

/** One command in RESP or inline form; latin1, so that bytes stay bytes. */
function readRequest(bytes: Buffer): { args: string[]; length: number } | undefined {
  const line = lineAt(bytes, 0)
  if (line === undefined) return undefined
  if (!line.text.startsWith('*')) return { args: line.text.split(' '), length: line.behind }
  const args: string[] = []
  let at = line.behind
  for (let i = 0; i < Number(line.text.slice(1)); i++) {
    const length = lineAt(bytes, at)
    if (length === undefined) return undefined
    const end = length.behind + Number(length.text.slice(1))
    if (bytes.length < end + 2) return undefined
    args.push(bytes.toString('latin1', length.behind, end))
    at = end + 2
  }
  return { args, length: at }
}

function lineAt(bytes: Buffer, at: number): { text: string; behind: number } | undefined {
  const end = bytes.indexOf('\r\n', at)
  return end < 0 ? undefined : { text: bytes.toString('latin1', at, end), behind: end + 2 }
}
