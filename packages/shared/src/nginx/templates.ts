/**
 * The mustache templates. Escaping is switched off: every value was admitted by admit.ts. The shape of what they render depends on
 * counts and booleans alone, never on a value.
 */

import { NOTICE } from './templates-answers.ts';
import { COPIES, COPY } from './templates-copies.ts';

export const MAIN = `${NOTICE}{{#module}}load_module {{module}};
{{/module}}{{#user}}user {{user}};
{{/user}}worker_processes auto;
worker_shutdown_timeout 10m;
pid /run/nginx.pid;
error_log /dev/stderr warn;
error_log {{root}}/emerg.log emerg;
events {
    worker_connections 8192;
}
http {
    include /etc/nginx/mime.types;
    default_type application/octet-stream;
    sendfile on;
    tcp_nopush on;
    server_tokens off;
    server_names_hash_max_size 4096;
    server_names_hash_bucket_size 256;
    variables_hash_max_size 8192;
    variables_hash_bucket_size 128;
    map_hash_bucket_size 256;
    include {{root}}/http.conf;
}
`;

export const HTTP = `${NOTICE}{{#instant}}js_import cd_traffic from {{root}}/njs/traffic.js;
js_shared_dict_zone zone=cd:8m type=string;
js_set $cd_pool cd_traffic.pool;
split_clients "$cd_app$cd_client" $cd_bucket {
{{#buckets}}
    1% {{.}};
{{/buckets}}
    * 99;
}
split_clients "$cd_app$request_id" $cd_dice {
{{#buckets}}
    1% {{.}};
{{/buckets}}
    * 99;
}
{{/instant}}split_clients "copy$request_id" $cd_copy_dice {
{{#buckets}}
    1% {{.}};
{{/buckets}}
    * 99;
}
map $cookie_cd_client $cd_client {
    "" $request_id;
    default $cookie_cd_client;
}
map $cookie_cd_client $cd_new_cookie {
    "" "cd_client=$request_id; Path=/; HttpOnly; SameSite=Lax";
    default "";
}
map $cookie_cd_client $cd_fresh {
    "" 1;
    default 0;
}
map $http_upgrade $cd_connection {
    "" "";
    default upgrade;
}
log_format cd_json escape=json '{"time":"$time_iso8601","msec":$msec,"app":"$cd_app","pool":"$proxy_host","fresh":$cd_fresh,"upstream":"$upstream_addr",'
    '"status":$status,"upstream_status":"$upstream_status","request_time":$request_time,'
    '"upstream_time":"$upstream_response_time","connect_time":"$upstream_connect_time","bytes":$body_bytes_sent,'
    '"method":"$request_method","host":"$host","uri":"$request_uri","client":"$remote_addr","id":"$request_id"}';
include {{root}}/apps/*/http.conf;
include {{root}}/servers/*.conf;
include {{root}}/admin.conf;
`;

export const ADMIN = `${NOTICE}server {
    listen 127.0.0.1:{{port}};
    server_name cd-actions-admin;
    access_log off;
    keepalive_timeout 0;
    client_max_body_size 256k;
    client_body_buffer_size 256k;
    default_type text/plain;
    set $cd_app "";
    if ($http_x_cd_token != "{{token}}") {
        return 403;
    }
    location = /base {
        return 200 "{{base}}";
    }
    location / {
{{#instant}}
        js_content cd_traffic.unknown;
{{/instant}}
{{^instant}}
        return 404;
{{/instant}}
    }
    include {{root}}/apps/*/admin.conf;
}
${COPIES}`;

export const SERVER = `${NOTICE}server {
    listen {{listen}}{{#any}} default_server{{/any}}{{#tls}} ssl{{#http2Listen}} http2{{/http2Listen}}{{/tls}};
    server_name {{name}};
{{#tls}}
    ssl_certificate {{certificate}};
    ssl_certificate_key {{key}};
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
    include {{root}}/members/{{server}}/*/locations/{{server}}.conf;
${COPY}    location ~ ^ {
        return 404;
    }
}
`;

