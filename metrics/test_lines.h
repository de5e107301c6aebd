/* For tests: reads reference files as JSON. */
#ifndef TIEBREAK_METRICS_TEST_LINES_H
#define TIEBREAK_METRICS_TEST_LINES_H
#include "core/file.h"
#include "core/json.h"
#include "core/test.h"
#include "metrics/pytext.h"

/* Reads the lines of a JSONL file into one array, which the caller frees. */
static inline json *read_lines(const char *path)
{
    str         text  = { 0 };
    json       *array = json_array(), *one;
    size_t      at    = 0, n;
    const char *line;
    assert_ok(file_read(path, 64u << 20, &text));
    while (next_line(str_c(&text), text.n, &at, &line, &n)) {
        assert_ok(json_parse(&one, line, n, path));
        json_push(array, one);
    }
    str_free(&text);
    assert_true(array->child != NULL);
    return array;
}

static inline json *read_json(const char *path)
{
    json *doc;
    assert_ok(json_read_file(&doc, path, 64u << 20));
    return doc;
}

/* A member that must be there, by path "a/b/c". */
static inline const json *at(const json *j, const char *path)
{
    char key[128];
    while (*path) {
        size_t n = strcspn(path, "/");
        snprintf(key, sizeof key, "%.*s", (int)n, path);
        j = json_find(j, key);
        if (!j) fail_msg("%s is not in the reference file", key);
        path += n + (path[n] == '/');
    }
    return j;
}
static inline double number_at(const json *j, const char *path) { return at(j, path)->valuedouble; }
static inline slice  text_at(const json *j, const char *path) { return slice_of(at(j, path)->valuestring); }

#define assert_text(got, want)                                                                                         \
    do {                                                                                                               \
        slice got_ = (got), want_ = (want);                                                                            \
        if (got_.n != want_.n || memcmp(got_.s, want_.s, got_.n))                                                      \
            fail_msg("got \"%.*s\", wanted \"%.*s\"", (int)got_.n, got_.s, (int)want_.n, want_.s);                     \
    } while (0)
#endif
