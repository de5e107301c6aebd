#include "eval/served/http.h"

#include <curl/curl.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "core/progress.h"

enum { ANSWER_MAX = 256 << 20, SHOWN_BYTES = 200, CONNECT_S = 10 };
static const double backoff_max_s = 10, retry_after_max_s = 60;

/* One of `concurrency` places for a request that is on its way or waits for its next try. */
typedef struct {
    CURL   *easy;
    int64_t index; /* -1: free */
    int64_t tries;
    bool    running;
    double  not_before;
    str     answer;
    bool    too_long;
    char    reason[CURL_ERROR_SIZE];
} slot;

struct http {
    http_options       o;
    CURLM             *multi;
    struct curl_slist *headers;
    slot              *slots;
    http_counts        counts;
};

/* One run: what is posted, where to, and who gets the answers. */
typedef struct {
    const char  *url;
    const str   *bodies; /* NULL: one GET */
    int64_t      n, next, done, retries;
    http_arrived arrived;
    void        *ctx;
} batch;

static size_t receive(char *bytes, size_t size, size_t count, void *ctx)
{
    slot *s = ctx;
    (void)size; /* libcurl always passes 1 */
    if (s->answer.n + count > ANSWER_MAX) {
        s->too_long = true;
        return 0;
    }
    str_add(&s->answer, bytes, count);
    return count;
}

static int set_headers(http *h)
{
    str bearer = { 0 };
    h->headers = curl_slist_append(NULL, "Content-Type: application/json");
    h->headers = curl_slist_append(h->headers, "Expect:"); /* saves a round trip before a long body */
    if (!h->o.key || !*h->o.key) return OK;
    for (const char *c = h->o.key; *c; c++)
        if ((unsigned char)*c <= ' ' || *c == 0x7F)
            return input_error("the API key holds a blank or a control character; a key is one word");
    str_printf(&bearer, "Authorization: Bearer %s", h->o.key);
    h->headers = curl_slist_append(h->headers, str_c(&bearer));
    str_free(&bearer);
    return OK;
}

int http_open(http **out, http_options o)
{
    *out = NULL;
    if (curl_global_init(CURL_GLOBAL_DEFAULT)) return run_error("libcurl cannot start");
    http *h  = mem_alloc(1, sizeof *h);
    h->o     = o;
    h->multi = curl_multi_init();
    h->slots = mem_alloc((size_t)o.concurrency, sizeof *h->slots);
    int rc   = set_headers(h);
    h->o.key = NULL; /* libcurl has its own copy */
    for (int64_t i = 0; i < o.concurrency; i++) {
        h->slots[i].easy  = curl_easy_init();
        h->slots[i].index = -1;
    }
    if (rc) {
        http_close(h);
        return rc;
    }
    *out = h;
    return OK;
}

void http_close(http *h)
{
    if (!h) return;
    for (int64_t i = 0; i < h->o.concurrency; i++) {
        curl_easy_cleanup(h->slots[i].easy);
        str_free(&h->slots[i].answer);
    }
    curl_multi_cleanup(h->multi);
    curl_slist_free_all(h->headers);
    free(h->slots);
    free(h);
}

http_counts http_counted(const http *h) { return h->counts; }

/* --- one request */

bool http_is_loopback(const char *url)
{
    static const char *const hosts[] = { "localhost", "127.0.0.1", "[::1]" };
    const char              *host    = strstr(url, "://");
    host                             = host ? host + 3 : url;
    for (size_t i = 0; i < sizeof hosts / sizeof *hosts; i++) {
        size_t n = strlen(hosts[i]);
        if (!strncmp(host, hosts[i], n) && strchr(":/", host[n])) return true;
    }
    return false;
}

