import { describe, expect, test } from 'vitest';
import { calledBy, read, refusedByParser, textOf, WORKFLOWS, wrongWithCall } from './workflows.ts';

describe.each(WORKFLOWS)('%s', (path) => {
  const workflow = read(path);

  test("is accepted by GitHub's own parser", async () => {
    expect(await refusedByParser(path, textOf(path))).toEqual([]);
  });

  test('calls the reusable workflows with what they take, and grants what they ask for', () => {
    const wrong = Object.values(workflow.jobs).flatMap((job) => {
      const called = calledBy(job);
      return called === undefined ? [] : wrongWithCall(job, read(called));
    });
    expect(wrong).toEqual([]);
  });

  test('calls nothing of the suite by another reference than v1', () => {
    const others = Object.values(workflow.jobs)
      .filter((job) => job.uses?.startsWith('org/cd-actions/') && calledBy(job) === undefined)
      .map((job) => job.uses);
    expect(others).toEqual([]);
  });
});

test("GitHub's own parser refuses what GitHub would refuse", async () => {
  const [first] = await refusedByParser('bad.yml', 'on: push\njobs:\n  a:\n    steps:\n      - run: echo\n');
  expect(first).toContain('runs-on');
});
