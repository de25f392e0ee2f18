/** What somebody could put into an input, by accident or not. Keys name the danger. */
export const HOSTILE = {
  'one megabyte': 'a'.repeat(1_048_576),
  'a line break': 'shop\nlisten 81',
  'a carriage return': 'shop\rlisten 81',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is meant as it stands
  'an Nginx variable': '${request_uri}',
  // biome-ignore lint/suspicious/noTemplateCurlyInString: it is meant as it stands
  'a workflow expression': '${{ github.token }}',
  'a shell substitution': '$(id)',
  'a backquote': '`id`',
  'an Nginx directive': 'a; return 200; #',
  'an Nginx block': 'a} server {',
  'a comment sign': 'a#b',
  'a mustache tag': '{{{a}}}',
  quotes: `a"b'c`,
  'a backslash': 'a\\b',
  'a space': 'a b',
  'path traversal': '../../etc/passwd',
  'absolute path traversal': '/srv/../../etc/passwd',
  'an option': '--privileged',
  'a Cyrillic letter': '\u0430pp',
  'full-width digits': '\uff11\uff12',
  'a zero-width space': 'a\u200bb',
  'a right-to-left override': 'a\u202eb',
  NUL: 'a\u0000b',
  'an escape sequence': 'a\u001b[31mb',
} as const;

export type Danger = keyof typeof HOSTILE;
