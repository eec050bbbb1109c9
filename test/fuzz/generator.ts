/** Makes commands from the grammars: one by one or as MULTI groups, some of them damaged. */
import type { SeededRandom } from '../support/seeded-random.ts'
import { Draw, type Word } from './draw.ts'
import { following, preceding } from './exceptions.ts'
import type { CommandGrammar, Grammar } from './grammar.ts'

export interface FuzzCommand {
  readonly words: readonly Word[]
  /** Name of the row and the options of it that are used: what the coverage counts. */
  readonly row: string
  readonly options: readonly string[]
}

/** What is left out as a whole when a failing case is made shorter: one command, or a group. */
export type Step = readonly FuzzCommand[]

const DAMAGED = 0.09
const GROUPS = 0.02
/** What damaged commands are given; a key may come of it. */
export const JUNK: readonly Word[] = ['x', '', 'NX', 'COUNT', Buffer.from([0, 0xff]), 'WITHSCORES', '(1']

export class Generator {
  readonly draw: Draw
  readonly #commands: readonly CommandGrammar[]
  readonly #cumulated: number[] = []
  readonly #total: number

  /** @param isKnown Which rows both servers have. */
  constructor(
    random: SeededRandom,
    grammars: readonly Grammar[],
    isKnown: (row: string) => boolean,
    draw: Draw = new Draw(random),
  ) {
    this.draw = draw
    this.#commands = grammars.flatMap((grammar) => grammar.commands.filter((command) => isKnown(command.name)))
    let total = 0
    for (const command of this.#commands) this.#cumulated.push((total += command.weight))
    this.#total = total
  }

  step(): Step {
    const { draw } = this
    if (draw.chance(GROUPS)) return this.#group()
    const made = this.#make(this.#choose())
    const before = preceding(made.words)
    return [
      ...(before === undefined ? [] : [plain(...before)]),
      made,
      ...following(made.words).map((words) => plain(...words)),
    ]
  }

  #choose(): CommandGrammar {
    const at = this.draw.random.float() * this.#total
    let low = 0
    let high = this.#cumulated.length - 1
    while (low < high) {
      const middle = (low + high) >>> 1
      if (this.#cumulated[middle]! > at) high = middle
      else low = middle + 1
    }
    return this.#commands[low]!
  }

  #make(grammar: CommandGrammar): FuzzCommand {
    const { draw } = this
    const words: Word[] = grammar.name.split(' ').map((name) => (draw.chance(0.8) ? name : name.toLowerCase()))
    const first = words.length
    const options: string[] = []
    for (const part of grammar.parts) part.emit({ draw, words, options })
    if (draw.chance(DAMAGED)) this.#damage(words, first)
    return { words, row: grammar.name, options }
  }

  /** Never makes a number of what was none: a wait or a time to live could come of it. */
  #damage(words: Word[], first: number): void {
    const { draw } = this
    // A range by name is asked of keys of one score only.
    if (/^(never:)?y/.test(String(words[first] ?? ''))) first++
    const count = words.length - first
    switch (draw.int(0, 3)) {
      case 0:
        words.push(draw.pick(JUNK))
        break
      case 1:
        if (count > 0) words.pop()
        break
      case 2:
        if (count > 0) words.splice(draw.int(first, words.length - 1), 1)
        break
      default:
        if (count > 0) words[draw.int(first, words.length - 1)] = draw.pick(JUNK)
    }
  }

  #group(): Step {
    const { draw } = this
    const steps: FuzzCommand[] = []
    const watched = draw.chance(0.3)
    if (watched) {
      steps.push({ ...plain('WATCH', draw.key(draw.pool())), options: ['keys'] })
      if (draw.chance(0.5)) steps.push(this.#groupable())
      if (draw.chance(0.2)) steps.push(plain('UNWATCH'))
    }
    steps.push(plain('MULTI'))
    for (let i = draw.int(0, 6); i > 0; i--) steps.push(this.#groupable())
    if (draw.chance(0.03)) steps.push(plain('MULTI'))
    if (draw.chance(0.03)) steps.push(plain('WATCH', 'never'))
    steps.push(plain(draw.chance(0.9) ? 'EXEC' : 'DISCARD'))
    if (draw.chance(0.1)) steps.push(plain(draw.pick(['EXEC', 'DISCARD'])))
    return steps
  }

  /** Not one whose reply can only be judged beside another. */
  #groupable(): FuzzCommand {
    for (;;) {
      const grammar = this.#choose()
      if (!grammar.inMulti) continue
      const made = this.#make(grammar)
      if (preceding(made.words) === undefined && following(made.words).length === 0) return made
    }
  }
}

function plain(...words: readonly Word[]): FuzzCommand {
  return { words, row: String(words[0]).toUpperCase(), options: [] }
}
