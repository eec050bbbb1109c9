/** Understudy inside of another program that takes the directives of the executable: for soaks and benchmarks. The build comes first. */
import { loadConfig, parseArguments, ServerLog, UnderstudyServer } from '../packages/net/dist/index.js'

/**
 * Changes into its `dir`, as the executable does. @param {string[]} directives
 *
 * @returns a server that has started; SHUTDOWN and a panic end the process
 */
export async function startEmbedded(directives) {
  const command = parseArguments(directives)
  if (command.kind !== 'run') throw new Error('not a command to run')
  const config = loadConfig(command, { warn: console.warn })
  process.chdir(config.get('dir'))
  const server = new UnderstudyServer({
    config,
    logger: new ServerLog({ level: config.get('loglevel') }),
    version: '0',
    onShutdown: () => process.exit(0),
    onPanic: (reason) => {
      throw new Error(reason)
    },
  })
  await server.start()
  return server
}
