/** A replica in this process: what a real primary sends is run as the replication stream in a keyspace of its own. */
import { dataCommandFamilies, Keyspace, LibraryStore } from '@understudy/core/internal'
import { CommandRunner } from './command-runner.ts'
import { encodeCommand, type RawClient } from './raw-client.ts'
import { shownCommand } from './shown-command.ts'
import type { TestServer } from './test-server.ts'

/** Frames of the stream that are not about data. */
const FRAMES = new Set(['SELECT', 'PING', 'MULTI', 'EXEC', 'PUBLISH', 'REPLCONF'])
/** A primary sends PFADD of what is no HyperLogLog, and refuses it like us. */
const MAY_FAIL = /^INVALIDOBJ/

export class StreamFollower {
  readonly runner: CommandRunner
  /** Commands applied. */
  count = 0
  readonly #stream: RawClient

  /** Connects as a replica and reads past the snapshot: the primary must be empty, and keep to database 0. */
  static async connect(primary: TestServer): Promise<StreamFollower> {
    const stream = await primary.raw({ timeoutMs: 60_000 })
    await stream.call('REPLCONF', 'capa', 'psync2')
    stream.send(encodeCommand('PSYNC', '?', '-1'))
    let line = await stream.readLine()
    while (!line.startsWith('$')) line = await stream.readLine()
    await stream.readBytes(Number(line.slice(1)))
    return new StreamFollower(stream)
  }

  private constructor(stream: RawClient) {
    this.#stream = stream
    const memory = (): never => {
      throw new Error('not asked for')
    }
    const families = dataCommandFamilies({ libraries: new LibraryStore(), memory })
    this.runner = new CommandRunner(families, { keyspace: new Keyspace({ databaseCount: 1 }), fromPrimary: true })
    this.runner.context.reply.discardReplies = true
  }

  /** Applies everything up to a mark that `client` writes now. @throws when a command of the stream fails. */
  async runUntil(client: RawClient, mark: string): Promise<void> {
    await client.call('PUBLISH', 'mark', mark)
    for (;;) {
      const command = (await this.#stream.readReply({ binary: true })) as Buffer[]
      const name = command[0]!.toString().toUpperCase()
      if (name === 'PUBLISH' && command[2]!.toString() === mark) return
      if (!FRAMES.has(name)) this.#apply(command)
    }
  }

  #apply(command: readonly Buffer[]): void {
    const { runner } = this
    const { errorCount } = runner
    runner.run(...command)
    this.count++
    const { lastError } = runner.context.reply
    if (runner.errorCount === errorCount || MAY_FAIL.test(lastError)) return
    throw new Error(`the stream's ${shownCommand(command)} failed: ${lastError}`)
  }
}
