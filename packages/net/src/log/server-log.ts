/**
 * The log of a server: core's `Logger` port on pino, printed as Redis prints its log (`line.ts`) into a `LogTarget`.
 * Pino filters by level and lets others attach to the same logger; its JSON is not what is written.
 */
import { type Logger as PinoLogger, pino } from 'pino'
import type { Logger } from '@understudy/core/internal'
import { formatLine, LOG_LEVELS, type LogLevel, type LogRole } from './line.ts'
import { LogTarget } from './log-target.ts'

export interface ServerLogOptions {
  readonly level?: LogLevel
  /** Absolute path; left out: standard output. */
  readonly file?: string | undefined
  readonly role?: LogRole
  readonly pid?: number
  /** Milliseconds since 1970. Default: the system's clock. */
  readonly wallMs?: () => number
}

/** What pino tells a stream that asks for it, just before each write. */
interface LineStream {
  write(json: string): void
  lastLevel: number
  lastMsg: string | undefined
}

export class ServerLog implements Logger {
  readonly target: LogTarget
  readonly #pino: PinoLogger<LogLevel>
  #role: LogRole
  #level: LogLevel

  /** @throws the file system's error when the file cannot be opened. */
  constructor(options: ServerLogOptions = {}) {
    this.target = new LogTarget(options.file)
    this.#role = options.role ?? 'C'
    this.#level = options.level ?? 'notice'
    const pid = options.pid ?? process.pid
    const wallMs = options.wallMs ?? Date.now
    const stream: LineStream = {
      lastLevel: 0,
      lastMsg: undefined,
      write: () => {
        const now = wallMs()
        this.target.write(formatLine(pid, this.#role, now, stream.lastLevel, stream.lastMsg ?? ''), now)
      },
    }
    // Pino fills lastLevel and lastMsg for streams that carry this mark.
    Object.defineProperty(stream, Symbol.for('pino.metadata'), { value: true })
    this.#pino = pino<LogLevel>(
      {
        level: this.#level,
        customLevels: LOG_LEVELS,
        useOnlyCustomLevels: true,
        base: null,
        timestamp: false,
      },
      stream,
    )
  }

  debug(message: string): void {
    this.#pino.debug(message)
  }

  verbose(message: string): void {
    this.#pino.verbose(message)
  }

  notice(message: string): void {
    this.#pino.notice(message)
  }

  warning(message: string): void {
    this.#pino.warning(message)
  }

  get level(): LogLevel {
    return this.#level
  }

  /** `loglevel`: takes effect with the next line. */
  setLevel(level: LogLevel): void {
    this.#level = level
    this.#pino.level = level
  }

  /** The letter behind the pid: 'S' while following a primary, 'M' otherwise, 'C' until that is known. */
  setRole(role: LogRole): void {
    this.#role = role
  }

  close(): void {
    this.target.close()
  }
}
