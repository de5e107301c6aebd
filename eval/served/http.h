/* Many HTTP requests at once over libcurl, with time limits and retries. What is asked and answered
 * is up to the caller.
 *
  *     http        *h;
 *     http_options o  = { .concurrency = 4, .retries = 5, .timeout_s = 300, .backoff_s = 0.5 };
 *     int          rc = http_open(&h, o);
 *     if (!rc) rc = http_post_all(h, url, bodies, n, arrived, ctx);
 *     http_close(h);
 *
 * A request is tried again when the status is 408, 429 or any 5xx, and when the connection cannot
 * be made, breaks, or takes longer than timeout_s. The wait before a try is backoff_s, then twice
 * that, and so on up to 10 s, or what Retry-After says up to a minute. Every other answer but 200
 * ends the run. Redirects are not followed. */
#ifndef TIEBREAK_EVAL_SERVED_HTTP_H
#define TIEBREAK_EVAL_SERVED_HTTP_H
#include "core/str.h"

#include <stdint.h>

typedef struct {
    const char *key;         /* sent as a bearer token, copied; NULL or "": none */
    int64_t     concurrency; /* requests on their way at once, >= 1 */
    int64_t     retries;     /* further tries of one request, >= 0 */
    double      timeout_s, backoff_s;
} http_options;

typedef struct {
    int64_t requests, retries; /* how many were answered, and how many further tries they took */
} http_counts;

typedef struct http http;
int                 http_open(http **out, http_options o);
void                http_close(http *h); /* NULL is fine */
http_counts         http_counted(const http *h);

/* Takes the body of a 200 answer; what it returns, unless OK, ends the run. */
typedef int (*http_arrived)(void *ctx, int64_t index, const char *body, size_t n);

/* Whether the URL is of this machine, where no proxy is used. */
bool http_is_loopback(const char *url);

/* Appends the answer to body; `retries` is for this request alone. */
int http_get(http *h, const char *url, int64_t retries, str *body);
/* Posts n JSON bodies, at most `concurrency` at once; `arrived` is called once for each, in the
 * order the answers come. The first error ends the run: ERR_INPUT for an answer 4xx or a URL that
 * means nothing, ERR_FAILED when the tries are used up. The message shows the status and how the
 * answer begins. */
int http_post_all(http *h, const char *url, const str *bodies, int64_t n, http_arrived arrived, void *ctx);
#endif
