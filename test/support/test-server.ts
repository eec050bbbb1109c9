/**
 * A RESP server in a child process, with the clients a test opened to it. What it runs is said by redis-server.ts and
 * understudy-server.ts; processes and their left-overs are the business of scripts/server-process.mjs.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, writeFile } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { Redis, type RedisOptions } from 'ioredis'
import { findRedis } from '../../scripts/redis-server.mjs'
import { ServerProcess, type ServerProcessOptions } from '../../scripts/server-process.mjs'
import { freePort } from './free-port.ts'
import { type Argument, RawClient, type RawClientOptions } from './raw-client.ts'
import type { Reply } from './resp-reader.ts'

const run = promisify(execFile)

/** A directive's value, or its values: `{ port: 0, replicaof: ['127.0.0.1', 6379] }`. */
export type Directives = Readonly<Record<string, string | number | readonly (string | number)[]>>

export interface TestServerOptions {
  /** Added to the defaults, and stronger than they are. */
  readonly directives?: Directives
  /** Text of a redis.conf, given before the directives. */
  readonly config?: string
  /** Default: a free one. With a port given, a server that finds it taken is not started again on another. */
  readonly port?: number
  /** The server's `dir`. Default: a new one below the system's, removed at the end. A given one stays. */
  readonly directory?: string
  readonly env?: NodeJS.ProcessEnv
  /** How many descriptors its process may open (`ulimit -n`, soft and hard). Default: as many as this one. */
  readonly openFilesMax?: number
  readonly readyTimeoutMs?: number
}

/** What redis-server.ts and understudy-server.ts say about their program. */
export interface Program {
  readonly name: string
  readonly command: string
  /** Arguments before the config file and the directives. */
  readonly leadingArgs: readonly string[]
  readonly defaults: Directives
  /** The log line that says it is ready. Default: that of a redis-server. */
  readonly ready?: RegExp
}

const READY = /Ready to accept connections/
const PORT_TAKEN = /Address already in use|Failed listening on port/
const PORT_TRIES = 5

export class TestServer {
  /** Name of the program. */
  readonly program: string
  readonly port: number
  readonly directory: string
  readonly process: ServerProcess
  readonly #rawClients = new Set<RawClient>()
  readonly #ioClients = new Set<Redis>()
  readonly #password: string | undefined
  #caller: Promise<RawClient> | undefined

  static async start(program: Program, options: TestServerOptions = {}): Promise<TestServer> {
    for (let tries = 1; ; tries++) {
      try {
        return await TestServer.#startOnce(program, options)
      } catch (error) {
        const mayTryAgain = options.port === undefined && tries < PORT_TRIES
        if (!mayTryAgain || !PORT_TAKEN.test(String(error))) throw error
      }
    }
  }

