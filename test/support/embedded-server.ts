/** A server inside of the test's process, not started; it listens nowhere unless it is told a port. It ends with the test. */
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { Logger } from '@understudy/core/internal'
import { Config, UnderstudyServer, type UnderstudyServerOptions } from '@understudy/net/internal'
import { onTestFinished } from 'vitest'

const silent: Logger = { debug() {}, verbose() {}, notice() {}, warning() {} }

export async function embeddedServer(
  directives: (config: Config) => void = () => {},
  options: Partial<Pick<UnderstudyServerOptions, 'bar' | 'logger'>> = {},
): Promise<UnderstudyServer> {
  const dir = await mkdtemp(join(tmpdir(), 'embedded-'))
  const config = new Config({ dir })
  config.assign('port', 0)
  directives(config)
  const never = (): never => {
    throw new Error('the server would end')
  }
  const server = new UnderstudyServer({
    config,
    logger: silent,
    version: 'test',
    onShutdown: never,
    onPanic: never,
    ...options,
  })
  onTestFinished(async () => {
    await server.stop()
    await rm(dir, { recursive: true })
  })
  return server
}
