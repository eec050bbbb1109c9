/**
 * Descriptors of an I/O thread's own for sockets that the link thread holds. Two threads must not listen through one
 * number: closing it in either, also by a crash or at exit, aborts the process in libuv. A short-lived child that inherits
 * the sockets can send them back over its channel, which duplicates them.
 */
import { fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'

/** In dist/, where all of a package's files lie side by side (scripts/bundle.mjs). */
const CHILD_PATH: string = fileURLToPath(new URL('./descriptor-worker.js', import.meta.url))
const TIMEOUT_MS = 10_000

/** @returns a native handle for each of the numbers, in order. @throws when the child fails. */
export function ownDescriptors(fds: readonly number[]): Promise<object[]> {
  const handles: object[] = []
  const child = fork(CHILD_PATH, [String(fds.length)], {
    execArgv: [],
    stdio: ['ignore', 'ignore', 'ignore', 'ipc', ...fds],
  })
  return new Promise((resolve, reject) => {
    const timer = setTimeout(() => child.kill('SIGKILL'), TIMEOUT_MS)
    child.on('message', (index: unknown, handle: unknown) => {
      if (typeof index !== 'number' || typeof handle !== 'object' || handle === null) return
      handles[index] = handle
      if (Object.keys(handles).length === fds.length) child.disconnect()
    })
    child.once('error', reject)
    // Not before it has ended: as long as it lives, it keeps the sockets open, also those that are closed here.
    child.once('exit', (code, signal) => {
      clearTimeout(timer)
      if (Object.keys(handles).length === fds.length) resolve(handles)
      else reject(new Error(`No descriptors to listen on: the helping process ended with ${String(signal ?? code)}`))
    })
  })
}
