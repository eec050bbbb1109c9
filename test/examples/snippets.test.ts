/** What READMEs show to embedders compiles, as strictly as an application may. */
import { execFile } from 'node:child_process'
import { mkdir, mkdtemp, readFile, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))
const READMES = ['core', 'net', 'rdb-worker'].map((name) => `packages/${name}/README.md`)

it('the snippets of the packages are TypeScript without errors', async () => {
  // Below the root, from where the packages are found.
  await mkdir(join(ROOT, '.cache'), { recursive: true })
  const directory = await mkdtemp(join(ROOT, '.cache', 'snippets-'))
  try {
    for (const readme of READMES) {
      const snippets = (await readFile(join(ROOT, readme), 'utf8')).matchAll(/^```js\n(.*?)^```/gms)
      let count = 0
      for (const [, code] of snippets) {
        await writeFile(join(directory, `${readme.replaceAll('/', '-')}-${count++}.mts`), code!)
      }
      expect(count, readme).toBeGreaterThan(0)
    }
    const compilerOptions = {
      strict: true,
      target: 'es2023',
      module: 'nodenext',
      types: ['node'],
      skipLibCheck: true,
      noEmit: true,
    }
    await writeFile(join(directory, 'tsconfig.json'), JSON.stringify({ compilerOptions, include: ['*.mts'] }))
    const compiler = join(ROOT, 'node_modules/.bin/tsc')
    const output = await run(compiler, ['-p', directory]).then(
      ({ stdout }) => stdout,
      (error: unknown) => String((error as { stdout?: unknown }).stdout ?? error),
    )
    expect(output).toBe('')
  } finally {
    await rm(directory, { recursive: true })
  }
})
