/** What Nginx answers by itself. */

export const NOTICE = '# Made by cd-actions; changes made by hand are lost.\n';

/**
 * For host names that no app has. Without it Nginx would give them to whichever server comes first, so that the users of an app that is
 * gone, or not there yet, would see another one.
 */
export const NOBODY = `${NOTICE}server {
    listen {{listen}}{{#tls}} ssl{{#http2Listen}} http2{{/http2Listen}}{{/tls}};
    server_name cd-actions.invalid;
{{#tls}}
    ssl_reject_handshake on;
    ssl_protocols TLSv1.2 TLSv1.3;
    ssl_session_cache shared:cd_tls:10m;
{{#http2Directive}}
    http2 on;
{{/http2Directive}}
{{/tls}}
{{#gracefulReload}}
    keepalive_min_timeout 5s;
{{/gracefulReload}}
    access_log {{accessLog}}{{#logged}} cd_json buffer=64k flush=1s{{/logged}};
    set $cd_app "";
    return 404;
}
`;

/** The maintenance page of the user's own. Of the generation that is live, so that it comes and goes with it. */
export const PAGE = `location = {{page}} {
    internal;
    set $cd_app "{{id}}";
    alias {{root}}/apps/{{id}}/maintenance.html;
    types { }
    default_type text/html;
    charset utf-8;
    etag off;
    if_modified_since off;
    max_ranges 0;
    add_header Retry-After $cd_retry_after always;
    add_header Cache-Control no-store always;
}
`;

/** Plain HTTP of an app with a certificate. The method is kept. */
export const REDIRECT = `{{#paths}}
location {{match}} {
    set $cd_app "{{id}}";
    return 308 https://$host{{port}}$request_uri;
}
{{/paths}}
`;
