/**
 * Before a package is packed, in its folder. Only pnpm writes versions that others can install where ours say `workspace:` and `catalog:`,
 * and puts the licence in.
 */
import { existsSync } from 'node:fs'
import { basename } from 'node:path'
import { fail } from './run-tool.mjs'

// Its own path, which every one sets; what npm_config_user_agent says may be of another one around it.
if (!basename(process.env['npm_execpath'] ?? '').startsWith('pnpm')) {
  fail(
    'These packages are packed by pnpm, npm would make ones that nobody can install: packages/net/README.md has the command',
  )
}
if (!existsSync('dist/index.js')) fail('There is no dist/ to pack: npx -y pnpm@12 run build')
