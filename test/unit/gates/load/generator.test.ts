import { DurationHistogram } from '@cd-actions/shared/gates/load/histogram';
import { generatorReport } from '@cd-actions/shared/gates/load/prober';
import { Recorder } from '@cd-actions/shared/gates/load/recorder';
import { expect, it } from 'vitest';

const about = { engine: 'test', url: '', startedAt: '', intendedRate: 100 };
const ok = { status: 200, version: '', bytes: 0, failure: null, error: null, reused: true, reusable: true } as const;

function report(lagMs: number, latencyMs: number, failure: 'local' | null = null) {
  const lag = new DurationHistogram();
  const recorder = new Recorder(0);
  for (let due = 0; due < 1000; due += 10) {
    lag.record(lagMs);
    recorder.due(due);
    recorder.ended({ ...ok, failure, error: new Error('EMFILE') }, due, due + lagMs, due + latencyMs, false);
  }
  return generatorReport(lag, 0, recorder.result(about, 1000, 1000, null));
}

it('the generator calls itself the bottleneck when its lateness is a tenth of the latency, and more than a millisecond', () => {
  expect(report(0.8, 2).bottleneck).toBe(false);
  expect(report(5, 100).bottleneck).toBe(false);
  expect(report(15, 100)).toMatchObject({ bottleneck: true, note: expect.stringContaining('15.0 ms late') });
});

it('and when this machine ran out of something', () => {
  expect(report(0, 1, 'local')).toMatchObject({ bottleneck: true, note: '100 requests failed here: EMFILE' });
});
