import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)
const SCRIPT = fileURLToPath(new URL('../../scripts/list-commands.mjs', import.meta.url))

it('docs/commands.md lists the commands as the tables have them', async () => {
  // The error carries the one line that says what to run.
  const { stdout, stderr } = await run(process.execPath, [SCRIPT, '--check'])
  expect({ stdout, stderr }).toEqual({ stdout: '', stderr: '' })
})
