/**
 * Runs a server (redis-server, Understudy) as a child for a test, the demo or the bench: keeps its log lines, waits until it is
 * ready, stops it, and leaves nothing behind even if the process that started it is killed. It knows no protocol.
 *
 * Left-overs are prevented twice: on an ordinary exit by a hook, and on a kill -9 by a watchdog, a small shell whose
 * standard input closes when we die:
 *
 *   us ──pipe──► sh: read; EOF → kill -9 <server>, rm -rf <directory>
 *   us ─spawn──► server
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createInterface } from 'node:readline'

/** Log lines kept per server; older ones are dropped. */
const LINES_KEPT_MAX = 20_000
const LINES_SHOWN_IN_ERRORS = 15
const WATCHDOG = 'read -r answer; [ "$answer" = released ] && exit 0; kill -9 "$1"; [ -z "$2" ] || rm -rf "$2"'

/** @type {Set<ServerProcess>} */
const running = new Set()

process.on('exit', () => {
  for (const server of running) server.killNow()
})

/**
 * @typedef {object} ServerProcessOptions
 * @property {string} name For error messages.
 * @property {string} command
 * @property {string[]} args
 * @property {RegExp} ready The log line that says it is ready.
 * @property {NodeJS.ProcessEnv} [env] Default: ours.
 * @property {string} [cwd]
 * @property {string} [ownedDirectory] Removed when the server has ended.
 * @property {boolean} [ownGroup] It does not get the terminal's ^C: we end it.
 * @property {number} [readyTimeoutMs] Default 60 s.
 */

export class ServerProcess {
  /** Lines of standard output and standard error, in order of arrival, without line ends. @type {string[]} */
  lines = []
  /** Lines that are no longer in `lines`. */
  droppedLines = 0
  /** Exit code and signal, once it has ended. @type {{ code: number | null, signal: NodeJS.Signals | null } | undefined} */
  ended
  /** Resolves when it has ended and all its lines are in `lines`. @type {Promise<void>} */
  closed

  #child
  #watchdog
  #options
  /** @type {Set<() => void>} */
  #listeners = new Set()

  /**
   * Starts it and waits for the ready line.
   *
   * @param {ServerProcessOptions} options
   * @returns {Promise<ServerProcess>}
   * @throws when it ends or the time is over before it is ready; it is gone then, and the error shows its last lines.
   */
  static async start(options) {
    const server = new ServerProcess(options)
    try {
      await server.waitForLine(options.ready, { timeoutMs: options.readyTimeoutMs ?? 60_000 })
      return server
    } catch (error) {
      server.killNow()
      await server.closed
      throw error
    }
  }

