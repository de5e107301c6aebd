#include "score/lines.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"

/* the first block is small, because a small file needs no large one */
enum { FIRST = 64 << 10, BLOCK = 4 << 20 };

int line_blocks_open(line_blocks *b, const char *path)
{
    bool in = !strcmp(path, "-");
    *b      = (line_blocks) { .name = in ? "stdin" : path };
    if (!in && !file_exists(path)) return input_error("%s: not found", path);
    if (!in && file_is_dir(path)) return input_error("%s: is a folder; a file is needed", path);
    b->file = in ? stdin : fopen(path, "rb");
    if (!b->file) return input_error("%s: cannot be read: %s", path, strerror(errno));
    return OK;
}

/* Fills the buffer up to its capacity. */
static int fill(line_blocks *b)
{
    b->filled += fread(b->bytes + b->filled, 1, b->cap - b->filled, b->file);
    if (ferror((FILE *)b->file)) return input_error("%s: cannot be read: %s", b->name, strerror(errno));
    b->ended = b->filled < b->cap;
    return OK;
}

/* Gets at least one whole line into the buffer, or all that is left. */
static int fill_line(line_blocks *b)
{
    if (!b->cap) b->bytes = mem_resize(NULL, b->cap = FIRST, 1);
    memmove(b->bytes, b->bytes + b->used, b->filled - b->used);
    b->filled -= b->used;
    b->used = 0;
    int rc  = b->ended ? OK : fill(b);
    while (!rc && !b->ended && (b->cap < BLOCK || !memrchr(b->bytes, '\n', b->filled))) {
        if (b->cap > LINE_BYTES_MAX) break;
        b->cap   = b->cap < BLOCK ? BLOCK : b->cap * 2 + 1;
        b->bytes = mem_resize(b->bytes, b->cap, 1);
        rc       = fill(b);
    }
    return rc;
}

static void skip_mark(line_blocks *b)
{
    if (!b->begun && b->filled >= 3 && !memcmp(b->bytes, "\xEF\xBB\xBF", 3)) b->used = 3;
    b->begun = true;
}

int line_blocks_peek(line_blocks *b, slice *start)
{
    int rc = fill_line(b);
    skip_mark(b);
    *start = (slice) { b->bytes + b->used, b->filled - b->used };
    return rc;
}

int line_blocks_rest(line_blocks *b, size_t max_bytes, str *out)
{
    int rc = OK;
    do {
        rc = fill_line(b);
        skip_mark(b);
        str_add(out, b->bytes + b->used, b->filled - b->used);
        b->used = b->filled;
    } while (!rc && !b->ended && out->n <= max_bytes);
    if (!rc && out->n > max_bytes)
        rc = input_error("%s: is larger than %zu MiB, the most that is read at once", b->name, max_bytes >> 20);
    return rc;
}

static int add_line(line_blocks *b, const char *line, size_t n)
{
    int64_t number = b->read + b->n + 1;
    if (n > LINE_BYTES_MAX)
        return input_error("%s: line %lld: is longer than %d MiB, the most a line may be: is it one item?", b->name,
                           (long long)number, LINE_BYTES_MAX >> 20);
    const char *nul = n ? memchr(line, 0, n) : NULL;
    if (nul)
        return input_error("%s: line %lld, byte %lld: a NUL byte; the file must be text", b->name, (long long)number,
                           (long long)(nul - line) + 1);
    if (n && line[n - 1] == '\r') n--;
    if ((size_t)b->n == b->cap_lines) b->lines = mem_grow(b->lines, &b->cap_lines, sizeof *b->lines);
    b->lines[b->n++] = (slice) { line, n };
    return OK;
}

int line_blocks_next(line_blocks *b)
{
    b->read += b->n;
    b->n   = 0;
    int rc = fill_line(b);
    skip_mark(b);
    while (!rc && b->used < b->filled) {
        const char *line = b->bytes + b->used, *end = memchr(line, '\n', b->filled - b->used);
        if (!end && !b->ended && b->n) break; /* its rest comes with the next block */
        size_t n = end ? (size_t)(end - line) : b->filled - b->used;
        rc       = add_line(b, line, n);
        b->used += n + (end != NULL);
    }
    return rc;
}

void line_blocks_close(line_blocks *b)
{
    if (b->file && b->file != stdin) fclose(b->file);
    free(b->bytes);
    free(b->lines);
    *b = (line_blocks) { 0 };
}

/* --- JSON lines */

int json_lines_open(json_lines *in, const char *path)
{
    *in = (json_lines) { 0 };
    return line_blocks_open(&in->text, path);
}

void json_lines_from(json_lines *in, line_blocks *opened)
{
    *in     = (json_lines) { .text = *opened };
    *opened = (line_blocks) { 0 };
}

