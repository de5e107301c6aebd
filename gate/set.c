#include "gate/set.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/apart.h"
#include "core/error.h"
#include "core/file.h"
#include "core/record.h"
#include "gate/pins.h"
#include "gate/run.h"

const gate_fact_row gate_fact_rows[GATE_FACTS] = {
    [FACT_BUILD] = { "build type", false },         [FACT_DTYPE] = { "dtype", false },
    [FACT_FORM] = { "form of file", true },         [FACT_MACHINE] = { "machine", true },
    [FACT_THREADS] = { "number of threads", true }, [FACT_CLOCK] = { "clock policy", true },
    [FACT_POWER] = { "power policy", true },        [FACT_DATA] = { "file of data", true },
};

const char *const gate_kind_words[] = { [GATE_TIME] = "time", [GATE_SCORE] = "score", [GATE_EXACT] = "exact" };

enum { JSON_BYTES_MAX = 256 << 20 };

/* --- building */

const char *gate_set_text(gate_set *s, const char *format, ...)
{
    str     text = { 0 };
    va_list args;
    va_start(args, format);
    str_vprintf(&text, format, args);
    va_end(args);
    const char *kept = arena_strndup(&s->memory, str_c(&text), text.n);
    str_free(&text);
    return kept;
}

gate_file *gate_set_file(gate_set *s, const char *path)
{
    if (s->n_files == s->files_cap) s->files = mem_grow(s->files, &s->files_cap, sizeof *s->files);
    gate_file *f = &s->files[s->n_files++];
    *f = (gate_file) { .path = gate_set_text(s, "%s", path), .made = -1, .block = -1, .stem = "", .variant = "" };
    return f;
}

gate_sample *gate_set_sample(gate_set *s, const char *part, gate_kind kind)
{
    if (s->n_samples == s->samples_cap) s->samples = mem_grow(s->samples, &s->samples_cap, sizeof *s->samples);
    gate_sample *x = &s->samples[s->n_samples++];
    *x             = (gate_sample) {
                    .file = (int64_t)s->n_files - 1, .part = gate_set_text(s, "%s", part), .kind = kind, .unit = ""
    };
    return x;
}

void gate_set_free(gate_set *s)
{
    for (size_t i = 0; i < s->n_files; i++) json_free(s->files[i].asked);
    free(s->files);
    free(s->samples);
    string_table_free(&s->contents);
    arena_free(&s->memory);
    *s = (gate_set) { .field = s->field };
}

/* --- files */

static bool ends(const char *name, const char *end)
{
    const size_t n = strlen(name), k = strlen(end);
    return n > k && !strcmp(name + n - k, end);
}

static bool is_log(const char *name)
{
    return !strcmp(name, "samples.jsonl") || (!strncmp(name, "samples_", 8) && ends(name, ".jsonl"));
}

static bool wanted(const char *name) { return ends(name, ".json") || ends(name, ".counts") || is_log(name); }

/* The file `name` beside another is there. */
static bool beside(const char *path, const char *name)
{
    char *folder     = mem_strndup(path, (size_t)(path_base(path) - path)),
         *other      = path_join(*folder ? folder : ".", name);
    const bool there = file_exists(other);
    free(folder);
    free(other);
    return there;
}

static int read_document(gate_set *s, const json *doc, const char *path, bool alone)
{
    const char *schema = json_text(json_find(doc, "schema"));
    if (schema && !strncmp(schema, "tiebreak-record/", 16)) {
        json *record;
        int   rc = record_read(&record, path);
        if (!rc) rc = gate_read_record(s, record, path);
        json_free(record);
        return rc;
    }
    if (json_find(doc, "benchmarks") || json_find(doc, "context")) return gate_read_gbench(s, doc, path);
    if (alone)
        return input_error(
            "%s: is neither a record of this program nor a report of Google Benchmark (--benchmark_out_format=json)",
            path);
    /* What lies beside a record belongs to its run, and a results file to a sample log. */
    if (beside(path, "record.json") || !strncmp(path_base(path), "results_", 8)) return OK;
    if (!s->skipped++) s->first_skipped = gate_set_text(s, "%s", path);
    return OK;
}

/* Google Benchmark writes NaN and Infinity, which JSON has not, for the deviation of a counter that
 * is always 0 and the like. Copies the text with null in their place. */
static str without_nan(const str *text)
{
    static const char *const words[] = { "-NaN", "NaN", "-Infinity", "Infinity" };
    str                      out     = { 0 };
    bool                     quoted  = false;
    for (size_t i = 0; i < text->n; i++) {
        const char c = text->s[i];
        size_t     n = 0;
        for (size_t w = 0; !quoted && !n && w < sizeof words / sizeof *words; w++)
            if (!strncmp(text->s + i, words[w], strlen(words[w]))) n = strlen(words[w]);
        if (n) {
            str_puts(&out, "null");
            i += n - 1;
            continue;
        }
        str_putc(&out, c);
        if (quoted && c == '\\' && i + 1 < text->n)
            str_putc(&out, text->s[++i]);
        else if (c == '"')
            quoted = !quoted;
    }
    return out;
}

