/**
 * What an I/O thread listens on, by the link thread's keys. Opening takes a while (`descriptors.ts`), and a place may be given
 * up before it is open.
 */
import type { Server } from 'node:net'
import { type AcceptSocket, createListener } from '../clients/listeners.ts'
import { ownDescriptors } from './descriptors.ts'
import type { SharedPlace } from './messages.ts'

export interface PlaceListenersOptions {
  readonly accept: AcceptSocket
  /** tcp-backlog. */
  readonly backlog: () => number
  /** Hears when the system could not accept a connection (EMFILE …). */
  readonly failed: (error: Error) => void
}

export class PlaceListeners {
  readonly #options: PlaceListenersOptions
  readonly #open = new Map<number, Server>()
  /** Places that are being opened, with what ends when they are, or cannot be. */
  readonly #opening = new Map<number, Promise<void>>()

  constructor(options: PlaceListenersOptions) {
    this.#options = options
  }

  /** Listens on all these places. @throws the system's error; some may be open then. */
  async open(places: readonly SharedPlace[]): Promise<void> {
    const opening = this.#openAll(places)
    for (const { key } of places) this.#opening.set(key, opening)
    try {
      await opening
    } finally {
      for (const { key } of places) this.#opening.delete(key)
    }
  }

  /** Stops listening on a place. Resolves when nothing of this thread listens there, or will. */
  async close(key: number): Promise<void> {
    // A failure is told to who opens it.
    await this.#opening.get(key)?.catch(() => {})
    this.#open.get(key)?.close()
    this.#open.delete(key)
  }

  async #openAll(places: readonly SharedPlace[]): Promise<void> {
    const handles = await ownDescriptors(places.map(({ fd }) => fd))
    for (const [index, { key, unixPath }] of places.entries()) {
      this.#open.set(key, await this.#listenOn(handles[index]!, unixPath))
    }
  }

  #listenOn(handle: object, unixPath: string | undefined): Promise<Server> {
    const { accept, backlog, failed } = this.#options
    const listener = createListener(accept, unixPath)
    return new Promise((resolve, reject) => {
      listener.once('error', reject)
      listener.listen({ _handle: handle, backlog: backlog() }, () => {
        listener.off('error', reject)
        listener.on('error', failed)
        resolve(listener)
      })
    })
  }
}
