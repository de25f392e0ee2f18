/** The first Nginx with `keepalive_min_timeout` (https://nginx.org/en/CHANGES). */
export const MIN_GRACEFUL_NGINX = '1.27.4';

/** Bytes as a person writes them, in powers of 1024: `1.5 GiB`. */
export function formatSize(bytes: number): string {
  const units = ['B', 'KiB', 'MiB', 'GiB', 'TiB'];
  const power = bytes <= 0 ? 0 : Math.min(units.length - 1, Math.floor(Math.log2(bytes) / 10));
  return `${Number((bytes / 1024 ** power).toFixed(1))} ${units[power]}`;
}
