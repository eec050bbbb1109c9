/**
 * All commands of a server in one place: merges the families, refuses duplicates, renames, and finds an entry from the
 * bytes of a name without making a string. Clients and the replication stream look names up here for every command.
 *
 * The index is open addressing over a hash of the length and four bytes of the name (case folded); a hit is confirmed
 * byte by byte, so a bad hash costs a probe, never a wrong answer.
 */
import type {
  CommandArgs,
  CommandContext,
  CommandRow,
  CommandTable,
  ReadContext,
  RowFunction,
  SubcommandRow,
} from './command.ts'
import { ConfigError } from '../errors.ts'
import type { ReplySlices } from './reply-slices.ts'

/** One command or subcommand, resolved. Frozen after construction but for the index tables of statistics by `id`. */
export interface CommandEntry<Context extends CommandContext = CommandContext> {
  /** 0 .. table.size-1, subcommands included: an index for statistics. */
  readonly id: number
  /** Lower case, subcommands as `client|list`. rename-command does not change it (redis 7.0 fullname). */
  readonly name: string
  readonly row: CommandRow<Context> | SubcommandRow<Context>
  readonly arity: number
  readonly flags: number
  readonly run: (context: Context) => void
  /** The same function, when it may run over a dataset that this thread only reads; else the writer's thread has to. */
  readonly read: ((context: ReadContext) => void) | undefined
  /** Makes long replies; undefined: they are built whole. */
  readonly slices: (() => ReplySlices) | undefined
  /** Containers only. */
  readonly subcommands: CommandIndex<Context> | undefined
}

const FOLD: Uint8Array = new Uint8Array(256)
for (let byte = 0; byte < 256; byte++) FOLD[byte] = byte >= 65 && byte <= 90 ? byte + 32 : byte

/** Entries of one level by name. */
export class CommandIndex<Context extends CommandContext = CommandContext> {
  readonly entries: CommandEntry<Context>[] = []
  #slots: (CommandEntry<Context> | undefined)[] = Array.from({ length: 8 })
  #names: (Uint8Array | undefined)[] = Array.from({ length: 8 })
  #mask = 7
  #named: [name: string, entry: CommandEntry<Context>][] = []

