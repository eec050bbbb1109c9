/**
 * A RESP server with the connection and admin commands of `net` and a few toy commands on a Map, for tests that need no
 * real keyspace.
 */
import { argText, DENYOOM, FAST, Keyspace, READONLY, WRITE } from '@understudy/core/internal'
import type { CommandTable, Logger } from '@understudy/core/internal'
import {
  addClientInfoSections,
  clientCommandFamilies,
  ClientServer,
  defaultClientSettings,
} from '@understudy/net/internal'
import type { ClientServerOptions, ClientSession, ClientSettings } from '@understudy/net/internal'

export interface ToyServer {
  readonly server: ClientServer
  readonly port: number
  readonly log: string[]
}

export function toyCommands(values: Map<string, string>, server: () => ClientServer): CommandTable<ClientSession> {
  const keys = [1, 1, 1] as const
  const group = 'string'
  return {
    GET: {
      arity: 2,
      flags: READONLY | FAST,
      keys,
      since: '1.0.0',
      group,
      summary: 'Value of a key.',
      run: ({ args, reply }) => {
        const value = values.get(argText(args, 1))
        if (value === undefined) reply.nullBulk()
        else reply.bulkLatin1(value)
      },
    },
    SET: {
      arity: -3,
      flags: WRITE | DENYOOM,
      keys,
      since: '1.0.0',
      group,
      summary: 'Sets a key.',
      run: ({ args, reply, db }) => {
        values.set(argText(args, 1), argText(args, 2))
        server().changes.keyChanged(db, args.bytes, args.start[1]!, args.end[1]!)
        reply.ok()
      },
    },
    INCR: {
      arity: 2,
      flags: WRITE | DENYOOM | FAST,
      keys,
      since: '1.0.0',
      group,
      summary: 'Adds one.',
      run: ({ args, reply, db }) => {
        const value = Number(values.get(argText(args, 1)) ?? 0) + 1
        if (Number.isNaN(value)) {
          reply.error('ERR value is not an integer or out of range')
          return
        }
        values.set(argText(args, 1), String(value))
        server().changes.keyChanged(db, args.bytes, args.start[1]!, args.end[1]!)
        reply.integer(value)
      },
    },
    DEL: {
      arity: -2,
      flags: WRITE,
      keys: [1, -1, 1],
      since: '1.0.0',
      group: 'generic',
      summary: 'Removes keys.',
      run: ({ args, reply, db }) => {
        let removed = 0
        for (let i = 1; i < args.count; i++) {
          if (!values.delete(argText(args, i))) continue
          removed++
          server().changes.keyChanged(db, args.bytes, args.start[i]!, args.end[i]!)
        }
        reply.integer(removed)
      },
    },
    MSET: {
      arity: -3,
      flags: WRITE | DENYOOM,
      keys: [1, -1, 2],
      since: '1.0.1',
      group,
      summary: 'Sets keys.',
      run: ({ args, reply }) => {
        for (let i = 1; i + 1 < args.count; i += 2) values.set(argText(args, i), argText(args, i + 1))
        reply.ok()
      },
    },
  }
}

export async function startToyServer(
  settings: Partial<ClientSettings> = {},
  options: Partial<ClientServerOptions> = {},
  unixSocket?: string,
): Promise<ToyServer> {
  const log: string[] = []
  const write = (message: string): void => {
    log.push(message)
  }
  const logger: Logger = { debug: write, verbose: write, notice: write, warning: write }
  const server: ClientServer = new ClientServer({
    settings: { ...defaultClientSettings(), ...settings },
    families: [...clientCommandFamilies(), toyCommands(new Map(), () => server)],
    keyspace: new Keyspace({ databaseCount: 16 }),
    ports: {},
    clock: { monotonicMs: () => performance.now(), wallMs: () => Date.now() },
    logger,
    ...options,
  })
  addClientInfoSections(server, { runId: '0'.repeat(40), executable: 'toy', configFile: '', version: '0' })
  await server.listen({
    bind: ['127.0.0.1'],
    port: 0,
    anyPort: true,
    ...(unixSocket === undefined ? {} : { unixSocket }),
  })
  return { server, port: server.port, log }
}
