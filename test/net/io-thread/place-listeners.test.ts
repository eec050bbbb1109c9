import { existsSync } from 'node:fs'
import { mkdtemp, rm } from 'node:fs/promises'
import { connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { bindSocket, openHere, PlaceListeners } from '@understudy/net/internal'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'

/** @returns the system's code when nobody listens there. */
function connects(where: { port: number } | { path: string }): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', ...where })
    socket.once('connect', () => {
      socket.destroy()
      resolve('yes')
    })
    socket.once('error', (error: NodeJS.ErrnoException) => resolve(error.code ?? ''))
  })
}

function newListeners(): PlaceListeners {
  return new PlaceListeners({
    accept: (socket) => void socket.destroy(),
    backlog: () => 16,
    failed: (error) => {
      throw error
    },
  })
}

describe('places of an I/O thread', () => {
  // A socket is listened on until the last descriptor that leads to it is closed, the one that it was bound with among them.
  it('are listened on, each with a descriptor of its own, until they are closed', async () => {
    const sockets = await Promise.all([0, 0].map((port) => bindSocket({ host: '127.0.0.1', port })))
    const listeners = newListeners()
    await listeners.open(sockets.map(({ fd }, key) => ({ key, fd, unixPath: undefined })))
    for (const socket of sockets) socket.close()
    const answers = (): Promise<string[]> => Promise.all(sockets.map(({ port }) => connects({ port })))
    expect(await answers()).toEqual(['yes', 'yes'])
    await listeners.close(0)
    expect(await answers()).toEqual(['ECONNREFUSED', 'yes'])
    await listeners.close(1)
    expect(await answers()).toEqual(['ECONNREFUSED', 'ECONNREFUSED'])
  })

  it('that are given up while they are opened are not listened on afterwards', async () => {
    const socket = await bindSocket({ host: '127.0.0.1', port: 0 })
    const { port } = socket
    const listeners = newListeners()
    const opening = listeners.open([{ key: 1, fd: socket.fd, unixPath: undefined }])
    await listeners.close(1)
    socket.close()
    expect(await connects({ port })).toBe('ECONNREFUSED')
    await opening
    expect(await connects({ port })).toBe('ECONNREFUSED')
  })

  it('that cannot be opened can be closed', async () => {
    const socket = await bindSocket({ host: '127.0.0.1', port: 0 })
    const taker = newListeners()
    await taker.open([{ key: 1, fd: socket.fd, unixPath: undefined }])
    const listeners = newListeners()
    const opening = listeners.open([{ key: 1, fd: 1_000_000, unixPath: undefined }])
    await Promise.all([expect(opening).rejects.toThrow(), listeners.close(1)])
    await taker.close(1)
    socket.close()
  })
})

describe('a Unix socket whose mode cannot be set', () => {
  let directory: string
  let path: string
  beforeEach(async () => {
    directory = await mkdtemp(join(tmpdir(), 'unix-'))
    path = join(directory, 'socket')
  })
  afterEach(() => rm(directory, { recursive: true }))

  /** No mode at all: refused before the system is asked. */
  const permissions = 2 ** 33

  it('is closed again, and its place is free, where it is bound for I/O threads', async () => {
    await expect(bindSocket({ path, permissions })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
    expect(existsSync(path)).toBe(false)
    const socket = await bindSocket({ path, permissions: 0o700 })
    expect(existsSync(path)).toBe(true)
    socket.close()
  })

  it('is closed again, and its place is free, where the link thread listens', async () => {
    const open = openHere(
      (socket) => void socket.destroy(),
      () => 16,
      () => {},
    )
    await expect(open({ path, permissions })).rejects.toMatchObject({ code: 'ERR_OUT_OF_RANGE' })
    expect(existsSync(path)).toBe(false)
    const listener = await open({ path, permissions: 0o700 })
    expect(await connects({ path })).toBe('yes')
    await listener.close()
  })
})
