/**
 * The configuration of a running server: typed values for the rest of the server, CONFIG GET, CONFIG SET and CONFIG
 * REWRITE on the one table of `directives.ts`. Reading files and the command line is `load-config.ts`.
 *
 * Texts go in and out as byte strings, see `directive.ts`. Everything here runs on one thread; other threads are told
 * by whoever listens with `onChange()`.
 */
// Names and values come from the one table: what the assertions below say holds by its construction.
/* oxlint-disable typescript/no-unsafe-type-assertion */
import { resolve } from 'node:path'
import { globMatches } from '@understudy/core/internal'
import { type DirectiveRow, fromByteString } from './directive.ts'
import {
  allSpellings,
  DIRECTIVES,
  type DirectiveName,
  type DirectiveValue,
  findDirective,
  type KnownDirective,
} from './directives.ts'
import { rewriteFile } from './rewrite-file.ts'
import { BadValue } from './special-values.ts'
import { systemErrorText } from './system-error-text.ts'
import {
  formatValue,
  initialValue,
  parseValue,
  publicValue,
  rewriteValue,
  sameValue,
  spreadArguments,
  spreadText,
} from './values.ts'

/** Names of the directives whose value is text (byte strings). */
export type TextDirectiveName = {
  [Name in DirectiveName]: DirectiveValue<Name> extends string ? Name : never
}[DirectiveName]

/** A text returned, at once or by a promise, refuses the new value: the change is undone and the client told. */
export type ChangeAnswer = string | undefined | void

export type ChangeListener<Value> = (value: Value, previous: Value) => ChangeAnswer | Promise<ChangeAnswer>

/** Undefined when all was set, otherwise the error reply without its `-`, such as `ERR CONFIG SET failed (…`. */
export type SetAnswer = string | undefined

export interface SetOptions {
  /** The client sits on this machine: loopback or a unix socket. Default: false. */
  readonly fromLocalClient?: boolean
  /** A dataset is being loaded. Default: false. */
  readonly loading?: boolean
}

export interface ConfigOptions {
  /** Base of relative paths until `dir` is set. Absolute. Default: the working directory. */
  readonly dir?: string
  /** Told about directives that are accepted and have no effect. */
  readonly warn?: (message: string) => void
}

type ApplySteps = Generator<ChangeAnswer | Promise<ChangeAnswer>, SetAnswer, ChangeAnswer>

interface Change {
  readonly directive: KnownDirective
  readonly value: unknown
  readonly previous: unknown
}

export class Config {
  /** Path of the configuration file, absolute; undefined when there is none. CONFIG REWRITE writes it. */
  file: string | undefined
  readonly #values = new Map<DirectiveName, unknown>()
  readonly #listeners = new Map<DirectiveName, Set<ChangeListener<unknown>>>()
  readonly #setInFile = new Set<DirectiveName>()
  readonly #warned = new Set<DirectiveName>()
  readonly #warn: (message: string) => void
  #pending: Promise<SetAnswer> | undefined

  constructor(options: ConfigOptions = {}) {
    this.#warn = options.warn ?? (() => {})
    const dir = options.dir ?? process.cwd()
    for (const [name, row] of Object.entries(DIRECTIVES) as [DirectiveName, DirectiveRow][]) {
      this.#values.set(name, initialValue(row, dir))
    }
  }

