/**
 * FUNCTION: libraries are taken from the stream, shown and dumped; running them is not part of this version.
 *
 * Source: redis 7.0 functions.c.
 */
import { LibraryError, FUNCTION_ENGINE } from '../functions/library-store.ts'
import type { FunctionLibrary, LibraryStore, RestorePolicy } from '../functions/library-store.ts'
import { globMatches } from '../glob.ts'
import { subcommandSyntaxError } from '../resp/error-replies.ts'
import { argIs, argText } from './arguments.ts'
import type { CommandContext, CommandTable, ReadContext, SubcommandRow } from './command.ts'
import { ALLOW_BUSY, DENYOOM, NOSCRIPT, WRITE } from './flags.ts'
import { container } from './subcommands.ts'

const ALL_SUCCEEDED = ['request_policy:all_shards', 'response_policy:all_succeeded'] as const

/** Runs `change` and answers `ERR …` for what the store refuses. @returns undefined after an error reply. */
function tryStore<T>({ reply }: ReadContext, change: () => T): T | undefined {
  try {
    return change()
  } catch (error) {
    if (!(error instanceof LibraryError)) throw error
    reply.error(`ERR ${error.message}`)
    return undefined
  }
}

function load(context: CommandContext, store: LibraryStore): void {
  const { args, reply } = context
  let replace = false
  for (let i = 2; i < args.count - 1; i++) {
    if (!argIs(args, i, 'REPLACE')) {
      reply.error(`ERR Unknown option given: ${argText(args, i)}`)
      return
    }
    replace = true
  }
  const last = args.count - 1
  const code = args.bytes.subarray(args.start[last], args.end[last])
  const name = tryStore(context, () => store.load(code, replace))
  if (name === undefined) return
  context.keyspace.countChange()
  reply.bulkLatin1(name)
}

function remove({ args, reply, keyspace }: CommandContext, store: LibraryStore): void {
  if (!store.delete(argText(args, 2))) {
    reply.error('ERR Library not found')
    return
  }
  keyspace.countChange()
  reply.ok()
}

function flush({ args, reply, keyspace }: CommandContext, store: LibraryStore): void {
  if (args.count > 3) reply.error(subcommandSyntaxError(args, 'function'))
  else if (args.count === 3 && !argIs(args, 2, 'SYNC') && !argIs(args, 2, 'ASYNC')) {
    reply.error('ERR FUNCTION FLUSH only supports SYNC|ASYNC option')
  } else {
    store.clear()
    keyspace.countChange()
    reply.ok()
  }
}

function dump({ reply }: ReadContext, store: LibraryStore): void {
  const payload = store.dump()
  reply.bulk(payload, 0, payload.length)
}

function restore(context: CommandContext, store: LibraryStore): void {
  const { args, reply } = context
  if (args.count > 4) {
    reply.error(subcommandSyntaxError(args, 'function'))
    return
  }
  const policy = args.count === 3 ? 'append' : argText(args, 3).toLowerCase()
  if (!isPolicy(policy)) {
    reply.error('ERR Wrong restore policy given, value should be either FLUSH, APPEND or REPLACE.')
    return
  }
  const done = tryStore(context, () => {
    store.restore(args.bytes, args.start[2]!, args.end[2]!, policy)
    return true
  })
  if (done === undefined) return
  context.keyspace.countChange()
  reply.ok()
}

function isPolicy(text: string): text is RestorePolicy {
  return text === 'flush' || text === 'append' || text === 'replace'
}

function list({ args, reply }: ReadContext, store: LibraryStore): void {
  let pattern = 0
  let withCode = false
  for (let i = 2; i < args.count; i++) {
    if (!withCode && argIs(args, i, 'WITHCODE')) withCode = true
    else if (pattern === 0 && argIs(args, i, 'LIBRARYNAME')) {
      if (i + 1 >= args.count) {
        reply.error('ERR library name argument was not given')
        return
      }
      pattern = ++i
    } else {
      reply.error(`ERR Unknown argument ${argText(args, i)}`)
      return
    }
  }
  const shown = [...store.libraries].filter(({ name }) => {
    const bytes = Buffer.from(name, 'latin1')
    const { start, end } = args
    return pattern === 0 || globMatches(args.bytes, start[pattern]!, end[pattern]!, bytes, 0, bytes.length, true)
  })
  reply.array(shown.length)
  for (const library of shown) writeLibrary({ reply }, library, withCode)
}

function writeLibrary(
  { reply }: Pick<ReadContext, 'reply'>,
  { name, code, functions }: FunctionLibrary,
  withCode: boolean,
): void {
  reply.map(withCode ? 4 : 3)
  reply.bulkString('library_name')
  reply.bulkLatin1(name)
  reply.bulkString('engine')
  reply.bulkString(FUNCTION_ENGINE)
  reply.bulkString('functions')
  reply.array(functions.length)
  for (const registered of functions) {
    reply.map(3)
    reply.bulkString('name')
    reply.bulkLatin1(registered.name)
    reply.bulkString('description')
    if (registered.description === undefined) reply.nullBulk()
    else reply.bulkLatin1(registered.description)
    reply.bulkString('flags')
    reply.set(registered.flags.length)
    for (const flag of registered.flags) reply.simple(flag)
  }
  if (!withCode) return
  reply.bulkString('library_code')
  reply.bulk(code, 0, code.length)
}

