/** The families of this folder, to be merged with those of the dataset and of replication. */
import type { CommandTable } from '@understudy/core/internal'
import type { ClientSession } from '../clients/session.ts'
import { aclCommands } from './acl.ts'
import { clientCommands } from './client.ts'
import { commandCommands } from './command.ts'
import { connectionCommands } from './connection.ts'
import { debugCommands } from './debug.ts'
import type { DebugSubcommand } from './debug.ts'
import { diagnosticCommands } from './diagnostics.ts'
import { pubsubCommands } from './pubsub.ts'
import { serverCommands } from './server.ts'
import { transactionCommands } from './transactions.ts'

/** @param debug subcommands of DEBUG that others provide. */
export function clientCommandFamilies(
  debug: Readonly<Record<string, DebugSubcommand>> = {},
): readonly CommandTable<ClientSession>[] {
  return [
    connectionCommands,
    transactionCommands,
    pubsubCommands,
    clientCommands,
    commandCommands,
    diagnosticCommands,
    aclCommands,
    serverCommands,
    debugCommands(debug),
  ]
}
