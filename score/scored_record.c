#include "score/scored_private.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/record.h"

/* What stands after "|key:" in a signature; NULL when there is no such part. */
static const char *part_of(const char *signature, const char *key)
{
    char mark[32];
    snprintf(mark, sizeof mark, "|%s:", key);
    const char *at = strstr(signature, mark);
    return at ? at + strlen(mark) : NULL;
}

static bool part_is(const char *part, const char *word)
{
    size_t n = strlen(word);
    return part && !strncmp(part, word, n) && (part[n] == '|' || !part[n]);
}

/* Sets the row whose rules the signature begins with, under the name that the log has for it ("em"
 * by either of SQuAD's rules). */
static void set_rules(metric *row, const char *signature)
{
    if (!strncmp(signature, row->rules, strlen(row->rules))) return;
    for (int i = 0; metric_row(i); i++) {
        const metric *other = metric_row(i);
        if (other->n_stats != row->n_stats || strncmp(signature, other->rules, strlen(other->rules)) != 0) continue;
        const char *name = row->name;
        *row             = *other;
        row->name        = name;
        return;
    }
}

/* Reads the options that a task file may set. */
static void set_options(metric *row, const char *signature)
{
    for (int k = 0; metric_multi_names[k]; k++)
        if (part_is(part_of(signature, "refs"), metric_multi_names[k])) row->options.multi = (metric_multi)k;
    row->options.stemmer = part_of(signature, "stem") && !part_is(part_of(signature, "stem"), "no");
}

static void apply(scored *s, metric *row, const char *signature, const char *path)
{
    str         now  = { 0 };
    const char *refs = part_of(signature, "nrefs");
    set_rules(row, signature);
    set_options(row, signature);
    if (refs) s->n_refs = strtol(refs, NULL, 10);
    metric_signature(row, s->n_refs, &now);
    if (strcmp(str_c(&now), signature) != 0)
        warn("%s: %s was made by %s, and is read by %s", path, row->name, signature, str_c(&now));
    str_free(&now);
}

/* Reads the JSON file of that name beside the log; *out is NULL where there is none. The caller
 * frees *path. */
static int read_beside(const char *log, const char *name, char **path, json **out)
{
    char *folder = mem_strndup(log, (size_t)(path_base(log) - log));
    *path        = path_join(*folder ? folder : ".", name);
    *out         = NULL;
    free(folder);
    return file_exists(*path) ? json_read_file(out, *path, (size_t)64 << 20) : OK;
}

int scored_read_record(scored *s, const char *log)
{
    char *path;
    json *record;
    int   rc = read_beside(log, "record.json", &path, &record);
    for (int m = 0; m < s->metrics.n && record; m++) {
        const json *metrics = record_get(record_get(record, field_record_result), field_result_metrics);
        const char *sign    = record_text(json_find(metrics, s->metrics.rows[m].name), field_metric_signature, NULL);
        if (sign) apply(s, &s->metrics.rows[m], sign, path);
    }
    json_free(record);
    free(path);
    return rc;
}

/* "exact_match,strict-match" -> "exact_match" */
static const json *find_metric(const json *all, const char *name)
{
    char       *own   = mem_strndup(name, strcspn(name, ","));
    const json *found = json_find(all, own);
    free(own);
    return found;
}

int scored_read_results(scored *s, const char *log)
{
    static const char prefix[] = "samples_", suffix[] = ".jsonl";
    const char       *base = path_base(log), *date = strrchr(base, '_');
    size_t            n = strlen(base);
    if (strncmp(base, prefix, sizeof prefix - 1) || date < base + sizeof prefix || n < sizeof suffix ||
        strcmp(base + n - (sizeof suffix - 1), suffix))
        return OK;
    char *task = mem_strndup(base + sizeof prefix - 1, (size_t)(date - base) - (sizeof prefix - 1)), *path;
    str   name = { 0 };
    json *results;
    str_printf(&name, "results_%.*s.json", (int)(n - (size_t)(date + 1 - base) - (sizeof suffix - 1)), date + 1);
    int rc = read_beside(log, name.s, &path, &results);
    for (int m = 0; m < s->metrics.n && results; m++) {
        const json *higher = find_metric(json_find(json_find(results, "higher_is_better"), task),
                                         s->metrics.rows[m].name);
        if (json_is_bool(higher)) s->metrics.rows[m].higher = json_is_true(higher);
    }
    json_free(results);
    str_free(&name);
    free(task);
    free(path);
    return rc;
}
