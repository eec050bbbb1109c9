/**
 * Makes the machine's free memory its own before a run that fills memory. A virtual machine whose kernel reports free pages
 * gives them back to its host within seconds, and who uses such a page next waits for the host, several times as long as for
 * another fresh page. Without this it depends on the pause before a run.
 */
import { execFileSync } from 'node:child_process'
import { freemem } from 'node:os'

const WARM_BYTES_MAX = 2 ** 30

/**
 * A process of its own touches memory and ends.
 *
 * @param {number} [servers] How many will fill memory at the same time.
 */
export function warmMemory(servers = 1) {
  const bytes = Math.min(servers * WARM_BYTES_MAX, Math.floor(freemem() / 4))
  execFileSync(process.execPath, ['-e', `Buffer.alloc(${bytes}, 1)`])
}
