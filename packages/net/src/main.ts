/**
 * The process `understudy`: command line, configuration, log, signals, exit codes. The server itself is put together in
 * server/understudy-server.ts.
 */
import { readFileSync } from 'node:fs'
import { ConfigError, ReplicaError } from '@understudy/core/internal'
import { parseArguments } from './cli/arguments.ts'
import { runCheck } from './cli/check.ts'
import { HELP_TEXT } from './cli/help.ts'
import { versionLine } from './cli/version.ts'
import { ListenError } from './clients/listeners.ts'
import type { Config } from './config/config.ts'
import { fatalConfigText, loadConfig } from './config/load-config.ts'
import { writePidFile } from './config/pid-file.ts'
import { systemErrorCode } from './config/system-error-text.ts'
import { errorText } from './error-text.ts'
import { barStream } from './log/progress.ts'
import { ServerLog } from './log/server-log.ts'
import { listensSomewhere } from './server/listening.ts'
import { shutdownOnSignal } from './server/shutdown.ts'
import { UnderstudyServer } from './server/understudy-server.ts'

/** How long worker threads are waited for at the end. */
const THREADS_MS_MAX = 1000
/** And the disk, for what of the log of the stream is not written yet. */
const LOG_MS_MAX = 30_000

/** Runs the command. Resolves when it has nothing more to say; a server goes on until a signal or SHUTDOWN. */
export async function main(argv: readonly string[]): Promise<void> {
  const version = readVersion()
  // What is said before there is a log is kept for it.
  const early: string[] = []
  const notes: Notes = { warn: (message) => early.push(message) }
  let config: Config
  try {
    const command = parseArguments(argv)
    if (command.kind !== 'run') outliveReader()
    if (command.kind === 'help') return void process.stdout.write(HELP_TEXT)
    if (command.kind === 'version') return void process.stdout.write(`${versionLine(version)}\n`)
    if (command.kind === 'check') {
      process.exitCode = runCheck(command, { stdout: process.stdout, stderr: barStream(process.stderr) })
      return
    }
    config = loadConfig(command, { warn: (message) => notes.warn(message) })
    process.chdir(config.get('dir'))
  } catch (error) {
    const text = error instanceof ConfigError ? fatalConfigText(error, version) : errorText(error)
    process.stderr.write(`${text}\n`)
    process.exitCode = 1
    return
  }
  await serve(config, version, notes, early)
}

/** Where warnings of the configuration go. */
interface Notes {
  warn: (message: string) => void
}

/** Whoever reads what a command tells may have read enough, as `head` has; the exit code tells what was found all the same. */
function outliveReader(): void {
  process.stdout.on('error', (error) => {
    if (systemErrorCode(error) === 'EPIPE') return
    process.stderr.write(`cannot write to standard output: ${errorText(error)}\n`)
    process.exitCode = 1
  })
}

async function serve(config: Config, version: string, notes: Notes, early: readonly string[]): Promise<void> {
  // Of the terminal that it was started from; Node would end the process without saving. Redis ignores it, too.
  process.on('SIGHUP', () => {})
  const log = openLog(config)
  if (log === undefined) return
  config.onChange('loglevel', (level) => log.setLevel(level))
  log.notice(`Understudy version=${version}, bits=64, node=${process.versions.node}, PID: ${process.pid}, started`)
  for (const warning of early) log.warning(warning)
  notes.warn = (message) => log.warning(message)
  if (config.file !== undefined) log.notice('Configuration loaded')
  if (!listensSomewhere(config)) {
    // Nobody could ever reach it, not even to end it; and without a primary nothing would keep the process.
    log.warning('Configured to not listen anywhere, exiting: port is 0, and there is no unixsocket.')
    process.exitCode = 1
    return
  }
  // A bug. What it left in memory cannot be trusted, so the process ends; but the log has to say why.
  process.on('uncaughtException', (error) => {
    log.warning(`=== UNDERSTUDY BUG REPORT === ${error.stack ?? errorText(error)}${causeOf(error)}`)
    pidFile?.remove()
    process.exit(1)
  })
  const pidPath = config.path('pidfile')
  const pidFile = pidPath === undefined ? undefined : writePidFile(pidPath, (message) => log.warning(message))

  let isEnding = false
  const end = (code: number): void => {
    if (isEnding) return
    isEnding = true
    pidFile?.remove()
    log.notice('Understudy is now ready to exit, bye bye...')
    // What was written to sockets leaves with the exit; worker threads are told, and what has to be in the log gets there.
    void server.stop(THREADS_MS_MAX).then(
      () => process.exit(code),
      () => process.exit(code),
    )
    // A disk that never answers must not keep the process for ever.
    setTimeout(() => {
      log.warning(`The log of the stream was not written to its end within ${LOG_MS_MAX / 1000} seconds`)
      process.exit(1)
    }, LOG_MS_MAX).unref()
  }
  let server: UnderstudyServer
  try {
    server = new UnderstudyServer({
      config,
      logger: log,
      version,
      bar: barStream(process.stderr),
      onShutdown: () => end(0),
      onPanic: (reason) => {
        log.warning(`Stopping: ${reason}`)
        end(1)
      },
      onRole: (isReplica) => log.setRole(isReplica ? 'S' : 'M'),
    })
  } catch (error) {
    // What the configuration alone does not show: a command to rename that does not exist, memory that is not there.
    pidFile?.remove()
    const hint = error instanceof RangeError ? ` (for ${config.get('databases')} databases)` : ''
    log.warning(`Cannot start: ${errorText(error)}${hint}`)
    process.exitCode = 1
    return
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.on(signal, () => {
      if (signal === 'SIGINT' && server.shutdown.leftMs !== undefined) {
        log.warning('You insist... exiting now.')
        end(1)
        return
      }
      log.notice(`Received ${signal} scheduling shutdown...`)
      server.shutdown.begin(shutdownOnSignal(config, signal), () => {})
    })
  }
  const port = config.get('port')
  log.notice(`Running mode=standalone, port=${port}.`)
  try {
    await server.start()
  } catch (error) {
    // Ended in the middle of it, as by SIGTERM while the file was loaded: that is no failure.
    if (isEnding) return
    log.warning(startFailure(error))
    end(1)
  }
}

function openLog(config: Config): ServerLog | undefined {
  const file = config.path('logfile')
  try {
    return new ServerLog({ level: config.get('loglevel'), ...(file === undefined ? {} : { file }) })
  } catch (error) {
    process.stderr.write(`Can't open the log file: ${errorText(error)}\n`)
    process.exitCode = 1
    return undefined
  }
}

function causeOf(error: Error): string {
  return error.cause instanceof Error ? ` Cause: ${error.cause.stack ?? error.cause.message}` : ''
}

function startFailure(error: unknown): string {
  const message = errorText(error)
  if (error instanceof ListenError) return `${message}, aborting.`
  if (error instanceof ReplicaError && error.code.startsWith('RDB_')) {
    const reason = error.code === 'RDB_BAD_CHECKSUM' ? 'Wrong RDB checksum (CRC error)' : 'Bad file format'
    return `Fatal error loading the DB, check server logs: ${reason}: ${message}. Exiting; the file was not touched.`
  }
  return `Cannot start: ${message}`
}

function readVersion(): string {
  const text = readFileSync(new URL('../package.json', import.meta.url), 'utf8')
  const parsed: unknown = JSON.parse(text)
  return typeof parsed === 'object' && parsed !== null && 'version' in parsed ? String(parsed.version) : 'unknown'
}
