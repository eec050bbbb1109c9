/**
 * In a virtual machine the host gives a page of memory when it is touched, and takes back what lies free for a while; giving takes longer
 * than anything the guest does with the page. The first server of a run would pay that for those that come after it: the first of
 * five runs of `stream` took 4.4 s, the others 2.8 to 3.2. So memory is touched before each start, of either server.
 */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { freemem } from 'node:os'

/** More than a server takes in most scenarios. */
const BYTES_MAX = 2 ** 30 + 2 ** 29
const PIECE_BYTES = 2 ** 28

/** In a process of its own, so that it is free again for the server. */
export async function warmMemory() {
  const pieces = Math.floor(Math.min(BYTES_MAX, freemem() / 2) / PIECE_BYTES)
  if (pieces === 0) return
  const script = `const kept = []; for (let i = 0; i < ${pieces}; i++) kept.push(Buffer.allocUnsafeSlow(${PIECE_BYTES}).fill(1))`
  const child = spawn(process.execPath, ['-e', script], { stdio: 'ignore' })
  const [code] = await once(child, 'exit')
  if (code !== 0) throw new Error(`touching memory ended with code ${code}`)
}
