/**
 * Makes the machine's free memory its own before a run that fills memory. A virtual machine whose kernel reports free pages
 * gives them back to its host within seconds, and who uses such a page next waits for the host, several times as long as for
 * another fresh page. Without this it depends on the pause before a run.
 *
 * What a kernel reports are free blocks of a huge page and more. Small pages are taken from shorter blocks first and meet reported ones seldom,
 * huge pages are made of nothing else. So both kinds are warmed, each for the contender that takes it.
 */
import { execFileSync } from 'node:child_process'
import { freemem } from 'node:os'
import { HUGE_PAGES_ENVIRONMENT } from './huge-pages.mjs'

const WARM_BYTES_MAX = 2 ** 30

/**
 * Processes of their own touch memory and end.
 *
 * @param {number} [servers] How many will fill memory at the same time.
 */
export function warmMemory(servers = 1) {
  const bytes = Math.min(servers * WARM_BYTES_MAX, Math.floor(freemem() / 4))
  for (const env of [process.env, { ...process.env, ...HUGE_PAGES_ENVIRONMENT }]) {
    execFileSync(process.execPath, ['-e', `Buffer.alloc(${bytes}, 1)`], { env })
  }
}