  /**
   * The value of a directive by its primary name: boolean, number (bytes, seconds … as the table's `unit` says; beyond
   * 2^53 it is rounded), one of the names of an enum, byte string, or a structure of `SpecialValues`. Not to be changed
   * by the caller. O(1).
   */
  get<Name extends DirectiveName>(name: Name): DirectiveValue<Name> {
    return publicValue(this.#values.get(name)) as DirectiveValue<Name>
  }

  /** The absolute path that a directive names, relative ones starting at `dir`; undefined when it is empty. */
  path(name: TextDirectiveName): string | undefined {
    const text: string = this.get(name)
    return text === '' ? undefined : resolve(this.get('dir'), fromByteString(text))
  }

  /** Was it given in a file or on the command line? */
  wasGiven(name: DirectiveName): boolean {
    return this.#setInFile.has(name)
  }

  /**
   * Calls `listener` after each change of the value at run time (CONFIG SET, `assign()`). A text it returns undoes a
   * CONFIG SET; `assign()` ignores it. @returns the function that ends it.
   */
  onChange<Name extends DirectiveName>(name: Name, listener: ChangeListener<DirectiveValue<Name>>): () => void {
    const listeners = this.#listeners.get(name) ?? new Set()
    this.#listeners.set(name, listeners)
    const added = listener as ChangeListener<unknown>
    listeners.add(added)
    return () => listeners.delete(added)
  }

  /**
   * Sets a value from inside, also one that CONFIG SET may not (`replicaof` by REPLICAOF). Listeners are called; the
   * value is not checked. Text is a byte string.
   */
  assign<Name extends DirectiveName>(name: Name, value: DirectiveValue<Name>): void {
    const previous = this.#values.get(name)
    const kept = typeof previous === 'bigint' ? BigInt(value as number) : value
    this.#values.set(name, kept)
    for (const listener of this.#listeners.get(name) ?? []) void listener(value, publicValue(previous))
  }

  /**
   * Takes one line of a file or of the command line. `where` is for warnings: `redis.conf:3`.
   * @throws BadValue with the reason; the caller knows the line.
   */
  takeLine(directive: KnownDirective, args: readonly string[], where: string): void {
    const { name, row } = directive
    const value = parseValue(row, spreadArguments(row, args), {
      current: this.#values.get(name),
      fromFile: true,
      firstInFile: !this.#setInFile.has(name),
      dir: this.get('dir'),
    })
    this.#setInFile.add(name)
    this.#values.set(name, value)
    this.#warnUnsupported(directive, where)
  }

  #warnUnsupported({ name, row, spelling }: KnownDirective, where: string): void {
    if (row.supported !== false || this.#warned.has(name)) return
    this.#warned.add(name)
    const reason = row.warning === undefined ? '' : `: ${row.warning}`
    this.#warn(`Directive '${spelling}' (${where}) is accepted, but has no effect here${reason}`)
  }

  /**
   * CONFIG SET: all of the pairs or none. Names and texts of errors as redis 7.0 config.c configSetCommand(). Returns
   * at once unless a listener takes its time; while it does, further calls wait for it.
   */
  set(
    pairs: readonly (readonly [name: string, text: string])[],
    options: SetOptions = {},
  ): SetAnswer | Promise<SetAnswer> {
    if (this.#pending !== undefined) return this.#pending.then(() => this.set(pairs, options))
    const changes = this.#parsePairs(pairs, options)
    if (typeof changes === 'string') return changes
    const steps = this.#apply(changes)
    let step = steps.next()
    while (!step.done) {
      if (step.value instanceof Promise) return this.#finishLater(steps, step.value)
      step = steps.next(step.value)
    }
    return step.value
  }

  #finishLater(steps: ApplySteps, first: Promise<ChangeAnswer>): Promise<SetAnswer> {
    const finish = async (): Promise<SetAnswer> => {
      let step = steps.next(await refusalOf(first))
      while (!step.done) step = steps.next(await refusalOf(step.value))
      this.#pending = undefined
      return step.value
    }
    this.#pending = finish()
    return this.#pending
  }

  /** The changes to make, or the error. Nothing is changed yet. */
  #parsePairs(pairs: readonly (readonly [string, string])[], options: SetOptions): Change[] | string {
    const found: { directive: KnownDirective; text: string }[] = []
    for (const [name, text] of pairs) {
      const directive = findDirective(name)
      if (directive === undefined || directive.row.fileOnly) {
        return `ERR Unknown option or number of arguments for CONFIG SET - '${name}'`
      }
      const { row } = directive
      if (row.change === 'no') return failure(name, "can't set immutable config")
      if (row.change === 'protected' && !this.#mayChangeProtected(options)) {
        return failure(name, "can't set protected config")
      }
      if (row.notWhileLoading && options.loading) return 'LOADING Redis is loading the dataset in memory'
      if (found.some((other) => other.directive === directive)) return failure(name, 'duplicate parameter')
      found.push({ directive, text })
    }
    const staged = new Map<DirectiveName, unknown>()
    const changes: Change[] = []
    for (const { directive, text } of found) {
      const { name, row } = directive
      const previous = staged.has(name) ? staged.get(name) : this.#values.get(name)
      const context = { current: previous, fromFile: false, firstInFile: false, dir: this.get('dir') }
      try {
        const value = parseValue(row, spreadText(row, text), context)
        staged.set(name, value)
        changes.push({ directive, value, previous })
      } catch (error) {
        if (error instanceof BadValue) return failure(directive.spelling, error.message)
        throw error
      }
    }
    return changes
  }

  #mayChangeProtected(options: SetOptions): boolean {
    const allowed = this.get('enable-protected-configs')
    return allowed === 'yes' || (allowed === 'local' && options.fromLocalClient === true)
  }

