/**
 * DEBUG, behind enable-debug-command. The subcommands here concern the process; those about the dataset (DIGEST, OBJECT …)
 * are registered by the composition root: `debugCommands({ DIGEST: … })`.
 *
 * Source: redis 7.0 debug.c debugCommand().
 */
import { ADMIN, argText, LOADING, NOSCRIPT, PROTECTED, STALE, subcommandSyntaxError } from '@understudy/core/internal'
import type { CommandTable } from '@understudy/core/internal'
import type { ClientSession } from '../clients/session.ts'
import { row } from './rows.ts'

/** One subcommand: `args` 0 is DEBUG, 1 its name. */
export interface DebugSubcommand {
  readonly usage?: string
  readonly summary: string
  readonly run: (client: ClientSession) => void
}

const NO_OPERATION: (summary: string) => DebugSubcommand = (summary) => ({
  summary,
  run: (client) => client.reply.ok(),
})

function sleep(client: ClientSession): void {
  const seconds = Number(argText(client.args, 2))
  if (client.args.count !== 3 || !Number.isFinite(seconds)) {
    client.reply.error('ERR value is not a valid float')
    return
  }
  // The point of the command is to stall the whole server.
  const cell = new Int32Array(new SharedArrayBuffer(4))
  if (seconds > 0) Atomics.wait(cell, 0, 0, seconds * 1000)
  client.reply.ok()
}

function writeError(client: ClientSession): void {
  client.reply.error(argText(client.args, 2))
}

function protocol(client: ClientSession): void {
  const { args, reply } = client
  switch (argText(args, 2).toLowerCase()) {
    case 'string':
      reply.bulkString('Hello World')
      break
    case 'integer':
      reply.integer(12345)
      break
    case 'double':
      reply.double(3141 / 1000)
      break
    case 'null':
      reply.nullBulk()
      break
    case 'array':
      reply.array(3)
      for (let i = 0; i < 3; i++) reply.integer(i)
      break
    case 'set':
      reply.set(3)
      for (let i = 0; i < 3; i++) reply.integer(i)
      break
    case 'map':
      reply.map(3)
      for (let i = 0; i < 3; i++) {
        reply.integer(i)
        reply.boolean(i === 1)
      }
      break
    case 'attrib':
      if (reply.resp === 3) {
        reply.attribute(1)
        reply.bulkString('key-popularity')
        reply.array(2)
        reply.bulkString('key:123')
        reply.integer(90)
      }
      reply.bulkString('Some real reply following the attribute')
      break
    case 'push':
      if (reply.resp === 2) {
        reply.error('ERR RESP2 is not supported by this command')
        break
      }
      reply.push(2)
      reply.bulkString('server-cpu-usage')
      reply.integer(42)
      // A push is no reply.
      reply.bulkString('Some real reply following the push reply')
      break
    case 'verbatim':
      reply.verbatim('txt', 'This is a verbatim\nstring')
      break
    case 'true':
      reply.boolean(true)
      break
    case 'false':
      reply.boolean(false)
      break
    case 'bignum':
      reply.bigNumber(1234567999999999999999999999999999999n)
      break
    default:
      reply.error(
        'ERR Wrong protocol type name. Please use one of the following: string|integer|double|bignum|null|array|set|map|attrib|push|verbatim|true|false',
      )
  }
}

/** @param extra subcommands by upper-case name; one of the same name replaces ours. */
export function debugCommands(extra: Readonly<Record<string, DebugSubcommand>> = {}): CommandTable<ClientSession> {
  const subcommands: Readonly<Record<string, DebugSubcommand>> = {
    SLEEP: { usage: '<seconds>', summary: 'Stops the server for some seconds. Decimals allowed.', run: sleep },
    ERROR: { usage: '<string>', summary: 'Answers an error with this text.', run: writeError },
    PROTOCOL: { usage: '<type>', summary: 'Answers a value of the given RESP type.', run: protocol },
    JMAP: NO_OPERATION('Accepted without effect.'),
    'SET-ACTIVE-EXPIRE': NO_OPERATION('Accepted without effect unless the dataset registers its own.'),
    'QUICKLIST-PACKED-THRESHOLD': NO_OPERATION('Accepted without effect.'),
    'SET-DISABLE-DENY-SCRIPTS': NO_OPERATION('Accepted without effect.'),
    REPLICATE: NO_OPERATION('Accepted without effect.'),
    'PAUSE-CRON': NO_OPERATION('Accepted without effect.'),
    ...extra,
  }
  const run = (client: ClientSession): void => {
    const { args, reply } = client
    const name = argText(args, 1).toUpperCase()
    if (name === 'HELP') {
      const lines = ['DEBUG <subcommand> [<arg> [value] [opt] ...]. Subcommands are:']
      for (const [known, { usage, summary }] of Object.entries(subcommands)) {
        lines.push(usage === undefined ? known : `${known} ${usage}`, `    ${summary}`)
      }
      reply.array(lines.length)
      for (const line of lines) reply.simple(line)
      return
    }
    const subcommand = Object.hasOwn(subcommands, name) ? subcommands[name] : undefined
    if (subcommand === undefined) reply.error(subcommandSyntaxError(args, 'debug'))
    else subcommand.run(client)
  }
  const flags = ADMIN | NOSCRIPT | LOADING | STALE | PROTECTED
  return { DEBUG: row(-2, flags, '1.0.0', 'server', 'For tests: behind enable-debug-command.', run) }
}
