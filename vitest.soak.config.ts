import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** For `pnpm soak` only: one file, one process, no time limit, no reporter but for failures. See scripts/soak.mjs. */
const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/soak/run-soak.ts'],
    pool: 'forks',
    reporters: [['default', { summary: false }]],
  },
})
export default config
