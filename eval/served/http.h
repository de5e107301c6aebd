/* Many HTTP requests at once over libcurl, with time limits and retries; what is asked and
 * answered is the caller's.
 *
 *     http *h;
 *     int rc = http_open(&h, (http_options) { .concurrency = 4, .retries = 5, .timeout_s = 300, .backoff_s = 0.5 });
 *     if (!rc) rc = http_post_all(h, "http://localhost:8000/v1/completions", bodies, n, arrived, ctx);
 *     http_close(h);
 *
 * Tried again after backoff_s, twice that, ... (at most 10 s, or what Retry-After says up to a
 * minute): 408, 429, every 5xx, a connection that cannot be made, breaks, or takes longer than
 * timeout_s. Every other answer but 200 ends the run. Redirects are not followed. */
#ifndef TIEBREAK_EVAL_SERVED_HTTP_H
#define TIEBREAK_EVAL_SERVED_HTTP_H
#include "core/str.h"

#include <stdint.h>

typedef struct {
    const char *key;         /* sent as a bearer token; NULL or "": none. Copied */
    int64_t     concurrency; /* requests on their way at once, >= 1 */
    int64_t     retries;     /* further tries of one request, >= 0 */
    double      timeout_s, backoff_s;
} http_options;

typedef struct {
    int64_t requests, retries; /* answered; tried again */
} http_counts;

typedef struct http http;
int                 http_open(http **out, http_options o);
void                http_close(http *h); /* NULL is fine */
http_counts         http_counted(const http *h);

/* The body of a 200 answer; a status other than OK ends the run with it. */
typedef int (*http_arrived)(void *ctx, int64_t index, const char *body, size_t n);

/* This machine: no proxy is asked for the way there. */
bool http_is_loopback(const char *url);

/* Append what is there. retries: for this one. */
int http_get(http *h, const char *url, int64_t retries, str *body);
/* POST n JSON bodies, at most `concurrency` on their way; arrived is called once for each, as
 * they come. The first error ends the run: ERR_INPUT for an answer 4xx or a URL that means
 * nothing, ERR_FAILED when the tries are used up; the message shows the status and how the
 * answer begins. */
int http_post_all(http *h, const char *url, const str *bodies, int64_t n, http_arrived arrived, void *ctx);
#endif
