/** What a Node that is too old for us says: one line, though it could not read half of what stands behind. */
import { execFile } from 'node:child_process'
import { readFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)
const ROOT = fileURLToPath(new URL('../..', import.meta.url))

/** Makes this Node pass for an older one, which knows nothing of what is built and of packages. */
const OLD_NODE = `
  import { register } from 'node:module'
  Object.defineProperty(process, 'versions', { value: { ...process.versions, node: '18.20.8' } })
  const hooks = \`export async function load(url, context, next) {
    if (/rolldown|[/]dist[/]/.test(url)) throw new SyntaxError('what is in ' + url + ' is too new')
    return await next(url, context)
  }\`
  register('data:text/javascript,' + encodeURIComponent(hooks))
`

it.each([
  'scripts/build.mjs',
  'scripts/demo.mjs',
  'scripts/test.mjs',
  'scripts/soak.mjs',
  'packages/net/bin/understudy.js',
])('%s on an old Node says which one is needed', async (script) => {
  const preload = `data:text/javascript,${encodeURIComponent(OLD_NODE)}`
  await expect(run(process.execPath, ['--import', preload, script, '--help'], { cwd: ROOT })).rejects.toMatchObject({
    code: 1,
    stdout: '',
    stderr: expect.stringMatching(/^[^\n]*20\.19[^\n]* 18\.20\.8\n$/),
  })
})

it('the executable asks for the Node of "engines"', () => {
  const { engines } = JSON.parse(readFileSync(`${ROOT}/packages/net/package.json`, 'utf8')) as {
    engines: { node: string }
  }
  expect(engines.node).toBe('>=20.19')
})
