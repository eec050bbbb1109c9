/** DEBUG IO-THREAD: ends an I/O thread, to see that nobody but its own clients notices. */
import { argText, subcommandSyntaxError } from '@understudy/core/internal'
import type { DebugSubcommand } from '../commands/debug.ts'
import type { IoThreads } from '../io-thread/io-threads.ts'

/** @param threads of the server; undefined when the link thread serves the clients. */
export function debugThreads(threads: () => IoThreads | undefined): Readonly<Record<string, DebugSubcommand>> {
  return {
    'IO-THREAD': {
      usage: '(THROW|TERMINATE)',
      summary: 'Makes an I/O thread throw, or ends it. Another one takes its place.',
      run: ({ args, reply }) => {
        const how = args.count === 3 ? argText(args, 2).toLowerCase() : ''
        if (how !== 'throw' && how !== 'terminate') reply.error(subcommandSyntaxError(args, 'debug'))
        else if (threads()?.loseOne(how) === true) reply.ok()
        else reply.error('ERR there are no I/O threads')
      },
    },
  }
}
