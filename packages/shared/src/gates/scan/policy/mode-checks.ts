/** What the names and modes of files tell. */
import type { Candidate } from './candidate.ts';
import type { LayerEntry } from './contents.ts';
import type { RuleId } from './rules.ts';

const SETUID = 0o4000;
const SETGID = 0o2000;
const STICKY = 0o1000;
const WORLD_WRITABLE = 0o002;
const EXECUTABLE = 0o111;

const SYSTEM_DIRECTORY = /^(?:usr\/)?(?:local\/)?(?:bin|sbin|lib|lib64|libexec)(?:\/|$)/;

/** Programs that Debian, Ubuntu, Alpine, Fedora and their like install with setuid or setgid. */
const KNOWN_PRIVILEGED = new Set(
  `at bbsuid bsd-write chage chfn chsh cockpit-session crontab dbus-daemon-launch-helper dotlockfile exim4 expiry fusermount fusermount3
  gpasswd grub2-set-bootflag ksu locate lockdev lockspool mail-lock mail-touchlock mail-unlock mlocate mount mount.cifs mount.nfs newgidmap newgrp
  newuidmap pam_extrausers_chkpwd pam_timestamp_check passwd ping ping6 pkexec plocate polkit-agent-helper-1 postdrop postqueue pppd screen sendmail sg
  snap-confine ssh-agent ssh-keysign staprun su sudo traceroute6 traceroute6.iputils umount unix_chkpwd unix2_chkpwd usernetctl utempter userhelper
  wall write write.ul`.split(/\s+/),
);

const PROGRAMS: readonly (readonly [RegExp, RuleId, string])[] = [
  [/^(?:usr\/)?(?:local\/)?sbin\/(?:sshd|dropbear)$/, 'CD030', 'an SSH server'],
  [/^(?:usr\/)?(?:local\/)?bin\/(?:sudo|doas)$/, 'CD031', 'a way to run programs as root'],
];

const CACHES: readonly (readonly [RegExp, string])[] = [
  [/^var\/lib\/apt\/lists\/(?!lock$|partial$|auxfiles$)./, 'var/lib/apt/lists'],
  [/^var\/cache\/apt\/(?:archives\/[^/]+\.deb|[^/]+\.bin)$/, 'var/cache/apt'],
  [/^(?:var\/cache|etc)\/apk\/(?:cache\/)?(?:APKINDEX|[^/]+\.apk)/, 'var/cache/apk'],
  [/^var\/cache\/(?:yum|dnf|libdnf5)\/./, 'var/cache/dnf'],
  [/^(?:root|home\/[^/]+)\/\.cache\/pip\/./, 'root/.cache/pip'],
  [/^(?:root|home\/[^/]+)\/\.npm\/_cacache\/./, 'root/.npm'],
  [/^usr\/local\/share\/\.cache\/yarn\/./, 'usr/local/share/.cache/yarn'],
];

const KEY_STORE = /\.(?:p12|pfx|jks|keystore|kdbx|ppk)$/i;
const TRUST_STORE = /(?:^|\/)[^/]*(?:cacerts|truststore|trust)[^/]*$/i;

/** The faults of an entry that need no look into it. */
export function checkEntry(entry: LayerEntry): readonly Candidate[] {
  const isFile = entry.type === 'file' || entry.type === 'hardlink';
  const found = [
    ...(isFile ? [...privileged(entry), ...programs(entry), ...caches(entry), ...keyStores(entry)] : []),
    ...worldWritable(entry, isFile),
  ];
  return found.map(([rule, detail, group]) => ({
    rule,
    detail,
    group,
    layer: entry.layer,
    path: entry.path,
    line: null,
    onlyVisible: rule !== 'CD015',
    size: entry.size,
  }));
}

type Fault = readonly [rule: RuleId, detail: string, group: string];

function privileged({ path, mode, uid }: LayerEntry): readonly Fault[] {
  if ((mode & (SETUID | SETGID)) === 0 || (mode & EXECUTABLE) === 0) return [];
  const name = path.slice(path.lastIndexOf('/') + 1);
  const bits = `mode ${mode.toString(8)}, owner ${uid}`;
  if (SYSTEM_DIRECTORY.test(path) && KNOWN_PRIVILEGED.has(name)) return [['CD022', bits, '']];
  return [[mode & SETUID && uid === 0 ? 'CD020' : 'CD021', bits, '']];
}

function programs({ path, mode }: LayerEntry): readonly Fault[] {
  if ((mode & EXECUTABLE) === 0) return [];
  return PROGRAMS.filter(([pattern]) => pattern.test(path)).map(([, rule, detail]) => [rule, detail, '']);
}

function caches({ path, size }: LayerEntry): readonly Fault[] {
  if (size === 0) return [];
  return CACHES.filter(([pattern]) => pattern.test(path)).map(([, directory]) => ['CD032', '', directory]);
}

function keyStores({ path, size }: LayerEntry): readonly Fault[] {
  return size > 0 && KEY_STORE.test(path) && !TRUST_STORE.test(path) ? [['CD015', `${size} bytes`, '']] : [];
}

function worldWritable({ path, mode, type }: LayerEntry, isFile: boolean): readonly Fault[] {
  if ((mode & WORLD_WRITABLE) === 0 || /^(?:proc|sys|dev)(?:\/|$)/.test(path)) return [];
  const detail = `mode ${mode.toString(8)}`;
  const directory = path.slice(0, Math.max(path.lastIndexOf('/'), 0));
  if (isFile) return [['CD023', detail, directory]];
  return type === 'directory' && (mode & STICKY) === 0 ? [['CD024', detail, directory]] : [];
}