  /**
   * Makes the changes and asks the listeners. Yields what each of them returned and is resumed with its refusal, so
   * that one flow serves listeners that answer at once and those that do not.
   */
  *#apply(changes: readonly Change[]): ApplySteps {
    for (const { directive, value } of changes) this.#values.set(directive.name, value)
    for (const [i, { directive, value, previous }] of changes.entries()) {
      const { name, row } = directive
      if (row.volatile !== true && sameValue(row, value, previous)) continue
      for (const listener of this.#listeners.get(name) ?? []) {
        const refusal = yield callListener(listener, value, previous)
        if (typeof refusal !== 'string') continue
        for (const undone of changes.toReversed()) this.#values.set(undone.directive.name, undone.previous)
        for (const undone of changes.slice(0, i + 1).toReversed()) {
          for (const other of this.#listeners.get(undone.directive.name) ?? []) {
            yield callListener(other, undone.previous, undone.value)
          }
        }
        return failure(directive.spelling, refusal)
      }
    }
    for (const { directive } of changes) this.#warnUnsupported(directive, 'CONFIG SET')
    return undefined
  }

  /**
   * CONFIG GET: names and values of everything that one of the patterns names, each once. A pattern without `[`, `*`
   * and `?` is a name, and finds hidden directives too. Source: redis 7.0 config.c configGetCommand().
   */
  match(patterns: readonly string[]): [name: string, value: string][] {
    const found = new Map<string, [string, string]>()
    for (const pattern of patterns) {
      if (!/[[*?]/.test(pattern)) {
        const directive = findDirective(pattern)
        if (directive !== undefined && !directive.row.fileOnly && !found.has(directive.spelling)) {
          found.set(directive.spelling, [pattern, this.#format(directive)])
        }
        continue
      }
      const bytes = Buffer.from(pattern, 'latin1')
      for (const directive of allSpellings()) {
        if (!directive.listed || found.has(directive.spelling)) continue
        const name = Buffer.from(directive.spelling, 'latin1')
        if (globMatches(bytes, 0, bytes.length, name, 0, name.length, true)) {
          found.set(directive.spelling, [directive.spelling, this.#format(directive)])
        }
      }
    }
    return [...found.values()]
  }

  #format({ name, row }: KnownDirective): string {
    return formatValue(row, this.#values.get(name))
  }

  /**
   * CONFIG REWRITE. Blocks until the file is on the disk. @returns undefined, or the error reply without its `-`.
   */
  rewrite(): SetAnswer {
    if (this.file === undefined) return 'ERR The server is running without a config file'
    const lines = new Map(
      (Object.entries(DIRECTIVES) as [DirectiveName, DirectiveRow][]).map(([name, row]) => [
        name,
        rewriteValue(row, this.#values.get(name)),
      ]),
    )
    try {
      rewriteFile(this.file, lines)
      return undefined
    } catch (error) {
      return `ERR Rewriting config file: ${systemErrorText(error)}`
    }
  }
}

function failure(name: string, reason: string): string {
  return `ERR CONFIG SET failed (possibly related to argument '${name}') - ${reason}`
}

/** A listener that throws refuses: a change must not be left half made. */
function callListener(
  listener: ChangeListener<unknown>,
  value: unknown,
  previous: unknown,
): ChangeAnswer | Promise<ChangeAnswer> {
  try {
    return listener(publicValue(value), publicValue(previous))
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}

async function refusalOf(answer: ChangeAnswer | Promise<ChangeAnswer>): Promise<ChangeAnswer> {
  try {
    return await answer
  } catch (error) {
    return error instanceof Error ? error.message : String(error)
  }
}
