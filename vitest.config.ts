import { defineConfig } from 'vitest/config'

// Tests import the packages by name, so they run the built output in dist/: what is tested is what is shipped.
export default defineConfig({
  test: {
    include: ['test/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 60_000,
  },
})
