/** CONFIG GET, SET, REWRITE and RESETSTAT. Source: redis 7.0 config.c configCommand and its help. */
import {
  ADMIN,
  argText,
  LOADING,
  NOSCRIPT,
  STALE,
  SYNTAX_ERROR,
  type CommandArgs,
  type CommandTable,
} from '@understudy/core/internal'
import { CLIENT_UNIX_SOCKET } from '../clients/connection-flags.ts'
import { type ClientSession } from '../clients/session.ts'
import { findDirective } from '../config/directives.ts'
import { container, row } from '../commands/rows.ts'
import type { Node } from './node.ts'

const FLAGS = ADMIN | NOSCRIPT | LOADING | STALE

export function configCommands(node: Node): CommandTable<ClientSession> {
  const { config } = node
  return {
    CONFIG: container('CONFIG', '2.0.0', 'server', 'Reads and changes the configuration.', {
      GET: row(-3, FLAGS, '2.0.0', 'server', 'Returns directives that match the patterns.', (client) => {
        const pairs = config.match(bytesOf(client, 2))
        client.reply.map(pairs.length)
        for (const [name, value] of pairs) {
          client.reply.bulkString(name)
          bulkBytes(client, value)
        }
      }),
      SET: row(-4, FLAGS, '2.0.0', 'server', 'Changes directives, all or none.', (client) => set(node, client), {
        secrets: secretValues,
      }),
      RESETSTAT: row(2, FLAGS, '2.0.0', 'server', 'Sets the statistics to zero.', (client) => {
        node.server.statistics.reset()
        Object.assign(node.keyspace, { hits: 0, misses: 0, expiredKeys: 0 })
        node.memoryLimit.resetStatistics()
        node.below.resetCounters()
        node.clientEviction.evicted = 0
        client.reply.ok()
      }),
      REWRITE: row(2, FLAGS, '2.8.0', 'server', 'Writes the configuration to its file.', (client) => {
        const answer = config.rewrite()
        if (answer === undefined) {
          node.logger.notice('CONFIG REWRITE executed with success.')
          client.reply.ok()
        } else {
          node.logger.warning(`CONFIG REWRITE failed: ${answer}`)
          client.reply.error(answer)
        }
      }),
    }),
  }
}

/** No directive has a longer name. */
const NAME_BYTES_MAX = 256

/** Values of directives that are never shown. */
function secretValues(args: CommandArgs): readonly number[] {
  const secrets: number[] = []
  for (let i = 2; i + 1 < args.count; i += 2) {
    if (findDirective(argText(args, i, NAME_BYTES_MAX))?.row.sensitive === true) secrets.push(i + 1)
  }
  return secrets
}

function set(node: Node, client: ClientSession): void {
  const words = bytesOf(client, 2)
  const pairs: [string, string][] = []
  if (words.length % 2 !== 0) {
    client.reply.error(SYNTAX_ERROR)
    return
  }
  for (let i = 0; i < words.length; i += 2) pairs.push([words[i]!, words[i + 1]!])
  const isLocal = (client.flags & CLIENT_UNIX_SOCKET) !== 0 || /^(127\.|\[?::1)/.test(client.address)
  // Not `state.loading`: a node that waits for its first sync may need another setting to get it.
  const answer = node.config.set(pairs, { fromLocalClient: isLocal, loading: node.fileLoading !== undefined })
  if (answer instanceof Promise) {
    // A port that has to be opened first: the client's next command waits.
    client.block(0, () => {}, { mayBeEnded: false })
    void answer.then((text) => client.unblock(() => tell(client, text)))
    return
  }
  tell(client, answer)
}

function tell(client: ClientSession, answer: string | undefined): void {
  if (answer === undefined) client.reply.ok()
  else client.reply.error(answer)
}

/** Arguments from `first` on as byte strings. */
function bytesOf(client: ClientSession, first: number): string[] {
  const { args } = client
  const words: string[] = []
  for (let i = first; i < args.count; i++) {
    words.push(Buffer.from(args.bytes.subarray(args.start[i], args.end[i])).toString('latin1'))
  }
  return words
}

function bulkBytes(client: ClientSession, text: string): void {
  const bytes = Buffer.from(text, 'latin1')
  client.reply.bulk(bytes, 0, bytes.length)
}
