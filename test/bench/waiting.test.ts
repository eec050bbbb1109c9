/** Nobody may wait for what is gone: a server that closes, a process that has ended. */
import { once } from 'node:events'
import { createServer, type AddressInfo } from 'node:net'
import { afterEach, expect, test } from 'vitest'
import { HelperProcess } from '../../bench/support/helper-process.mjs'
import { Pipe } from '../../bench/support/pipe.mjs'

const server = createServer((socket) => {
  socket.on('error', () => {})
  socket.once('data', () => socket.destroy())
})

afterEach(() => void server.close())

test('a pipe whose server closes', async () => {
  server.listen(0, '127.0.0.1')
  await once(server, 'listening')
  const pipe = await Pipe.open((server.address() as AddressInfo).port)
  await pipe.send('SET', 'key', 'value')
  await expect(pipe.end()).rejects.toThrow('the server closed the connection')
})

test('a helping process that ends', async () => {
  const program = (text: string): URL => new URL(`data:text/javascript,${encodeURIComponent(text)}`)
  const start = (text: string): HelperProcess<object> =>
    new HelperProcess(new URL('./fixtures/evaluate.mjs', import.meta.url), 'helping', { args: [program(text).href] })
  await expect(start('process.exit(3)').next('ready')).rejects.toThrow('helping process: ended with code 3')
  await expect(start("process.kill(process.pid, 'SIGKILL')").next('ready')).rejects.toThrow('was ended by SIGKILL')
  const last = start("process.send({ kind: 'ready' }); process.disconnect()")
  await expect(last.next('ready')).resolves.toMatchObject({ kind: 'ready' })
})
