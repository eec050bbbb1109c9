/** One question to the primary, on a connection beside the link. */
import { setTimeout as sleep } from 'node:timers/promises'
import { askPrimary } from '@understudy/net/internal'
import { expect, it, onTestFinished } from 'vitest'
import { FakePrimary } from '../../support/fake-primary.ts'
import { LinkFixture } from './link-fixture.ts'

it('that cannot even be connected to fails once, and nothing of it comes later', async () => {
  const primary = await FakePrimary.start()
  onTestFinished(() => primary.stop())
  const target = { host: '127.0.0.1', port: primary.port }
  const late: unknown[] = []
  const note = (error: unknown): void => void late.push(error)
  process.once('uncaughtException', note)
  onTestFinished(() => void process.off('uncaughtException', note))
  const files = { caCertFile: '/nowhere/ca.crt' }
  for (const config of [{ tls: files }, { sourceAddress: 'not an address' }]) {
    const { link } = new LinkFixture({ config })
    await expect(askPrimary(link.config, target, ['INFO'], 20)).rejects.toThrow()
  }
  await sleep(100)
  expect(late).toEqual([])
})
