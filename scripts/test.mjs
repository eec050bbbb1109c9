import { spawnSync } from 'node:child_process'
for (const [command, args] of [
  ['tsc', ['-b']],
  ['vitest', ['run', ...process.argv.slice(2)]],
]) {
  const { status } = spawnSync(command, args, { stdio: 'inherit' })
  if (status !== 0) process.exit(status ?? 1)
}