/** Upstream groups; without njs also who gets which requests. */
export const APP_HTTP = `# Upstream groups of {{id}}. Idle connections are kept shorter than application servers keep theirs (Node 5 s, gunicorn 2 s).
{{#pools}}
upstream {{name}} {
    zone {{name}} 64k;
{{#servers}}
    server {{address}}:{{port}} max_fails=1 fail_timeout=2s;
{{/servers}}
    keepalive 64;
    keepalive_timeout 1500ms;
}
{{/pools}}
{{#split}}
split_clients "{{id}}{{key}}" \${{variable}} {
{{#shares}}
    {{percent}} {{pool}};
{{/shares}}
}
{{/split}}
{{#maps}}
map {{source}} \${{variable}} {
    {{pattern}} {{matched}};
    default {{otherwise}};
}
{{/maps}}
{{#copy}}
map $cd_copy_dice \${{variable}}_share {
{{#buckets}}
    {{.}} {{pool}};
{{/buckets}}
    default "";
}
map "$request_method$http_upgrade$http_content_length" \${{variable}} {
    GET \${{variable}}_share;
    HEAD \${{variable}}_share;
    default "";
}
{{/copy}}
`;

export const APP_ADMIN = `location = /apps/{{id}} {
{{#instant}}
    set $cd_key "{{key}}";
    set $cd_structure "{{structure}}";
    set $cd_token "{{token}}";
    js_content cd_traffic.admin;
{{/instant}}
{{^instant}}
    default_type application/json;
    return 200 '{"structure":"{{structure}}","token":"{{token}}","generation":{{generation}},"digest":"{{digest}}","pid":$pid}';
{{/instant}}
}
`;

/**
 * The app's place in a server. A template of the user's own replaces this one; it is given the same view: `id`, `app`,
 * `environment`, `prefix`, `upstream` (for `proxy_pass`), `paths` (each a `match` for one `location`), `traffic` (the lines that
 * choose a version; they have to stand first in each location) and `proxy` (the standard proxy lines).
 */
export const LOCATION = `{{#paths}}
location {{match}} {
{{traffic}}
{{proxy}}
}
{{/paths}}
`;

export const TRAFFIC = `    default_type text/html;
    set $cd_app "{{id}}";
{{#instant}}
    set $cd_key "{{key}}";
    set $cd_set_cookie "";
    set $cd_retry_after "10";
{{/instant}}
{{^instant}}
    set $cd_retry_after "{{retryAfter}}";
{{/instant}}
{{#page}}
    error_page 503 {{page}};
{{/page}}
    if ({{pool}} = "") {
{{#page}}
        return 503;
{{/page}}
{{^page}}
        add_header Retry-After $cd_retry_after always;
        add_header Cache-Control no-store always;
        return 503 "<!doctype html><title>Back soon</title><h1>Back soon</h1><p>This service is being maintained. Please try again shortly.</p>";
{{/page}}
    }
{{#copy}}
    set $cd_copy_pool \${{variable}};
    set $cd_copy_app "{{id}}";
    mirror /.cd-actions/copy;
    mirror_request_body off;
{{/copy}}
{{#cookie}}
    add_header Set-Cookie {{cookie}} always;
{{/cookie}}`;

export const PROXY = `    proxy_pass http://{{pool}};
    proxy_http_version 1.1;
    proxy_set_header Host $http_host;
    proxy_set_header X-Real-IP $remote_addr;
    proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
    proxy_set_header X-Forwarded-Proto $scheme;
    proxy_set_header X-Forwarded-Host $http_host;
    proxy_set_header X-Request-ID $request_id;
    proxy_set_header Upgrade $http_upgrade;
    proxy_set_header Connection $cd_connection;
    proxy_redirect off;
    proxy_connect_timeout 5s;
    proxy_send_timeout 60s;
    proxy_read_timeout 300s;
    proxy_next_upstream error timeout;
    proxy_next_upstream_tries 3;
    client_max_body_size 100m;`;
