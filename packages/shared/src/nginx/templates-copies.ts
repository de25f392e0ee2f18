/**
 * Copies of requests. The server of the app hands a copy to this one, which answers at once, and only then sends it on: the client's
 * connection would otherwise be held until the candidate has answered. What the candidate says is thrown away.
 */
export const COPIES = `map $request_method $cd_copy_token {
    default "{{token}}";
}
upstream cd_copies {
    server 127.0.0.1:{{port}};
}
limit_conn_zone $http_x_cd_pool zone=cd_copies:1m;
server {
    listen 127.0.0.1:{{port}};
    server_name cd-actions-copies;
    access_log off;
    keepalive_timeout 0;
    set $cd_app "";
    set $cd_copy_pool "";
    set $cd_copy_app "";
    if ($http_x_cd_token != "{{token}}") {
        return 403;
    }
    location / {
        limit_conn cd_copies 256;
        limit_conn_log_level info;
        mirror /.cd-actions/send;
        mirror_request_body off;
        empty_gif;
    }
    location = /.cd-actions/send {
        internal;
        # A candidate that is away would fill the log, one line for each copy.
        error_log /dev/null emerg;
        proxy_pass http://$http_x_cd_pool$request_uri;
        proxy_http_version 1.1;
        proxy_ignore_client_abort on;
        proxy_pass_request_body off;
        proxy_set_header Host $http_x_forwarded_host;
        proxy_set_header Connection "";
        proxy_set_header X-CD-Token "";
        proxy_set_header X-CD-Pool "";
        proxy_connect_timeout 2s;
        proxy_send_timeout 10s;
        proxy_read_timeout 10s;
        proxy_next_upstream off;
    }
}
`;

/** In each server: the way of a copy out of it. `$cd_copy_pool` and `$cd_copy_app` are those of the request that is copied. */
export const COPY = `    location = /.cd-actions/copy {
        internal;
        set $cd_app $cd_copy_app;
        if ($cd_copy_pool = "") {
            return 204;
        }
        proxy_pass http://cd_copies$request_uri;
        proxy_http_version 1.1;
        proxy_pass_request_body off;
        proxy_set_header Host cd-actions-copies;
        proxy_set_header Connection "";
        proxy_set_header Upgrade "";
        proxy_set_header Content-Length "";
        proxy_set_header X-CD-Token $cd_copy_token;
        proxy_set_header X-CD-Pool $cd_copy_pool;
        proxy_set_header X-Mirror 1;
        proxy_set_header X-Real-IP $remote_addr;
        proxy_set_header X-Forwarded-For $proxy_add_x_forwarded_for;
        proxy_set_header X-Forwarded-Proto $scheme;
        proxy_set_header X-Forwarded-Host $http_host;
        proxy_set_header X-Request-ID $request_id;
        proxy_connect_timeout 200ms;
        proxy_send_timeout 500ms;
        proxy_read_timeout 500ms;
        proxy_next_upstream off;
        proxy_buffering off;
    }
`;
