/* For tests that read files: a folder of the test's own, files in it, and the scores that come
 * out. */
#ifndef TIEBREAK_SCORE_TEST_FILES_H
#define TIEBREAK_SCORE_TEST_FILES_H
#include "core/file.h"
#include "score/scored.h"
#include "metrics/test_lines.h"

static char *dir;

static inline int set_up(void **state)
{
    (void)state;
    dir = test_tmpdir();
    return 0;
}

static inline int tear_down(void **state)
{
    test_rmdir(dir);
    return leave_reference(state);
}

/* Writes a file in the test's folder; the path is valid until 128 more calls. */
static inline const char *file_of(const char *name, const char *text, size_t n)
{
    static char path[128][256];
    static int  k;
    char       *p = path[k++ & 127];
    snprintf(p, sizeof path[0], "%s/%s", dir, name);
    assert_ok(file_write_atomic(p, text, n));
    return p;
}
static inline const char *text_file(const char *name, const char *text) { return file_of(name, text, strlen(text)); }

static inline const metric *row(const scored *s, const char *name, int *m)
{
    for (*m = 0; *m < s->metrics.n; ++*m)
        if (!strcmp(s->metrics.rows[*m].name, name)) return &s->metrics.rows[*m];
    fail_msg("no metric %s", name);
    return NULL;
}

static inline double value(const scored *s, const char *name)
{
    int           m;
    const metric *r = row(s, name, &m);
    return metric_value(r, s->stats[m], s->n);
}

static inline double item_value(const scored *s, const char *name, int64_t i)
{
    int           m;
    const metric *r = row(s, name, &m);
    return metric_sentence(r, s->stats[m] + i * r->n_stats);
}

/* Writes 100 MB without a line end, which begin like a JSON line. */
static inline const char *huge_file(void)
{
    const size_t n    = 100u << 20;
    char        *text = mem_alloc(n, 1);
    memset(text, 'a', n);
    memcpy(text, "{\"prediction\":\"", 15);
    const char *path = file_of("huge", text, n);
    free(text);
    return path;
}

#define IN_FOLDER(test) cmocka_unit_test_setup_teardown(test, set_up, tear_down)
#define REFERENCE_IN_FOLDER(test)                                                                                      \
    {                                                                                                                  \
#test, run_in_each_place, set_up, tear_down, &(reference_body) { test }                                        \
    }
#endif
