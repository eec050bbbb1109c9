/**
 * I/O threads that throw, that are terminated, ports that move and signals that end the process, all under load: other
 * connections are answered rightly all the while, whoever lost its thread can connect again at once, the thread is replaced,
 * and SIGTERM exits 0. Beside them a list that is turned all the time is read in slices, and no pin is left behind.
 */
import { freePort } from '../support/free-port.ts'
import { RawClient } from '../support/raw-client.ts'
import { RotatingList } from '../support/rotating-list.ts'
import { SeededRandom } from '../support/seeded-random.ts'
import { rounds, type Soak, type SoakOptions, type SoakResult } from '../support/soak.ts'
import type { TestServer } from '../support/test-server.ts'
import { startUnderstudy } from '../support/understudy-server.ts'
import { waitFor } from '../support/wait-for.ts'

export const soak: Soak = {
  about:
    'a round makes an I/O thread throw, terminates one, moves the port or sends SIGTERM under load; nobody else notices',
  stated: { count: 400 },
  // Every action twice.
  slice: { count: 8, seconds: 50 },
  run,
}

const THREADS = 3
const CLIENTS = 24
const ACTIONS = ['throw', 'terminate', 'port', 'sigterm'] as const

async function run(options: SoakOptions): Promise<SoakResult> {
  const counted: Record<string, number> = { lost: 0, kept: 0, replies: 0, longReplies: 0 }
  const random = new SeededRandom(options.seed)
  let done = 0
  let server: TestServer | undefined
  let load: Load | undefined
  try {
    for (const round of rounds(options)) {
      server ??= await startUnderstudy({ directives: { 'io-threads': THREADS } })
      load ??= await Load.start(server.port, random.fork())
      const action = ACTIONS[round % ACTIONS.length]!
      done++
      if (action === 'sigterm') {
        counted['longReplies']! += load.longReplies
        load.expectEnd()
        await server.stop()
        await load.stop()
        server = load = undefined
        continue
      }
      const before = load.generations()
      const port = action === 'port' ? await movePort(server, load) : undefined
      if (action !== 'port') await loseThread(server, action)
      await load.everybodyWasServed(`after ${action} in round ${round}`)
      const after = load.generations()
      const lost = after.filter((generation, i) => generation !== before[i]).length
      if (port !== undefined && lost > 0)
        throw new Error(`round ${round}: ${lost} connections ended when the port moved`)
      counted['lost']! += lost
      counted['kept']! += CLIENTS - lost
      counted['replies'] = load.replies
      await pinsAreFew(server)
    }
    // Whoever accepts first may get all that come at once, so a single round says nothing.
    if (done < 2 * ACTIONS.length) return { count: done, counted }
    if (counted['lost'] === 0) throw new Error('no thread that ended had a connection')
    if (counted['longReplies'] === 0) throw new Error('no long reply was read whole')
    if (counted['kept'] === 0) throw new Error('no connection outlived a thread')
    return { count: done, counted }
  } finally {
    load?.expectEnd()
    await load?.stop()
    await server?.kill()
  }
}

/** Ends a thread and waits until another one is there. */
async function loseThread(server: TestServer, how: 'throw' | 'terminate'): Promise<void> {
  const replaced = async (): Promise<number> => Number((await server.info('server'))['understudy_io_threads_replaced'])
  const before = await replaced()
  // The answer may be lost with the thread.
  await server.call('DEBUG', 'IO-THREAD', how).catch(() => {})
  await waitFor('the thread to be replaced', async () => (await replaced()) === before + 1)
  await waitFor(
    'all threads to listen',
    async () => (await server.info('server'))['understudy_io_threads'] === String(THREADS),
  )
}

/** One reader has one pin at most, and those of threads that ended are given back. */
async function pinsAreFew(server: TestServer): Promise<void> {
  await waitFor('pins to be given back', async () => Number((await server.info('stats'))['pins_active']) <= 1)
}

async function movePort(server: TestServer, load: Load): Promise<number> {
  const port = await freePort()
  await server.call('CONFIG', 'SET', 'port', port)
  const there = await RawClient.connect({ port })
  await there.call('PING')
  load.port = port
  there.close()
  // Back, so that the server is found where it was.
  await server.call('CONFIG', 'SET', 'port', server.port)
  load.port = server.port
  return port
}

/** Clients that write, read back what they wrote, and connect again when they lose their connection. */
class Load {
  port: number
  replies = 0
  readonly #random: SeededRandom
  readonly #clients: { served: number; generation: number }[] = []
  readonly #running: Promise<void>[] = []
  readonly #rotating: RotatingList
  #failure: Error | undefined
  #ends = false

  static async start(port: number, random: SeededRandom): Promise<Load> {
    const load = new Load(port, random)
    for (let i = 0; i < CLIENTS; i++) {
      load.#clients.push({ served: 0, generation: 0 })
      load.#running.push(load.#runClient(i))
    }
    await load.everybodyWasServed('at the start')
    return load
  }

  private constructor(port: number, random: SeededRandom) {
    this.port = port
    this.#random = random
    this.#rotating = RotatingList.start(() => this.port)
  }

  /** How often each has connected. */
  generations(): number[] {
    return this.#clients.map(({ generation }) => generation)
  }

  get longReplies(): number {
    return this.#rotating.replies
  }

  /** Every client gets a reply from now on. @throws what a client saw that was wrong. */
  async everybodyWasServed(when: string): Promise<void> {
    const before = this.#clients.map(({ served }) => served)
    await waitFor(`every client to be served ${when}`, () => {
      if (this.#failure !== undefined) return true
      return this.#clients.every(({ served }, i) => served > before[i]!)
    })
    this.#failure ??= this.#rotating.failure
    if (this.#failure !== undefined) throw this.#failure
  }

  /** Connections may end for good from now on. */
  expectEnd(): void {
    this.#ends = true
    this.#rotating.expectEnd()
  }

  async stop(): Promise<void> {
    await Promise.all([...this.#running, this.#rotating.stop()])
    if (this.#failure !== undefined) throw this.#failure
  }

  async #runClient(index: number): Promise<void> {
    const mine = this.#clients[index]!
    for (let n = 0; !this.#ends && this.#failure === undefined; mine.generation++) {
      let client: RawClient
      try {
        client = await RawClient.connect({ port: this.port })
      } catch (error) {
        if (!this.#ends) this.#failure ??= new Error(`client ${index} cannot connect`, { cause: error })
        return
      }
      try {
        while (!this.#ends) await this.#serve(client, index, n++)
      } catch (error) {
        // A connection may end; a wrong reply may not come, nor none.
        const failure = error instanceof Error ? error : new Error(String(error))
        if (!failure.message.startsWith('the connection ended') && !this.#ends) this.#failure ??= failure
      } finally {
        client.close()
      }
    }
  }

  async #serve(client: RawClient, index: number, n: number): Promise<void> {
    const commands: (string | number)[][] = []
    const expected: unknown[] = []
    for (let i = this.#random.int(1, 8); i > 0; i--) {
      commands.push(['SET', `mine${index}`, `${n}:${i}`], ['GET', `mine${index}`], ['STRLEN', `nobody${index}`])
      expected.push('OK', `${n}:${i}`, 0)
    }
    const replies = await client.pipeline(commands)
    if (JSON.stringify(replies) !== JSON.stringify(expected)) {
      throw new Error(`client ${index} got ${JSON.stringify(replies)} for ${JSON.stringify(commands)}`)
    }
    this.replies += replies.length
    this.#clients[index]!.served++
  }
}
