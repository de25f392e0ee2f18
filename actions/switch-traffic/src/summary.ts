import { type Moved, weightsOf } from '@cd-actions/shared/delivery/move';
import type { StepShares } from '@cd-actions/shared/delivery/observe';
import { binomialRange } from '@cd-actions/shared/domain/binomial';
import { join, type Markdown } from '@cd-actions/shared/report/markdown';
import { heading, table } from '@cd-actions/shared/report/summary';

export function summary(moved: Moved): string {
  const targets = table(
    ['Version', 'Weight'],
    moved.plan.targets.map((target) => [target.version, `${target.weight} %`]),
  );
  const facts = table(
    ['Generation', 'Moved by', 'Confirmed in', 'Before', 'Connections cut'],
    [
      [
        `${moved.generation}`,
        moved.how,
        `${Math.round(moved.milliseconds)} ms`,
        moved.previousVersion || 'nothing',
        `${moved.cut}`,
      ],
    ],
  );
  return `${headline(moved)}\n\n${join(targets, facts, shares(moved.shares))}\n`;
}

function headline({ plan, liveVersion, changed }: Moved): string {
  if (liveVersion === '') return '### The app is removed';
  if (plan.maintenance) return `### In maintenance: 503 with Retry-After ${plan.maintenance.retryAfter}`;
  return changed ? `### ${liveVersion} has the traffic` : `### Traffic unchanged: ${liveVersion}`;
}

/** What each step was meant to bring, and what it brought. */
function shares(steps: readonly StepShares[]): Markdown {
  if (steps.length === 0) return join('');
  const rows = steps.flatMap((step) => rowsOf(step));
  return join(
    heading('Observed while the steps lasted'),
    table(['Step', 'Version', 'Weight', 'Requests', 'Their share', 'New users', 'Their share', '99.9 % range'], rows),
    note(steps),
  );
}

function rowsOf({ plan, served }: StepShares): readonly (readonly string[])[] {
  const title = weightsOf(plan);
  if (!served) return [[title, '', '', 'not known']];
  const requests = total(served.requests);
  // Without a cookie every request is drawn by itself; with one a user is, and all requests of his follow.
  const draws = plan.sticky ? served.newUsers : served.requests;
  return plan.targets.map(({ version, weight }) => {
    const { low, high } = binomialRange(weight, total(draws));
    const share = percent(draws[version] ?? 0, total(draws));
    const inside = share === null || (share >= low && share <= high);
    return [
      title,
      version,
      `${weight} %`,
      `${served.requests[version] ?? 0}`,
      shown(percent(served.requests[version] ?? 0, requests)),
      plan.sticky ? `${served.newUsers[version] ?? 0}` : 'not kept',
      `${shown(share)}${inside ? '' : ' (outside)'}`,
      `${low.toFixed(1)} to ${high.toFixed(1)} %`,
    ];
  });
}

function note(steps: readonly StepShares[]): string {
  const notes = [
    'Counted from the access log of Nginx. New users are requests without the cookie that keeps a version: each is drawn by the weights, so its share lies in the range 999 times of 1000.',
    steps.some((step) => step.plan.rules.length > 0) ? 'Testers whom a rule sends to a version are counted too.' : '',
    steps.some((step) => step.served?.cut) ? 'Only the latest 20,000 lines of the log were looked at.' : '',
    steps.some((step) => step.served === null) ? 'A step that is not known had no access log that can be read.' : '',
  ];
  return notes.filter(Boolean).join(' ');
}

function total(counts: Readonly<Record<string, number>>): number {
  return Object.values(counts).reduce((sum, each) => sum + each, 0);
}

function percent(count: number, of: number): number | null {
  return of === 0 ? null : (count / of) * 100;
}

function shown(share: number | null): string {
  return share === null ? 'no request' : `${share.toFixed(1)} %`;
}
