import { describe, expect, test } from 'vitest';
import { WORKFLOWS_PAGE, withWorkflows } from '../../scripts/readme.ts';
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

test('docs/workflows.md has the tables of the reusable workflows (npm run readme), every one of them', () => {
  const page = textOf(WORKFLOWS_PAGE);
  const reusable = WORKFLOWS.filter((path) => read(path).on.workflow_call).map((path) => path.split('/').at(-1));
  expect(page).toBe(withWorkflows(page, (name) => textOf(`.github/workflows/${name}`)));
  expect([...page.matchAll(/^<!-- ([a-z]+\.yml) -->$/gm)].map(([, name]) => name).sort()).toEqual(reusable);
});
