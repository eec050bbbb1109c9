/** Asks both servers how they are: INFO as fields, offsets, keys, memory, and how long a write takes to be readable here. */
import { ACCOUNT_KEYS } from './traffic.mjs'

/** @typedef {import('ioredis').Redis} Redis */

/**
 * INFO as a record of its fields.
 *
 * @param {Redis} client
 * @returns {Promise<Record<string, string>>}
 */
export async function info(client) {
  /** @type {Record<string, string>} */
  const fields = {}
  for (const line of String(await client.call('INFO', 'everything')).split('\r\n')) {
    const colon = line.indexOf(':')
    if (colon > 0 && !line.startsWith('#')) fields[line.slice(0, colon)] = line.slice(colon + 1)
  }
  return fields
}

/**
 * Keys of all databases, from INFO's db0:keys=…
 *
 * @param {Record<string, string>} fields
 */
function keyCount(fields) {
  let sum = 0
  for (const [name, value] of Object.entries(fields)) {
    if (/^db\d+$/.test(name)) sum += Number(/keys=(\d+)/.exec(value)?.[1] ?? 0)
  }
  return sum
}

/**
 * @typedef {object} LiveFigures
 * @property {number} primaryOffset
 * @property {number} ourOffset
 * @property {number} lagBytes
 * @property {number} lagMs From the primary's answer to a SET to the first GET here that shows it; -1: not within a second.
 * @property {number} primaryKeys
 * @property {number} ourKeys
 * @property {number} primaryRss
 * @property {number} ourRss
 * @property {number} appliedPerSecond
 * @property {number} accountsSum What all accounts hold together, read here with one MGET.
 * @property {number} notApplied Stream commands that this version does not apply.
 * @property {boolean} isUp
 */

export class Figures {
  #primary
  #replica
  #probe = 0
  #lastApplied = 0
  #lastMs = 0

  /**
   * @param {Redis} primary
   * @param {Redis} replica
   */
  constructor(primary, replica) {
    this.#primary = primary
    this.#replica = replica
  }

  /** @returns {Promise<LiveFigures>} */
  async take() {
    const lagMs = await this.#measureLag()
    // Ours first: a lag can only be shown too large by that, never too small.
    const [ours, theirs, balances] = await Promise.all([
      info(this.#replica),
      info(this.#primary),
      this.#replica.mget(ACCOUNT_KEYS),
    ])
    const nowMs = performance.now()
    const applied = Number(ours['rdb_changes_since_last_save'] ?? 0)
    const appliedPerSecond =
      this.#lastMs === 0 ? 0 : Math.max(0, ((applied - this.#lastApplied) * 1000) / (nowMs - this.#lastMs))
    this.#lastApplied = applied
    this.#lastMs = nowMs
    const primaryOffset = Number(theirs['master_repl_offset'])
    const ourOffset = Number(ours['slave_repl_offset'])
    return {
      primaryOffset,
      ourOffset,
      lagBytes: Math.max(0, primaryOffset - ourOffset),
      lagMs,
      primaryKeys: keyCount(theirs),
      ourKeys: keyCount(ours),
      primaryRss: Number(theirs['used_memory_rss']),
      ourRss: Number(ours['used_memory_rss']),
      appliedPerSecond,
      accountsSum: balances.reduce((sum, balance) => sum + Number(balance), 0),
      notApplied: Number(ours['stream_commands_not_applied'] ?? 0),
      isUp: ours['master_link_status'] === 'up',
    }
  }

  async #measureLag() {
    const number = ++this.#probe
    await this.#primary.set('demo:probe', number)
    const began = performance.now()
    while (performance.now() - began < 1000) {
      if (Number(await this.#replica.get('demo:probe')) >= number) return performance.now() - began
    }
    return -1
  }
}