  /** @param {ServerProcessOptions} options */
  constructor(options) {
    this.#options = options
    const child = spawn(options.command, options.args, {
      cwd: options.cwd,
      env: options.env ?? process.env,
      stdio: ['ignore', 'pipe', 'pipe'],
      detached: options.ownGroup === true,
    })
    this.#child = child
    running.add(this)
    // A group of its own: the ^C that ends us must not end the watchdog before it has seen us end.
    this.#watchdog = spawn(
      '/bin/sh',
      ['-c', WATCHDOG, 'watchdog', String(child.pid ?? 0), options.ownedDirectory ?? ''],
      {
        stdio: ['pipe', 'ignore', 'ignore'],
        detached: true,
      },
    )
    this.#watchdog.unref()
    this.#watchdog.on('error', () => {}) // without one, a server outlives us if we are killed, and nothing else is lost
    const lifeline = this.#watchdog.stdin
    lifeline.on('error', () => {}) // somebody ended the watchdog by hand
    // Neither may keep our own event loop alive.
    if ('unref' in lifeline && typeof lifeline.unref === 'function') lifeline.unref()
    for (const stream of [child.stdout, child.stderr]) {
      createInterface({ input: stream, crlfDelay: Infinity }).on('line', (line) => this.#take(line))
    }
    child.on('error', (error) => this.#take(`cannot start ${options.command}: ${error.message}`))
    this.closed = once(child, 'close')
      .catch(() => [null, null]) // 'error': it could not be spawned
      .then(([code, signal]) => this.#end(code, signal))
  }

  /** 0 when it could not be spawned. */
  get pid() {
    return this.#child.pid ?? 0
  }

  /**
   * The first line that matches, old or new.
   *
   * @param {RegExp} pattern
   * @param {object} [options]
   * @param {number} [options.timeoutMs] Default 20 s.
   * @param {number} [options.fromLine] Lines before this one (as `mark()` returned it) do not count.
   * @returns {Promise<string>}
   */
  async waitForLine(pattern, { timeoutMs = 20_000, fromLine = 0 } = {}) {
    let next = fromLine
    const deadline = Date.now() + timeoutMs
    for (;;) {
      for (next = Math.max(next, this.droppedLines); next < this.mark(); next++) {
        const line = this.lines[next - this.droppedLines] ?? ''
        if (pattern.test(line)) return line
      }
      if (this.ended) throw this.#failure(`ended (${this.#howItEnded()}) without a line that matches ${pattern}`)
      const left = deadline - Date.now()
      if (left <= 0) throw this.#failure(`wrote no line that matches ${pattern} within ${timeoutMs} ms`)
      await this.#somethingNew(left)
    }
  }

  /**
   * `lines`, with everything that was written before what this process has heard of otherwise: a reply comes by another way than the
   * line that was written before it, and may be read first. Both wait to be read then; the end of the turn is behind both.
   *
   * @returns {Promise<readonly string[]>}
   */
  async settledLines() {
    await new Promise((resolve) => setImmediate(resolve))
    return this.lines
  }

  /** A position in the log: how many lines there were so far. */
  mark() {
    return this.droppedLines + this.lines.length
  }

  /** @param {NodeJS.Signals} signal */
  signal(signal) {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(signal)
  }

  /**
   * SIGTERM, and waits for the end. May be called again.
   *
   * @param {object} [options]
   * @param {number} [options.timeoutMs] Default 10 s; then it is killed and this throws.
   * @throws when it does not end by itself with exit code 0.
   */
  async stop({ timeoutMs = 10_000 } = {}) {
    if (!this.ended) {
      this.signal('SIGTERM')
      this.signal('SIGCONT')
      const deadline = Date.now() + timeoutMs
      while (!this.ended && Date.now() < deadline) await this.#somethingNew(deadline - Date.now())
      if (!this.ended) {
        await this.kill()
        throw this.#failure(`was killed because it did not end within ${timeoutMs} ms after SIGTERM`)
      }
      if (this.#exitCode() !== 0) throw this.#failure(`did not end in order (${this.#howItEnded()})`)
    }
  }

  /** SIGKILL, and waits for the end. */
  async kill() {
    this.signal('SIGKILL')
    await this.closed
  }

  /** SIGKILL without waiting, for exit hooks. */
  killNow() {
    this.signal('SIGKILL')
    this.#removeDirectory()
  }

  /** @param {string} line */
  #take(line) {
    this.lines.push(line)
    if (this.lines.length > LINES_KEPT_MAX * 1.25) {
      this.droppedLines += this.lines.length - LINES_KEPT_MAX
      this.lines.splice(0, this.lines.length - LINES_KEPT_MAX)
    }
    this.#wake()
  }

  /**
   * @param {number | null} code
   * @param {NodeJS.Signals | null} signal
   */
  #end(code, signal) {
    this.ended = { code, signal }
    running.delete(this)
    this.#removeDirectory()
    this.#watchdog.stdin.end('released\n')
    this.#wake()
  }

  #removeDirectory() {
    const directory = this.#options.ownedDirectory
    if (directory !== undefined) rmSync(directory, { recursive: true, force: true, maxRetries: 3 })
  }

  #wake() {
    for (const listener of this.#listeners) listener()
  }

  /** @param {number} timeoutMs */
  async #somethingNew(timeoutMs) {
    await new Promise((/** @type {(value?: unknown) => void} */ resolve) => {
      const listener = () => {
        clearTimeout(timer)
        this.#listeners.delete(listener)
        resolve()
      }
      const timer = setTimeout(listener, timeoutMs)
      this.#listeners.add(listener)
    })
  }

  // A method, because the checker believes that a field tested above has not changed meanwhile.
  #exitCode() {
    return this.ended?.code
  }

  #howItEnded() {
    return this.ended?.signal ? `signal ${this.ended.signal}` : `exit code ${this.ended?.code}`
  }

  /** @param {string} what */
  #failure(what) {
    const last = this.lines.slice(-LINES_SHOWN_IN_ERRORS).map((line) => `    ${line}`)
    return new Error(
      [`${this.#options.name} ${what}`, last.length > 0 ? '  its last lines:' : '  it wrote nothing', ...last].join(
        '\n',
      ),
    )
  }
}
