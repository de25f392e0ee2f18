import { defineConfig } from 'vitest/config';

/** One part of the suite is one folder of test/. */
const part = (name: string, options: { readonly seconds: number; readonly parallel: boolean }) => ({
  test: {
    name,
    include: [`test/${name}/**/*.test.ts`],
    testTimeout: options.seconds * 1000,
    hookTimeout: options.seconds * 1000,
    // Parts on real engines share one machine, usually of two cores: one file at a time, or they measure each other.
    fileParallelism: options.parallel,
    pool: 'forks' as const,
  },
});

export default defineConfig({
  test: {
    projects: [
      part('unit', { seconds: 10, parallel: true }),
      part('contract', { seconds: 10, parallel: true }),
      part('integration', { seconds: 60, parallel: false }),
      part('bundle', { seconds: 60, parallel: false }),
      part('e2e', { seconds: 180, parallel: false }),
    ],
    // A test that needs a second try is broken.
    retry: 0,
  },
});
