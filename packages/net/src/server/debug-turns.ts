/**
 * DEBUG TURN-MS: how long a connection's commands run before others get their turn. Who compares the order of commands with a
 * stock server's, which runs a whole piece of input at once, makes it long: else a busy machine decides where a turn ends.
 */
import { argText, subcommandSyntaxError } from '@understudy/core/internal'
import type { ClientSettings } from '../clients/settings.ts'
import type { DebugSubcommand } from '../commands/debug.ts'

/** @param changed is told after the settings have changed. */
export function debugTurns(settings: ClientSettings, changed: () => void): Readonly<Record<string, DebugSubcommand>> {
  return {
    'TURN-MS': {
      usage: '<milliseconds>',
      summary: 'Lets the commands of a connection run this long before others get their turn. Decimals allowed.',
      run: ({ args, reply }) => {
        const text = args.count === 3 ? argText(args, 2) : ''
        if (!/^\d{1,9}(\.\d{1,9})?$/.test(text)) return reply.error(subcommandSyntaxError(args, 'debug'))
        settings.turnMsMax = Number(text)
        changed()
        reply.ok()
      },
    },
  }
}
