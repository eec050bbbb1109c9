/**
 * The one table of directives: its families merged, names found whatever their case, old names beside new ones. Adding
 * a directive: a row in `directives/*.ts` is enough (a new `SpecialForm` also needs its functions in
 * `special-values.ts`); the types of `Config.get()` follow from the row.
 */
import assert from 'node:assert/strict'
import type { DirectiveRow } from './directive.ts'
import { datasetDirectives } from './directives/dataset.ts'
import { networkDirectives } from './directives/network.ts'
import { processDirectives } from './directives/process.ts'
import { replicationDirectives } from './directives/replication.ts'
import type { SpecialValues } from './special-values.ts'

export type Directives = typeof networkDirectives &
  typeof replicationDirectives &
  typeof datasetDirectives &
  typeof processDirectives

/** Primary names of all directives, `fileOnly` ones included. */
export type DirectiveName = keyof Directives

/** The values an `enum` row can have: those that mean another one never appear. */
type ChoiceValue<Row> = Row extends { values: readonly (infer Value)[] }
  ? Row extends { same: infer Same }
    ? Exclude<Value, keyof Same>
    : Value
  : never

type RowValue<Row> = Row extends { type: 'bool' }
  ? boolean
  : Row extends { type: 'int' }
    ? number
    : Row extends { type: 'enum'; several: true }
      ? readonly ChoiceValue<Row>[]
      : Row extends { type: 'enum' }
        ? ChoiceValue<Row>
        : Row extends { type: 'special'; form: infer Form extends keyof SpecialValues }
          ? SpecialValues[Form]
          : string

/** What `Config.get(Name)` returns. */
export type DirectiveValue<Name extends DirectiveName> = RowValue<Directives[Name]>

/** Every row by its primary name, in the order of the table. */
export const DIRECTIVES: Readonly<Record<DirectiveName, DirectiveRow>> = {
  ...networkDirectives,
  ...replicationDirectives,
  ...datasetDirectives,
  ...processDirectives,
}

const families = [networkDirectives, replicationDirectives, datasetDirectives, processDirectives]
const rowCount = families.reduce((count, family) => count + Object.keys(family).length, 0)
assert(rowCount === Object.keys(DIRECTIVES).length, 'a directive stands in two families')

export interface KnownDirective {
  readonly name: DirectiveName
  readonly row: DirectiveRow
  /** The name it was looked up by, in lower case: an alias or the primary name. */
  readonly spelling: string
  /** CONFIG GET with a pattern shows this spelling. */
  readonly listed: boolean
}

const bySpelling = new Map<string, KnownDirective>()

function addSpelling(name: string, row: DirectiveRow, spelling: string, listed: boolean): void {
  assert(!bySpelling.has(spelling), `two directives are called ${spelling}`)
  // oxlint-disable-next-line typescript/no-unsafe-type-assertion -- names of the table
  bySpelling.set(spelling, { name: name as DirectiveName, row, spelling, listed })
}

for (const [name, row] of Object.entries(DIRECTIVES)) {
  const listed = row.hidden !== true && row.fileOnly !== true
  addSpelling(name, row, name, listed)
  for (const alias of row.aliases ?? []) addSpelling(name, row, alias, listed)
  for (const alias of row.silentAliases ?? []) addSpelling(name, row, alias, false)
}

/** The directive of that name or old name, whatever its case; undefined for an unknown one. */
export function findDirective(name: string): KnownDirective | undefined {
  return bySpelling.get(name.toLowerCase())
}

/** Every spelling of every directive, in the order of the table. */
export function allSpellings(): IterableIterator<KnownDirective> {
  return bySpelling.values()
}