  /** @throws ConfigError CONFIG_BAD_VALUE when the name is taken. */
  add(name: string, entry: CommandEntry<Context>): void {
    const bytes = Buffer.from(name.toLowerCase(), 'latin1')
    if (this.find(bytes, 0, bytes.length) !== undefined) {
      throw new ConfigError('CONFIG_BAD_VALUE', `There are two commands of the name '${name}'`)
    }
    this.entries.push(entry)
    this.#named.push([name.toLowerCase(), entry])
    if (this.#named.length * 4 > this.#slots.length) this.#rebuild()
    else this.#place(bytes, entry)
  }

  /** Forgets a name; the entry of that name, if there was one. */
  remove(name: string): CommandEntry<Context> | undefined {
    const at = this.#named.findIndex(([known]) => known === name.toLowerCase())
    if (at < 0) return undefined
    const entry = this.#named.splice(at, 1)[0]![1]
    this.entries.splice(this.entries.indexOf(entry), 1)
    this.#rebuild()
    return entry
  }

  /** The entry whose name is `bytes[start .. end)` in any case. */
  find(bytes: Uint8Array, start: number, end: number): CommandEntry<Context> | undefined {
    const length = end - start
    if (length <= 0) return undefined
    let slot = hashName(bytes, start, length) & this.#mask
    for (;;) {
      const name = this.#names[slot]
      if (name === undefined) return undefined
      if (name.length === length) {
        let i = 0
        while (i < length && FOLD[bytes[start + i]!] === name[i]) i++
        if (i === length) return this.#slots[slot]
      }
      slot = (slot + 1) & this.#mask
    }
  }

  findName(name: string): CommandEntry<Context> | undefined {
    const bytes = Buffer.from(name, 'latin1')
    return this.find(bytes, 0, bytes.length)
  }

  /** At most a quarter full, so that most names are found at the first probe. */
  #rebuild(): void {
    let size = 8
    while (size < this.#named.length * 4) size *= 2
    this.#slots = Array.from({ length: size })
    this.#names = Array.from({ length: size })
    this.#mask = size - 1
    for (const [name, entry] of this.#named) this.#place(Buffer.from(name, 'latin1'), entry)
  }

  #place(name: Uint8Array, entry: CommandEntry<Context>): void {
    let slot = hashName(name, 0, name.length) & this.#mask
    while (this.#names[slot] !== undefined) slot = (slot + 1) & this.#mask
    // An array of its own: a Buffer is a part of a larger one, and of another class than what is looked up.
    this.#names[slot] = Uint8Array.from(name)
    this.#slots[slot] = entry
  }
}

function hashName(bytes: Uint8Array, start: number, length: number): number {
  const first = FOLD[bytes[start]!]!
  const middle = FOLD[bytes[start + (length >> 1)]!]!
  const last = FOLD[bytes[start + length - 1]!]!
  const second = FOLD[bytes[start + (length > 1 ? 1 : 0)]!]!
  const mixed = Math.imul(first | (second << 8) | (middle << 16) | (last << 24), 0x9e3779b1) ^ (length * 0x85eb)
  return mixed ^ (mixed >>> 15)
}

/** `rename-command from to`; an empty `to` disables the command. */
export type CommandRename = readonly [from: string, to: string]

/** The commands of a server. */
export class CommandRegistry<Context extends CommandContext = CommandContext> extends CommandIndex<Context> {
  /** Every entry by id, subcommands and renamed ones included. */
  readonly byId: CommandEntry<Context>[] = []
  readonly #ids: ReadonlyMap<string, number> | undefined

  /**
   * @throws ConfigError CONFIG_BAD_VALUE for a duplicate, for a rename of an unknown command (redis 7.0 config.c: 'No
   * such command in rename-command') and for one onto a name that exists.
   * @param ids of another registry by full name, which has all these commands: theirs are the same here.
   */
  constructor(
    families: readonly CommandTable<Context>[],
    renames: readonly CommandRename[] = [],
    ids?: ReadonlyMap<string, number>,
  ) {
    super()
    this.#ids = ids
    for (const family of families) {
      for (const [name, row] of Object.entries(family)) this.add(name, this.#entry(name.toLowerCase(), row))
    }
    for (const [from, to] of renames) {
      const entry = this.remove(from)
      if (entry === undefined) throw new ConfigError('CONFIG_BAD_VALUE', `No such command in rename-command: '${from}'`)
      if (to !== '') this.add(to, entry)
    }
  }

  /** Commands and subcommands ever known. */
  get size(): number {
    return this.byId.length
  }

  /** The entry for a request: a container's subcommand when the second argument names one, else the container. */
  resolve(args: CommandArgs): CommandEntry<Context> | undefined {
    const entry = this.find(args.bytes, args.start[0]!, args.end[0]!)
    if (entry === undefined || entry.subcommands === undefined || args.count < 2) return entry
    return entry.subcommands.find(args.bytes, args.start[1]!, args.end[1]!) ?? entry
  }

  /** By full name, `client|list` included. */
  findFullName(name: string): CommandEntry<Context> | undefined {
    const bar = name.indexOf('|')
    if (bar < 0) return this.findName(name)
    return this.findName(name.slice(0, bar))?.subcommands?.findName(name.slice(bar + 1))
  }

  #entry(name: string, row: CommandRow<Context>): CommandEntry<Context> {
    let subcommands: CommandIndex<Context> | undefined
    if (row.subcommands !== undefined) {
      subcommands = new CommandIndex<Context>()
      for (const [subname, subrow] of Object.entries(row.subcommands)) {
        const fullName = `${name}|${subname.toLowerCase()}`
        const own = subrow.run !== undefined || subrow.read !== undefined
        subcommands.add(subname, this.#register(fullName, subrow, own ? subrow : row, undefined))
      }
    }
    return this.#register(name, row, row, subcommands)
  }

  #register(
    name: string,
    row: CommandRow<Context> | SubcommandRow<Context>,
    code: RowFunction<Context>,
    subcommands: CommandIndex<Context> | undefined,
  ): CommandEntry<Context> {
    const { read, slices } = code
    const run = code.run ?? code.read
    const id = this.#ids?.get(name) ?? this.byId.length
    const entry = { id, name, row, arity: row.arity, flags: row.flags, run, read, slices, subcommands }
    this.byId[id] = entry
    return entry
  }
}

/** Does a request of `count` arguments fit the arity? */
export function arityFits(arity: number, count: number): boolean {
  return arity >= 0 ? count === arity : count >= -arity
}
