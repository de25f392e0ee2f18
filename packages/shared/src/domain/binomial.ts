/** Standard deviations on either side that hold 99.9 % of a normal distribution. */
const Z = 3.29;

/**
 * The shares, in percent, between which 999 of 1000 samples of `count` independent draws lie when each is a hit with `percent`: the normal
 * approximation of the binomial distribution with a continuity correction
 * (https://www.itl.nist.gov/div898/handbook/eda/section3/eda366i.htm). Wide when the sample is small.
 */
export function binomialRange(percent: number, count: number): { readonly low: number; readonly high: number } {
  if (count === 0) return { low: 0, high: 100 };
  const p = percent / 100;
  const half = p === 0 || p === 1 ? 0 : Z * Math.sqrt((p * (1 - p)) / count) + 0.5 / count;
  return { low: Math.max(0, (p - half) * 100), high: Math.min(100, (p + half) * 100) };
}