  static async #startOnce(program: Program, options: TestServerOptions): Promise<TestServer> {
    const port = options.port ?? (await freePort())
    const directory = options.directory ?? (await mkdtemp(join(tmpdir(), 'understudy-test-')))
    const directives: Directives = { port, dir: directory, ...program.defaults, ...options.directives }
    const args = [...program.leadingArgs]
    if (options.config !== undefined) {
      const file = join(directory, 'test.conf')
      await writeFile(file, options.config)
      args.push(file)
    }
    for (const [name, value] of Object.entries(directives)) {
      args.push(`--${name}`, ...(Array.isArray(value) ? value.map(String) : [String(value)]))
    }
    const { openFilesMax } = options
    const limited = ['-c', `ulimit -n ${openFilesMax} && exec "$0" "$@"`, program.command, ...args]
    const process: ServerProcessOptions = {
      name: `${program.name} on port ${port}`,
      command: openFilesMax === undefined ? program.command : 'sh',
      args: openFilesMax === undefined ? args : limited,
      ready: program.ready ?? READY,
    }
    if (options.env) process.env = options.env
    if (options.readyTimeoutMs !== undefined) process.readyTimeoutMs = options.readyTimeoutMs
    if (options.directory === undefined) process.ownedDirectory = directory
    const password = directives['requirepass']
    return new TestServer(program.name, await ServerProcess.start(process), port, directory, password)
  }

  private constructor(
    program: string,
    process: ServerProcess,
    port: number,
    directory: string,
    password: Directives[string] | undefined,
  ) {
    this.program = program
    this.process = process
    this.port = port
    this.directory = directory
    this.#password = password === undefined || password === '' ? undefined : String(password)
  }

  get pid(): number {
    return this.process.pid
  }

  /** Log lines so far, standard output and standard error; what was written before the last reply may be on its way. */
  get lines(): readonly string[] {
    return this.process.lines
  }

  /** Log lines with all that were written before what the server has answered; see `ServerProcess.settledLines`. */
  settledLines(): Promise<readonly string[]> {
    return this.process.settledLines()
  }

  /** The first log line that matches, old or new; see `ServerProcess.waitForLine`. */
  waitForLine(pattern: RegExp, options?: { timeoutMs?: number; fromLine?: number }): Promise<string> {
    return this.process.waitForLine(pattern, options)
  }

  /** A new raw connection, not authenticated; closed at the end. */
  async raw(options: Partial<RawClientOptions> = {}): Promise<RawClient> {
    const client = await RawClient.connect({ port: this.port, ...options })
    this.#rawClients.add(client)
    return client
  }

  /** One command on a connection that is kept for this (authenticated when `requirepass` was given). */
  async call(...args: Argument[]): Promise<Reply> {
    this.#caller ??= this.#openCaller()
    let client = await this.#caller
    if (client.ended) {
      this.#caller = this.#openCaller()
      client = await this.#caller
    }
    return client.call(...args)
  }

  async #openCaller(): Promise<RawClient> {
    const client = await this.raw({ timeoutMs: 30_000 })
    if (this.#password !== undefined) await client.call('AUTH', this.#password)
    return client
  }

  /** INFO as a record of its fields, all sections or one. */
  async info(section = 'everything'): Promise<Record<string, string>> {
    const text = String(await this.call('INFO', section))
    const fields: Record<string, string> = {}
    for (const line of text.split('\r\n')) {
      const colon = line.indexOf(':')
      if (colon > 0 && !line.startsWith('#')) fields[line.slice(0, colon)] = line.slice(colon + 1)
    }
    return fields
  }

  /** An ioredis client that does not connect again by itself unless told to; disconnected at the end. */
  client(options: Omit<RedisOptions, 'replyMapping'> = {}): Redis {
    const all: typeof options = { port: this.port, host: '127.0.0.1', retryStrategy: () => null }
    if (this.#password !== undefined) all.password = this.#password
    const client = new Redis(Object.assign(all, options))
    client.on('error', () => {}) // the commands' promises tell
    this.#ioClients.add(client)
    return client
  }

  /** Runs redis-cli against it and returns what it prints. @throws when it exits with a code other than 0. */
  async cli(args: readonly string[], input?: string): Promise<string> {
    const { cli } = await findRedis()
    const running = run(cli, ['-h', '127.0.0.1', '-p', String(this.port), ...args], {
      timeout: 60_000,
      maxBuffer: 256 * 1024 * 1024,
      env: { ...process.env, ...(this.#password === undefined ? {} : { REDISCLI_AUTH: this.#password }) },
    })
    const { stdin } = running.child
    stdin?.on('error', () => {}) // EPIPE: it ended without reading; its exit code tells whether that is wrong
    if (input === undefined) stdin?.end()
    else stdin?.end(input)
    return (await running).stdout
  }

  /** SIGSTOP: connections stay, nothing answers. */
  pause(): void {
    this.process.signal('SIGSTOP')
  }

  resume(): void {
    this.process.signal('SIGCONT')
  }

  /** Closes the clients, sends SIGTERM and waits. @throws when the exit code is not 0. May be called again. */
  async stop(options?: { timeoutMs?: number }): Promise<void> {
    this.#closeClients()
    await this.process.stop(options)
  }

  /** SIGKILL, and waits for the end. */
  async kill(): Promise<void> {
    this.#closeClients()
    await this.process.kill()
  }

  #closeClients(): void {
    for (const client of this.#rawClients) client.close()
    for (const client of this.#ioClients) client.disconnect()
    this.#rawClients.clear()
    this.#ioClients.clear()
    this.#caller = undefined
  }
}
