import { homedir } from 'node:os';
import { join } from 'node:path';

/** Where the set-up keeps programs that took minutes to fetch or build: the same for every clone of this user. */
export const TOOLS = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'cd-actions');
