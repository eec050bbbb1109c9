/**
 * What the values of reads-shapes.mjs never stop to be, whoever reads them: each function is given what one read, or several at one
 * moment, came to, and tells what is wrong with it.
 */
import { ACCOUNTS, BALANCE } from './reads-shapes.mjs'

/** @param {readonly number[]} numbers */
const sum = (numbers) => numbers.reduce((total, number) => total + number, 0)

/** @param {readonly (string | null | undefined)[]} balances @returns {string | undefined} */
export function wrongAccounts(balances) {
  const total = sum(balances.map(Number))
  return total === ACCOUNTS * BALANCE ? undefined : `accounts sum up to ${total}: ${balances.join(' ')}`
}

/** Both are written by one command. @param {string | null | undefined} a @param {string | null | undefined} b */
export function wrongPair(a, b) {
  return typeof a === 'string' && a === b ? undefined : `a pair is halved: ${a} and ${b}`
}

/** @param {ReadonlyMap<string, string>} fields @param {number} size @returns {string | undefined} */
export function wrongFields(fields, size) {
  if (fields.size !== size * 2) return `${fields.size} fields`
  for (let i = 0; i < size; i++) {
    const wrong = wrongPair(fields.get(`a${i}`), fields.get(`b${i}`))
    if (wrong !== undefined) return `HGETALL, ${i}: ${wrong}`
  }
  return undefined
}

/** @param {readonly number[]} elements @param {number} size @returns {string | undefined} */
export function wrongRotation(elements, size) {
  if (elements.length !== size) return `${elements.length} elements`
  for (let i = 1; i < size; i++) {
    const before = elements[i - 1] ?? 0
    if (elements[i] !== (before + 1) % size) return `behind ${before} stands ${elements[i]}`
  }
  return undefined
}

/** @param {readonly string[]} x @param {readonly string[]} y @param {number} size @returns {string | undefined} */
export function wrongSets(x, y, size) {
  const all = new Set([...x, ...y])
  return all.size === size && x.length + y.length === size ? undefined : `${x.length} and ${y.length} members`
}

/** @param {readonly (readonly [string, number])[]} members @param {number} size @returns {string | undefined} */
export function wrongScores(members, size) {
  const total = sum(members.map(([, score]) => score))
  if (members.length !== size || total !== size * BALANCE) return `${members.length} scores sum up to ${total}`
  for (let i = 1; i < size; i++) {
    if ((members[i - 1]?.[1] ?? 0) > (members[i]?.[1] ?? 0)) return `out of order at ${i}`
  }
  return undefined
}

/**
 * @param {readonly { readonly id: string, readonly fields: readonly (readonly [string, string])[] }[]} entries
 * @param {string | null | undefined} last
 * @param {number} size
 * @returns {string | undefined}
 */
export function wrongEntries(entries, last, size) {
  if (entries.length !== size) return `${entries.length} entries`
  if (entries.at(-1)?.id !== last) return `ends with ${entries.at(-1)?.id}, not ${last}`
  const other = entries.find(({ id, fields }) => fields.length !== 1 || fields[0]?.[1] !== id)
  return other === undefined ? undefined : `entry ${other.id} has other fields`
}
