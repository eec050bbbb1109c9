import { defineConfig, type ViteUserConfig } from 'vitest/config'

/** Tests import the packages by name, so they run the built output in dist/: what is tested is what is shipped. */
const config: ViteUserConfig = defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
export default config
