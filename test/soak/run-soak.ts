/**
 * The body of `pnpm soak <name>`: runs one soak inside vitest (whose loader understands TypeScript on every Node), without
 * its time limits. scripts/soak.mjs says which one, by environment variables.
 */
import { writeSync } from 'node:fs'
import { expect, it } from 'vitest'
import type { Soak } from '../support/soak.ts'

const name = process.env['UNDERSTUDY_SOAK']
if (name === undefined) throw new Error('start soaks with: npx -y pnpm@12 soak <name>')

it(`soak ${name}`, { timeout: 0 }, async () => {
  const { soak } = (await import(`./${name}.soak.ts`)) as { soak: Soak }
  const given = { count: amount('UNDERSTUDY_SOAK_COUNT'), seconds: amount('UNDERSTUDY_SOAK_SECONDS') }
  const told = given.count !== undefined || given.seconds !== undefined
  const seed = amount('UNDERSTUDY_SOAK_SEED') ?? 1
  const count = (told ? given.count : soak.stated.count) ?? Infinity
  const seconds = (told ? given.seconds : soak.stated.seconds) ?? Infinity
  print(soak.about)
  const started = performance.now()
  const result = await soak.run({ seed, count, seconds, log: (line) => print(`  ${line}`) })
  const counted = Object.entries(result.counted ?? {}).map(([what, number]) => `, ${number} ${what}`)
  const took = ((performance.now() - started) / 1000).toFixed(1)
  expect(result.count, 'rounds done').toBeGreaterThan(0)
  print(`${result.count} rounds in ${took} s${counted.join('')}: passed`)
})

function amount(variable: string): number | undefined {
  const text = process.env[variable]
  return text === undefined || text === '' ? undefined : Number(text)
}

/** Past vitest's console, which holds lines back. */
function print(line: string): void {
  writeSync(1, `${line}\n`)
}
