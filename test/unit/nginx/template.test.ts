import { fillLocation, type LocationView } from '@cd-actions/shared/nginx/template';
import { describe, expect, it } from 'vitest';

const view: LocationView = {
  id: 'shop@production',
  app: 'shop',
  environment: 'production',
  prefix: '/',
  paths: [{ match: '^~ /' }],
  upstream: 'http://$cd_pool',
  traffic: '    set $cd_app "shop@production";\n    if ($cd_pool = "") { return 503; }',
  proxy: '    proxy_pass http://$cd_pool;',
};
const own = (template: string): string => fillLocation(template, view, true);

describe("a template of the user's own", () => {
  it.each([
    ['the standard lines', '{{#paths}}location {{match}} {\n{{traffic}}\n{{proxy}}\n}{{/paths}}'],
    ['its own proxy lines', 'location / {\n{{{traffic}}}\nproxy_pass {{upstream}};\n}'],
    [
      'a location besides, braces in strings, a comment',
      'location = /x { return 200 "}{"; } # }\nlocation / {\n{{traffic}}\n{{proxy}}\n}',
    ],
    ['other delimiters', '{{=<% %>=}}location / {\n<%traffic%>\n<%proxy%>\n}'],
  ])('may have %s', (_, template) => {
    expect(own(template)).toContain(view.traffic);
  });

  it.each([
    ['is no mustache', '{{#paths}}location / { {{traffic}} {{proxy}} }', /not a mustache template/],
    ['has a slip of the pen', 'location / {\n{{trafic}}\n{{proxy}}\n}', /names `trafic`, which is not in the view/],
    ['asks for another file', '{{> /etc/passwd}}', /names `> \/etc\/passwd`/],
    ['forgets the traffic lines', 'location / {\n{{proxy}}\n}', /no location with the `{{traffic}}` lines/],
    ['forgets the app', 'location / {\n{{traffic}}\nreturn 204;\n}', /sends no request to the app/],
    [
      'forgets the traffic lines once',
      'location / {\n{{traffic}}\n{{proxy}}\n}\nlocation /a {\n{{proxy}}\n}',
      /without the `{{traffic}}` lines/,
    ],
    ['leaves the server', 'location / {\n{{traffic}}\n{{proxy}}\n}\n}\nserver {', /does not close its blocks/],
    ['takes in what follows', 'location / {\n{{traffic}}\n{{proxy}}\n', /does not close its blocks/],
    [
      'hides a brace in a string that never ends',
      'location / {\n{{traffic}}\n{{proxy}}\n}\nset $a "x;',
      /not Nginx syntax/,
    ],
  ])('is refused when it %s', (_, template, message) => {
    expect(() => own(template)).toThrow(message);
  });
});
