/**
 * In a virtual machine the host gives a page of memory when it is touched for the first time since the machine's start, and that
 * takes longer than anything the guest does with it. The first server of the first run would pay that for all that come after
 * it: the first of five runs of `stream` was a third slower than the others. So memory is touched once before anything is measured.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { freemem } from 'node:os'

const BYTES_MAX = 4 * 2 ** 30
const PIECE_BYTES = 2 ** 28

/**
 * In a process of its own, so that it goes back to the guest's system.
 *
 * @param {(line: string) => void} log
 */
export async function warmMemory(log) {
  const pieces = Math.floor(Math.min(BYTES_MAX, freemem() / 2) / PIECE_BYTES)
  if (pieces === 0) return
  const script = `const kept = []; for (let i = 0; i < ${pieces}; i++) kept.push(Buffer.allocUnsafeSlow(${PIECE_BYTES}).fill(1))`
  const startedMs = performance.now()
  const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`touching memory ended with code ${code}`)
  const seconds = (performance.now() - startedMs) / 1000
  log(
    `touched ${(pieces * PIECE_BYTES) / 2 ** 20} MiB of memory once, in ${seconds.toFixed(1)} s: what the host has yet to give, no server pays`,
  )
}