function stats({ reply }: ReadContext, store: LibraryStore): void {
  reply.map(2)
  reply.bulkString('running_script')
  reply.nullBulk()
  reply.bulkString('engines')
  reply.map(1)
  reply.bulkString(FUNCTION_ENGINE)
  reply.map(2)
  reply.bulkString('libraries_count')
  reply.integer(store.libraryCount)
  reply.bulkString('functions_count')
  reply.integer(store.functionCount)
}

/** The FUNCTION container over one store of libraries. */
export function functionCommands(store: LibraryStore): CommandTable {
  function subcommand(
    arity: number,
    flags: number,
    summary: string,
    run: (context: CommandContext, store: LibraryStore) => void,
    tips: readonly string[] = [],
  ): SubcommandRow & { readonly run: (context: CommandContext) => void } {
    return {
      arity,
      flags: flags | NOSCRIPT,
      keys: [0, 0, 0],
      since: '7.0.0',
      group: 'scripting',
      summary,
      tips,
      run: (context) => run(context, store),
    }
  }
  return {
    FUNCTION: container(
      'FUNCTION',
      { since: '7.0.0', group: 'scripting', summary: 'A container for function commands' },
      {
        LOAD: subcommand(
          -3,
          WRITE | DENYOOM,
          'Create a function with the given arguments (name, code, description)',
          load,
          ALL_SUCCEEDED,
        ),
        DELETE: subcommand(3, WRITE, 'Delete a function by name', remove, ALL_SUCCEEDED),
        DUMP: subcommand(2, 0, 'Dump all functions into a serialized binary payload', dump),
        RESTORE: subcommand(
          -3,
          WRITE | DENYOOM,
          'Restore all the functions on the given payload',
          restore,
          ALL_SUCCEEDED,
        ),
        KILL: subcommand(
          2,
          ALLOW_BUSY,
          'Kill the function currently in execution',
          ({ reply }) => reply.error('NOTBUSY No scripts in execution right now.'),
          ['request_policy:all_shards', 'response_policy:one_succeeded'],
        ),
        FLUSH: subcommand(-2, WRITE, 'Deleting all functions', flush, ALL_SUCCEEDED),
        LIST: subcommand(-2, 0, 'List information about all the functions', list, ['nondeterministic_output_order']),
        STATS: subcommand(2, ALLOW_BUSY, 'Return information about the function currently running', stats, [
          'nondeterministic_output',
          'request_policy:all_shards',
          'response_policy:special',
        ]),
      },
      [
        ['LOAD [REPLACE] <FUNCTION CODE>', 'Create a new library with the given library name and code.'],
        ['DELETE <LIBRARY NAME>', 'Delete the given library.'],
        [
          'LIST [LIBRARYNAME PATTERN] [WITHCODE]',
          'Return general information on all the libraries:',
          '* Library name',
          '* The engine used to run the Library',
          '* Library description',
          '* Functions list',
          '* Library code (if WITHCODE is given)',
          'It also possible to get only function that matches a pattern using LIBRARYNAME argument.',
        ],
        [
          'STATS',
          'Return information about the current function running:',
          '* Function name',
          '* Command used to run the function',
          '* Duration in MS that the function is running',
          'If no function is running, return nil',
          'In addition, returns a list of available engines.',
        ],
        ['KILL', 'Kill the current running function.'],
        [
          'FLUSH [ASYNC|SYNC]',
          'Delete all the libraries.',
          'When called without the optional mode argument, the behavior is determined by the',
          'lazyfree-lazy-user-flush configuration directive. Valid modes are:',
          '* ASYNC: Asynchronously flush the libraries.',
          '* SYNC: Synchronously flush the libraries.',
        ],
        [
          'DUMP',
          'Return a serialized payload representing the current libraries, can be restored using FUNCTION RESTORE command',
        ],
        [
          'RESTORE <PAYLOAD> [FLUSH|APPEND|REPLACE]',
          'Restore the libraries represented by the given payload, it is possible to give a restore policy to',
          'control how to handle existing libraries (default APPEND):',
          '* FLUSH: delete all existing libraries.',
          '* APPEND: appends the restored libraries to the existing libraries. On collision, abort.',
          '* REPLACE: appends the restored libraries to the existing libraries, On collision, replace the old',
          '  libraries with the new libraries (notice that even on this option there is a chance of failure',
          '  in case of functions name collision with another library).',
        ],
      ],
      '7.0.0',
    ),
  }
}