static void drop_docs(json_lines *in)
{
    for (int64_t i = 0; i < in->n; i++) json_free(in->docs[i]);
    in->n = 0;
}

static bool is_blank(slice line)
{
    for (size_t i = 0; i < line.n; i++)
        if (!strchr(" \t\r", line.s[i])) return false;
    return true;
}

/* Finds a word that Python's json module writes for a number that is not finite; such words are no
 * JSON. *at receives where it stands outside the strings. */
static const char *not_finite(const char *text, size_t n, size_t *at)
{
    static const char *const words[] = { "NaN", "-Infinity", "Infinity" };
    bool                     quoted  = false;
    for (size_t i = 0; i < n; i++) {
        if (text[i] == '"') quoted = !quoted;
        if (quoted && text[i] == '\\') i++;
        for (int w = 0; w < 3 && !quoted && i < n; w++)
            if (n - i >= strlen(words[w]) && !memcmp(text + i, words[w], strlen(words[w]))) return *at = i, words[w];
    }
    return NULL;
}

int json_parse_finite(json **out, const char *text, size_t n, const char *where, int64_t first_line)
{
    int         rc   = json_parse_from(out, text, n, where, first_line);
    size_t      at   = 0;
    const char *word = rc && utf8_valid_prefix(text, n) == n ? not_finite(text, n, &at) : NULL;
    if (!word) return rc;
    for (size_t i = 0; i < at; i++) first_line += text[i] == '\n';
    return input_error("%s: line %lld: holds %s, which is no JSON and no score: every number must be finite", where,
                       (long long)first_line, word);
}

/* Parses lines in parallel; reports the first one that is wrong, whichever thread met it. */
static int parse_lines(json_lines *in, const slice *lines)
{
    int64_t bad = in->n;
    char   *why = NULL;
#pragma omp parallel for schedule(dynamic, 16)
    for (int64_t i = 0; i < in->n; i++) {
        if (!json_parse_finite(&in->docs[i], lines[i].s, lines[i].n, in->text.name, in->numbers[i])) continue;
#pragma omp critical
        if (i < bad) {
            bad = i;
            free(why);
            why = mem_strdup(error_text());
        }
    }
    int rc = why ? input_error("%s", why) : OK;
    free(why);
    return rc;
}

int json_lines_next(json_lines *in)
{
    drop_docs(in);
    int rc = OK;
    while (!rc && !in->n) {
        if ((rc = line_blocks_next(&in->text)) || !in->text.n) return rc;
        line_blocks *b = &in->text;
        if ((size_t)b->n > in->cap) {
            in->cap     = (size_t)b->n;
            in->docs    = mem_resize(in->docs, in->cap, sizeof *in->docs);
            in->numbers = mem_resize(in->numbers, in->cap, sizeof *in->numbers);
        }
        for (int64_t i = 0; i < b->n; i++) {
            if (is_blank(b->lines[i])) continue;
            b->lines[in->n]      = b->lines[i];
            in->docs[in->n]      = NULL;
            in->numbers[in->n++] = b->read + i + 1;
        }
        rc = parse_lines(in, b->lines);
    }
    return rc;
}

void json_lines_close(json_lines *in)
{
    drop_docs(in);
    free(in->docs);
    free(in->numbers);
    line_blocks_close(&in->text);
    *in = (json_lines) { 0 };
}

const char *json_line_where(const json_lines *in, int64_t i, char where[LINE_WHERE])
{
    snprintf(where, LINE_WHERE, "%.400s: line %lld", in->text.name, (long long)in->numbers[i]);
    return where;
}

int json_members_once(const json *line, const char *where)
{
    static const char *const names[] = { "id",     "prediction", "references",     "loglikelihoods",
                                         "gold",   "target",     "scores",         "stats",
                                         "doc_id", "resps",      "filtered_resps", "filter",
                                         "metrics" };
    unsigned                 seen    = 0;
    for (const json *m = json_members(line); m; m = m->next) {
        for (unsigned k = 0; k < sizeof names / sizeof *names; k++) {
            if (strcmp(m->string, names[k]) != 0) continue;
            if (seen & 1u << k) return input_error("%s: \"%s\" stands there twice", where, names[k]);
            seen |= 1u << k;
        }
    }
    return OK;
}

int json_id(const json *value, const char *where, const char *key, str *out)
{
    const char *text = json_text(value);
    double      v    = json_number(value);
    if (text && *text) {
        str_puts(out, text);
        return OK;
    }
    if (v == floor(v) && fabs(v) <= 9007199254740992.0) {
        str_printf(out, "%.0f", v == 0 ? 0.0 : v);
        return OK;
    }
    return json_refuse(value, where, key, "a text or a whole number (one above 2^53 must be written as a text)");
}