static void send_slot(http *h, const batch *b, slot *s)
{
    CURL  *c         = s->easy;
    double connect_s = fmin(CONNECT_S, h->o.timeout_s);
    str_clear(&s->answer);
    s->too_long  = false;
    s->reason[0] = '\0';
    s->running   = true;
    s->tries++;
    curl_easy_reset(c);
    curl_easy_setopt(c, CURLOPT_URL, b->url);
    curl_easy_setopt(c, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(c, CURLOPT_HTTPHEADER, h->headers);
    curl_easy_setopt(c, CURLOPT_USERAGENT, "tiebreak");
    curl_easy_setopt(c, CURLOPT_TIMEOUT_MS, (long)(h->o.timeout_s * 1000));
    curl_easy_setopt(c, CURLOPT_CONNECTTIMEOUT_MS, (long)(connect_s * 1000));
    curl_easy_setopt(c, CURLOPT_WRITEFUNCTION, receive);
    curl_easy_setopt(c, CURLOPT_WRITEDATA, s);
    curl_easy_setopt(c, CURLOPT_PRIVATE, s);
    curl_easy_setopt(c, CURLOPT_ERRORBUFFER, s->reason);
    if (http_is_loopback(b->url)) curl_easy_setopt(c, CURLOPT_NOPROXY, "*");
    if (b->bodies) {
        curl_easy_setopt(c, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)b->bodies[s->index].n);
        curl_easy_setopt(c, CURLOPT_POSTFIELDS, str_c(&b->bodies[s->index]));
    }
    curl_multi_add_handle(h->multi, c);
}

/* A failure that may be gone at the next try. */
static bool is_transient(CURLcode code, long status)
{
    static const CURLcode codes[] = { CURLE_COULDNT_RESOLVE_HOST, CURLE_COULDNT_RESOLVE_PROXY,
                                      CURLE_COULDNT_CONNECT,      CURLE_PARTIAL_FILE,
                                      CURLE_OPERATION_TIMEDOUT,   CURLE_SSL_CONNECT_ERROR,
                                      CURLE_GOT_NOTHING,          CURLE_SEND_ERROR,
                                      CURLE_RECV_ERROR,           CURLE_HTTP2,
                                      CURLE_HTTP2_STREAM };
    for (size_t i = 0; i < sizeof codes / sizeof *codes; i++)
        if (code == codes[i]) return true;
    return code == CURLE_OK && (status == 408 || status == 429 || status >= 500);
}

/* How an answer begins, on one line. */
static void shown(const str *answer, str *out)
{
    for (size_t i = 0; i < answer->n && i < SHOWN_BYTES; i++) {
        unsigned char c = (unsigned char)answer->s[i];
        str_putc(out, c < ' ' || c == 0x7F ? ' ' : (char)c);
    }
    out->n = utf8_valid_prefix(str_c(out), out->n);
    if (out->s) out->s[out->n] = '\0';
    if (answer->n > SHOWN_BYTES) str_puts(out, "...");
}

static int give_up(const batch *b, const slot *s, CURLcode code, long status)
{
    str what = { 0 }, begins = { 0 };
    shown(&s->answer, &begins);
    if (s->too_long)
        str_printf(&what, "an answer of more than %d MB", ANSWER_MAX >> 20);
    else if (code != CURLE_OK)
        str_puts(&what, *s->reason ? s->reason : curl_easy_strerror(code));
    else
        str_printf(&what, "HTTP status %ld: %s", status, begins.n ? str_c(&begins) : "(no text)");
    int rc;
    if (is_transient(code, status))
        rc = run_error("%s: %s; tried %lld times. "
                       "What is finished is kept: the same command goes on (--retries, --timeout-s)",
                       b->url, str_c(&what), (long long)s->tries);
    else
        rc = input_error("%s: %s", b->url, str_c(&what));
    str_free(&what);
    str_free(&begins);
    return rc;
}

static void wait_for_next_try(http *h, slot *s)
{
    curl_off_t after = 0;
    double     wait  = fmin(h->o.backoff_s * pow(2, (double)(s->tries - 1)), backoff_max_s);
    curl_easy_getinfo(s->easy, CURLINFO_RETRY_AFTER, &after);
    s->not_before = clock_s() + fmax(wait, fmin((double)after, retry_after_max_s));
    h->counts.retries++;
}

