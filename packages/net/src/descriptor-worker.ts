/**
 * A process of its own that lives for a moment: it inherits bound sockets (descriptors 4 and up; 3 is its channel) and
 * sends each back, which gives the thread that started it descriptors of its own. It never listens, so it takes no
 * connection away. Started by `descriptors.ts`.
 */
import type { SendHandle } from 'node:child_process'
import { handleOfDescriptor } from './io-thread/bound-socket.ts'

const FIRST_FD = 4

const count = Number(process.argv[2])
// Stays until the other side has everything and says so.
process.on('disconnect', () => process.exit(0))
for (let i = 0; i < count; i++) process.send?.(i, handleOfDescriptor(FIRST_FD + i) as SendHandle)
