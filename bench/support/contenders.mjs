/** The two that are compared: the same directives, the same kind of directory, each as its users would start it. */
import { mkdirSync, mkdtempSync, writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { Redis } from 'ioredis'
import { CACHE_DIRECTORY } from '../../scripts/redis-server.mjs'
import { ServerProcess } from '../../scripts/server-process.mjs'
import { within } from './deadline.mjs'
import { HUGE_PAGES_ENVIRONMENT } from './huge-pages.mjs'

const UNDERSTUDY = fileURLToPath(new URL('../../packages/net/bin/understudy.js', import.meta.url))
/** What its launcher sets (packages/net/bin/understudy), which takes no further arguments of node. */
const LAUNCHED = {
  env: HUGE_PAGES_ENVIRONMENT,
  args: ['--no-memory-reducer', '--no-parallel-scavenge'],
}
const READY = /Ready to accept connections/
/** DEBUG DIGEST of millions of keys takes a while. */
const REPLY_TIMEOUT_MS = 300_000

/** @typedef {'understudy' | 'redis'} ContenderName */
/** @typedef {string | number | Buffer} Argument */

/** A server that runs. */
export class Contender {
  /** Wall time from exec to the line that says it is ready. */
  readyMs = 0
  name
  port
  process
  #client

  /**
   * @param {ContenderName} name
   * @param {ServerProcess} process
   * @param {number} port
   */
  constructor(name, process, port) {
    this.name = name
    this.process = process
    this.port = port
    this.#client = new Redis({
      port,
      host: '127.0.0.1',
      lazyConnect: true,
      retryStrategy: () => null,
      disableClientInfo: true,
    })
    this.#client.on('error', () => {})
  }

  get pid() {
    return this.process.pid
  }

  /**
   * Any command, answered with Buffers.
   *
   * @param {string} name
   * @param {Argument[]} args
   * @returns {Promise<unknown>}
   */
  async call(name, ...args) {
    return await within(this.#client.callBuffer(name, ...args), REPLY_TIMEOUT_MS, `the reply to ${name}`)
  }

  /**
   * Values of many keys, one round trip.
   *
   * @param {Buffer[]} keys
   * @returns {Promise<(Buffer | null)[]>}
   */
  async getMany(keys) {
    const pipeline = this.#client.pipeline()
    for (const key of keys) pipeline.getBuffer(key)
    const replies = await within(pipeline.exec(), REPLY_TIMEOUT_MS, 'the replies to GET')
    return (replies ?? []).map(([error, value]) => {
      if (error) throw error
      return /** @type {Buffer | null} */ (value)
    })
  }

  /**
   * A field of INFO as text; undefined when there is none.
   *
   * @param {string} field
   */
  async info(field) {
    const text = String(await this.call('INFO', 'everything'))
    return new RegExp(`^${field}:(.*?)\\r?$`, 'm').exec(text)?.[1]
  }

  /** Ends it in order. */
  async stop() {
    this.#client.disconnect()
    await this.process.stop()
  }

  /** Ends it whatever its state. */
  async kill() {
    this.#client.disconnect()
    await this.process.kill()
  }
}

export class Contenders {
  /** @type {Set<Contender>} */
  #running = new Set()
  #programs

  /**
   * @param {object} options
   * @param {string} options.redisServer
   * @param {string[]} [options.nodeArgs] For every Understudy: profiling and the like.
   */
  constructor({ redisServer, nodeArgs = [] }) {
    this.#programs = {
      redis: { command: redisServer, args: /** @type {string[]} */ ([]), env: process.env },
      understudy: {
        command: process.execPath,
        args: [...LAUNCHED.args, ...nodeArgs],
        env: { ...process.env, ...LAUNCHED.env },
      },
    }
  }

  /** A fresh directory below the system's temporary one; removed with the server that it is given to. */
  directory() {
    return mkdtempSync(join(tmpdir(), 'understudy-bench-'))
  }

  /**
   * Starts one and waits until it is ready.
   *
   * @param {ContenderName} name
   * @param {object} [options]
   * @param {string[]} [options.directives] As on redis-server's command line.
   * @param {string} [options.directory] From `directory()`; default: a new one.
   * @param {string[]} [options.nodeArgs] Understudy only.
   * @param {{ file: string, env: Record<string, string> }} [options.application] Understudy only: a program that embeds it and takes its directives.
   * @param {number} [options.readyTimeoutMs]
   */
  async start(
    name,
    {
      directives = [],
      directory = this.directory(),
      nodeArgs = [],
      application = { file: UNDERSTUDY, env: {} },
      readyTimeoutMs = 180_000,
    } = {},
  ) {
    const port = await freePort()
    const program = this.#programs[name]
    const common = ['--port', String(port), '--bind', '127.0.0.1', '--dir', directory, '--save', '']
    const startedMs = performance.now()
    const process = await ServerProcess.start({
      name,
      command: program.command,
      env: { ...program.env, ...application.env },
      args: [
        ...(name === 'understudy' ? [...nodeArgs, ...program.args, application.file] : program.args),
        ...common,
        '--enable-debug-command',
        'yes',
        ...directives,
      ],
      ready: READY,
      ownedDirectory: directory,
      readyTimeoutMs,
    })
    const contender = new Contender(name, process, port)
    contender.readyMs = performance.now() - startedMs
    this.#running.add(contender)
    return contender
  }

  /**
   * Runs `use` with a fresh server and ends it after.
   *
   * @template Result
   * @param {ContenderName} name
   * @param {Parameters<Contenders['start']>[1]} options
   * @param {(contender: Contender) => Promise<Result>} use
   * @returns {Promise<Result>}
   */
  async with(name, options, use) {
    const contender = await this.start(name, options)
    try {
      const result = await use(contender)
      await contender.stop()
      return result
    } catch (error) {
      keepLog(contender)
      throw error
    } finally {
      await this.#end(contender)
    }
  }

  /** Whatever still runs. */
  async endAll() {
    for (const contender of this.#running) await this.#end(contender)
  }

  /** @param {Contender} contender */
  async #end(contender) {
    this.#running.delete(contender)
    await contender.kill()
  }
}

/** What a server has said is gone with it, and tells why a run failed. @param {Contender} contender */
function keepLog({ name, pid, process }) {
  const directory = join(CACHE_DIRECTORY, 'bench')
  mkdirSync(directory, { recursive: true })
  const file = join(directory, `failed-${name}-${pid}.log`)
  writeFileSync(file, `${process.lines.join('\n')}\n`)
  console.error(`  the log of ${name} is in ${file}`)
}

/** A port that nobody listens on; somebody else may take it before we do, then the start fails. */
async function freePort() {
  const server = createServer()
  await new Promise((resolve) => server.listen(0, '127.0.0.1', () => resolve(undefined)))
  const address = server.address()
  await new Promise((resolve) => server.close(resolve))
  if (address === null || typeof address !== 'object') throw new Error('no free port')
  return address.port
}
