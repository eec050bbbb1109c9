/**
 * What a replica says about itself before PSYNC, and the other options of REPLCONF. Checks them as Redis does: what stands
 * before a wrong option counts.
 *
 * Source: redis 7.0 replication.c replconfCommand(); REPLCONF version: Valkey 8.
 */
import { argInteger, argIs, argText, type CommandArgs, NOT_AN_INTEGER, SYNTAX_ERROR } from '@understudy/core/internal'
import { splitArguments } from '../config/arguments-of-line.ts'

/** Longest address (redis 7.0 NET_HOST_STR_LEN, with its end). */
const IP_ADDRESS_BYTES_MAX = 255
/** What a replica says beyond that is not looked at. */
const VERSION_BYTES_MAX = 64
const FILTER_BYTES_MAX = 1024

/** Which parts of the dataset a snapshot has. */
export interface SnapshotFilter {
  readonly data: boolean
  readonly functions: boolean
}

const EVERYTHING: SnapshotFilter = { data: true, functions: true }

export interface Introduction {
  /** 0: not told. */
  listeningPort: number
  /** Empty: that of the connection. */
  ipAddress: string
  /** Takes a snapshot that ends with a mark. */
  takesMark: boolean
  /** Takes `+CONTINUE replid`. */
  takesNewReplid: boolean
  /** Version of a replica that tells it; undefined: not told. */
  version: string | undefined
  /** Wants the snapshot and no stream. */
  rdbOnly: boolean
  filter: SnapshotFilter
}

export function newIntroduction(): Introduction {
  return {
    listeningPort: 0,
    ipAddress: '',
    takesMark: false,
    takesNewReplid: false,
    version: undefined,
    rdbOnly: false,
    filter: EVERYTHING,
  }
}

export type ReplconfOutcome =
  | { readonly reply: 'ok' }
  | { readonly reply: 'error'; readonly text: string }
  /** Neither is answered. `offset` is NaN when it is no number. */
  | { readonly reply: 'none'; readonly ack: number }
  | { readonly reply: 'none'; readonly ack?: undefined }

const OK: ReplconfOutcome = { reply: 'ok' }
const SILENCE: ReplconfOutcome = { reply: 'none' }

function fail(text: string): ReplconfOutcome {
  return { reply: 'error', text }
}

/** Reads REPLCONF into `known`. */
export function readReplconf(args: CommandArgs, known: Introduction): ReplconfOutcome {
  if (args.count % 2 === 0) return fail(SYNTAX_ERROR)
  for (let i = 1; i < args.count; i += 2) {
    const value = i + 1
    if (argIs(args, i, 'ACK')) return { reply: 'none', ack: argInteger(args, value) }
    if (argIs(args, i, 'GETACK')) return SILENCE
    const refusal = readOption(args, i, known)
    if (refusal !== undefined) return fail(refusal)
  }
  return OK
}

/** @returns why the option in arguments `i` and `i + 1` is refused. */
function readOption(args: CommandArgs, i: number, known: Introduction): string | undefined {
  const value = i + 1
  if (argIs(args, i, 'LISTENING-PORT')) {
    const port = argInteger(args, value)
    if (Number.isNaN(port)) return NOT_AN_INTEGER
    known.listeningPort = port
  } else if (argIs(args, i, 'IP-ADDRESS')) {
    const length = args.end[value]! - args.start[value]!
    if (length > IP_ADDRESS_BYTES_MAX) {
      return `ERR REPLCONF ip-address provided by replica instance is too long: ${length} bytes`
    }
    known.ipAddress = argText(args, value)
  } else if (argIs(args, i, 'CAPA')) {
    // What is not known here is ignored: the replica finds out by what it gets.
    if (argIs(args, value, 'EOF')) known.takesMark = true
    else if (argIs(args, value, 'PSYNC2')) known.takesNewReplid = true
  } else if (argIs(args, i, 'VERSION')) {
    known.version = argText(args, value, VERSION_BYTES_MAX)
  } else if (argIs(args, i, 'RDB-ONLY')) {
    const wanted = argInteger(args, value)
    if (wanted !== 0 && wanted !== 1) {
      return Number.isNaN(wanted) ? NOT_AN_INTEGER : 'ERR value is out of range, value must between 0 and 1'
    }
    known.rdbOnly = wanted === 1
  } else if (argIs(args, i, 'RDB-FILTER-ONLY')) {
    const parts = splitArguments(argText(args, value, FILTER_BYTES_MAX))
    if (parts === undefined) return 'ERR Missing rdb-filter-only values'
    let functions = false
    for (const part of parts) {
      if (part.toLowerCase() !== 'functions') return `ERR Unsupported rdb-filter-only option: ${part}`
      functions = true
    }
    known.filter = { data: false, functions }
  } else return `ERR Unrecognized REPLCONF option: ${argText(args, i)}`
  return undefined
}