static int take_answer(http *h, batch *b, slot *s, CURLcode code)
{
    long status = 0;
    int  rc     = OK;
    curl_easy_getinfo(s->easy, CURLINFO_RESPONSE_CODE, &status);
    curl_multi_remove_handle(h->multi, s->easy);
    s->running = false;
    if (code == CURLE_OK && status == 200) {
        h->counts.requests++;
        b->done++;
        rc       = b->arrived(b->ctx, s->index, str_c(&s->answer), s->answer.n);
        s->index = -1;
    } else if (is_transient(code, status) && s->tries <= b->retries) {
        wait_for_next_try(h, s);
    } else {
        rc = give_up(b, s, code, status);
    }
    return rc;
}

/* --- all of them */

static void start_what_can_start(http *h, batch *b)
{
    double now = clock_s();
    for (int64_t i = 0; i < h->o.concurrency; i++) {
        slot *s = &h->slots[i];
        if (s->index < 0 && b->next < b->n) {
            s->index      = b->next++;
            s->tries      = 0;
            s->not_before = 0;
        }
        if (s->index >= 0 && !s->running && s->not_before <= now) send_slot(h, b, s);
    }
}

/* Milliseconds until something can start, at most a second. A request can start now where a place
 * is free, a further try when it is due. */
static int time_to_next_start(const http *h, const batch *b)
{
    double now = clock_s(), wait = 1;
    for (int64_t i = 0; i < h->o.concurrency; i++)
        if (h->slots[i].index < 0 && b->next < b->n)
            wait = 0;
        else if (h->slots[i].index >= 0 && !h->slots[i].running)
            wait = fmin(wait, h->slots[i].not_before - now);
    return wait > 0 ? (int)(wait * 1000) + 1 : 0;
}

static int step(http *h, batch *b)
{
    int      running, left, rc = OK;
    CURLMsg *m;
    start_what_can_start(h, b);
    CURLMcode code = curl_multi_perform(h->multi, &running);
    while (!rc && code == CURLM_OK && (m = curl_multi_info_read(h->multi, &left))) {
        void *s = NULL;
        if (m->msg != CURLMSG_DONE) continue;
        CURLcode result = m->data.result; /* must be read before the handle is removed */
        curl_easy_getinfo(m->easy_handle, CURLINFO_PRIVATE, &s);
        rc = take_answer(h, b, s, result);
    }
    if (!rc && code == CURLM_OK && b->done < b->n)
        code = curl_multi_poll(h->multi, NULL, 0, time_to_next_start(h, b), NULL);
    return rc ? rc : code == CURLM_OK ? OK : run_error("%s: libcurl: %s", b->url, curl_multi_strerror(code));
}

static int run(http *h, batch *b)
{
    int rc = OK;
    while (!rc && b->done < b->n) rc = step(h, b);
    for (int64_t i = 0; i < h->o.concurrency; i++) {
        if (h->slots[i].running) curl_multi_remove_handle(h->multi, h->slots[i].easy);
        h->slots[i].running = false;
        h->slots[i].index   = -1;
    }
    return rc;
}

int http_post_all(http *h, const char *url, const str *bodies, int64_t n, http_arrived arrived, void *ctx)
{
    batch b = { .url = url, .bodies = bodies, .n = n, .retries = h->o.retries, .arrived = arrived, .ctx = ctx };
    return run(h, &b);
}

static int keep_body(void *ctx, int64_t index, const char *body, size_t n)
{
    (void)index;
    str_add(ctx, body, n);
    return OK;
}

int http_get(http *h, const char *url, int64_t retries, str *body)
{
    batch b = { .url = url, .n = 1, .retries = retries, .arrived = keep_body, .ctx = body };
    return run(h, &b);
}