int gate_read_json(gate_set *s, const str *text, const char *path, bool alone)
{
    str   plain = { 0 };
    json *doc   = NULL;
    char  hex[65];
    int   rc = OK;
    if (!text->n) return input_error("%s: is empty; the program that should have written it may have failed", path);
    if (strstr(text->s, "NaN") || strstr(text->s, "Infinity")) plain = without_nan(text);
    if (plain.n) text = &plain;
    rc = json_parse(&doc, text->s, text->n, path);
    if (!rc) {
        sha256_hex(text->s, text->n, hex);
        const char *key = gate_set_text(s, "%s", hex);
        if (string_table_put(&s->contents, key, 64, 0) >= 0)
            s->copies++;
        else
            rc = read_document(s, doc, path, alone);
    }
    json_free(doc);
    str_free(&plain);
    return rc;
}

static int read_json(gate_set *s, const char *path, bool alone)
{
    str text = { 0 };
    int rc   = file_read(path, JSON_BYTES_MAX, &text);
    if (!rc) rc = gate_read_json(s, &text, path, alone);
    str_free(&text);
    return rc;
}

/* One file. root: the folder that is searched through; NULL: the file was named by itself. */
static int read_file(gate_set *s, const char *path, const char *root, int64_t block)
{
    const size_t before = s->n_files;
    int          rc     = OK;
    if (ends(path, ".counts"))
        rc = gate_read_counts(s, path);
    else if (!ends(path, ".jsonl"))
        rc = read_json(s, path, !root);
    else if (!root || strcmp(path_base(path), "samples.jsonl") || !beside(path, "record.json"))
        rc = gate_read_log(s, path, root ? root : ""); /* the record beside a log leads to it */
    for (size_t i = before; i < s->n_files; i++) s->files[i].block = block;
    for (size_t i = s->n_samples; i-- > 0 && s->samples[i].file >= (int64_t)before;)
        s->samples[i].process.block = block;
    return rc;
}

int gate_set_add(gate_set *s, const char *path, int64_t block) { return read_file(s, path, NULL, block); }

int gate_set_read(gate_set *s, const char *path)
{
    if (!file_is_dir(path)) return read_file(s, path, NULL, -1);
    char **paths;
    size_t n;
    int    rc = file_find(&paths, &n, path, wanted);
    for (size_t i = 0; i < n; i++) {
        if (!rc) rc = read_file(s, paths[i], path, gate_run_block(paths[i]));
        free(paths[i]);
    }
    free(paths);
    if (!rc && !s->n_samples)
        rc = input_error(
            "%s: holds nothing to compare: no record, no sample log (samples*.jsonl), no report of Google Benchmark%s%s%s",
            path, s->first_skipped ? " (looked at " : "", s->first_skipped ? s->first_skipped : "",
            s->first_skipped ? ")" : "");
    return rc;
}

/* --- names */

/* Enters the stems of which one side holds two variants. */
static void find_several(const gate_set *s, string_table *several)
{
    string_table first = { 0 };
    for (size_t i = 0; i < s->n_files; i++) {
        const gate_file *f  = &s->files[i];
        const int64_t    at = f->asked ? string_table_put(&first, f->stem, strlen(f->stem), (int64_t)i) : -1;
        if (at >= 0 && strcmp(s->files[at].variant, f->variant) != 0)
            string_table_put(several, f->stem, strlen(f->stem), 0);
    }
    string_table_free(&first);
}

static int by_object(const void *x, const void *y)
{
    const uintptr_t a = (uintptr_t)((const apart *)x)->object, b = (uintptr_t)((const apart *)y)->object;
    return (a > b) - (a < b);
}

void gate_set_names(gate_set *base, gate_set *head)
{
    gate_set    *sides[] = { base, head };
    string_table several = { 0 };
    size_t       n       = 0;
    apart       *things  = mem_alloc(base->n_files + head->n_files + 1, sizeof *things);
    find_several(base, &several);
    find_several(head, &several);
    for (int side = 0; side < 2; side++) {
        for (size_t i = 0; i < sides[side]->n_files; i++) {
            const gate_file *f = &sides[side]->files[i];
            if (!f->asked) continue;
            const bool  all  = *f->variant && string_table_get(&several, f->stem, strlen(f->stem)) >= 0;
            const char *name = all ? gate_set_text(sides[side], "%s/%s", f->stem, f->variant) : f->stem;
            things[n++]      = (apart) { name, side ? "head" : "base", f->asked, NULL };
        }
    }
    tell_apart(things, n);
    qsort(things, n, sizeof *things, by_object);
    for (int side = 0; side < 2; side++) {
        gate_set *s = sides[side];
        for (size_t i = 0; i < s->n_samples; i++) {
            gate_sample *x     = &s->samples[i];
            const apart  key   = { .object = s->files[x->file].asked },
                        *thing = key.object ? bsearch(&key, things, n, sizeof key, by_object) : NULL;
            x->name            = !thing         ? x->part
                                 : *thing->text ? gate_set_text(s, "%s (%s)/%s", thing->name, thing->text, x->part)
                                                : gate_set_text(s, "%s/%s", thing->name, x->part);
        }
    }
    for (size_t k = 0; k < n; k++) free(things[k].text);
    free(things);
    string_table_free(&several);
}
