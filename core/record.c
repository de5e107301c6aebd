#include "core/record.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#include "core/error.h"
#include "core/file.h"
#include "core/machine.h"
#include "core/memory.h"

static const char        schema[]            = "tiebreak-record/1";
static const char *const kinds[RECORD_OTHER] = {
    [RECORD_TRAIN] = "train", [RECORD_EVAL] = "eval", [RECORD_BENCH] = "bench"
};

json *record_named(const char *path, const char *sha256)
{
    size_t n = strlen(path);
    while (n > 1 && path[n - 1] == '/') n--;
    char *own = mem_strndup(path, n);
    json *j   = json_object();
    record_put_text(j, field_source_name, path_base(own));
    record_put_text(j, field_source_sha256, sha256);
    free(own);
    return j;
}

/* --- ids */

void record_id(const json *asked, char out[17])
{
    /* One text for equal values: object keys sorted, no blanks. */
    static const json_style canonical = { .sorted = true, .comma = ",", .colon = ":" };
    str                     text      = { 0 };
    char                    hex[65];
    json_print_as(asked, &text, &canonical);
    sha256_hex(str_c(&text), text.n, hex);
    str_free(&text);
    memcpy(out, hex, 16);
    out[16] = '\0';
}

/* Base and data keep their hashes: other bytes are another cell. */
void record_cell_id(const json *asked, char out[17])
{
    json *copy = json_copy(asked), *adapter = json_take(copy, record_key(field_asked_adapter));
    json_free(json_take(adapter, record_key(field_adapter_seed)));
    json_free(json_take(adapter, record_key(field_adapter_sha256)));
    if (adapter) record_put(copy, field_asked_adapter, adapter);
    record_id(copy, out);
    json_free(copy);
}

json *record_new(record_kind kind, json *asked, json *result, const char *device, int threads, json *gpu)
{
    char      id[17], now[32];
    time_t    t = time(NULL);
    struct tm utc;
    record_id(asked, id);
    strftime(now, sizeof now, "%Y-%m-%dT%H:%M:%SZ", gmtime_r(&t, &utc));
    json *where = json_object();
    record_put_text(where, field_where_device, device);
    record_put_text(where, field_where_cpu, machine_cpu());
    record_put_count(where, field_where_threads, threads);
    record_put_text(where, field_where_os, machine_os());
    record_put_text(where, field_where_compiler, build_compiler());
    record_put_text(where, field_where_flags, build_flags());
    record_put_text(where, field_where_commit, build_commit());
    record_put_flag(where, field_where_dirty, build_dirty());
    record_put_text(where, field_where_version, TIEBREAK_VERSION);
    if (gpu) record_put(where, field_where_gpu, gpu);
    json *r = json_object();
    record_put_text(r, field_record_schema, schema);
    record_put_text(r, field_record_kind, kinds[kind]);
    record_put_text(r, field_record_id, id);
    record_put(r, field_record_asked, asked);
    record_put(r, field_record_result, result);
    record_put(r, field_record_where, where);
    record_put_text(r, field_record_created, now);
    return r;
}

record_kind record_kind_of(const json *record)
{
    const char *kind = record_text(record, field_record_kind, "");
    int         k    = 0;
    while (k < RECORD_OTHER && strcmp(kind, kinds[k])) k++;
    return (record_kind)k;
}

/* --- files */

int record_write(const json *record, const char *path) { return json_write_file(record, path); }

static int check(const json *r, const char *path)
{
    const char *text, *id;
    const json *asked, *other;
    if (!json_is_object(r)) return input_error("%s: a record must be a JSON object", path);
    int rc = json_get_str(r, path, record_key(field_record_schema), &text);
    if (rc) return rc;
    if (strcmp(text, schema)) return input_error("%s: \"schema\": %s: this program reads %s", path, text, schema);
    if ((rc = json_get_str(r, path, record_key(field_record_kind), &text)) ||
        (rc = json_get_str(r, path, record_key(field_record_id), &id)) ||
        (rc = json_get_object(r, path, record_key(field_record_asked), &asked)) ||
        (rc = json_get_object(r, path, record_key(field_record_result), &other)) ||
        (rc = json_get_object(r, path, record_key(field_record_where), &other)))
        return rc;
    char want[17];
    record_id(asked, want);
    if (strcmp(id, want))
        return input_error("%s: \"id\" %s is not the hash of \"asked\" (%s): the record was edited; measure it again",
                           path, id, want);
    record_kind kind = record_kind_of(r);
    return kind == RECORD_OTHER ? OK : record_check(r, object_record, kind, path);
}

/* A record's names stand in tables, pictures and pages, so none of its texts and keys may hold a
 * control character. where: the members on the way, "asked.adapter". */
static int check_texts(const json *j, const char *path, const char *where)
{
    int rc = OK;
    for (const json *m = json_is_array(j) ? json_items(j) : json_members(j); m && !rc; m = m->next) {
        str name = { 0 }, shown = { 0 };
        if (json_is_number(m) && !m->string) continue; /* a sample of a bench case: there are many */
        const unsigned in_key = utf8_control(m->string), c = in_key ? in_key : utf8_control(json_text(m));
        str_printf(&name, "%s%s%s", where, *where ? "." : "", m->string ? m->string : "item");
        json_quote(&shown, name.s, name.n);
        if (c)
            rc = input_error("%s: %s: %s holds the control character U+%04X; texts of records hold none", path, shown.s,
                             in_key ? "the name" : "the text", c);
        else
            rc = check_texts(m, path, name.s);
        str_free(&name);
        str_free(&shown);
    }
    return rc;
}

int record_read(json **out, const char *path)
{
    int rc = json_read_file(out, path, 64u << 20);
    if (!rc) rc = check(*out, path);
    if (!rc) rc = check_texts(*out, path, "");
    return json_unless(rc, out);
}

static bool is_json(const char *name)
{
    const size_t n = strlen(name);
    return n > 5 && !strcmp(name + n - 5, ".json");
}

/* Is this file one of ours? Its start says so, without parsing a model's multi-megabyte
 * tokenizer.json. */
static bool looks_like_record(const char *path)
{
    char  head[512];
    FILE *f = fopen(path, "rb");
    if (!f) return false;
    size_t n = fread(head, 1, sizeof head - 1, f);
    fclose(f);
    head[n] = '\0';
    return strstr(head, "\"tiebreak-record/") != NULL;
}

int record_scan(json ***out, int64_t *n, const char *dir)
{
    char **paths;
    size_t n_paths;
    *out           = NULL;
    *n             = 0;
    int    rc      = file_find(&paths, &n_paths, dir, is_json);
    json **records = mem_alloc(n_paths + 1, sizeof *records);
    for (size_t i = 0; i < n_paths; i++) {
        if (!rc && looks_like_record(paths[i]) && !(rc = record_read(&records[*n], paths[i]))) ++*n;
        free(paths[i]);
    }
    free(paths);
    if (rc) {
        for (int64_t i = 0; i < *n; i++) json_free(records[i]);
        free(records);
        *n = 0;
        return rc;
    }
    *out = records;
    return OK;
}

static bool is_cell(const char *name) { return !strcmp(name, "cell.json"); }

int record_scan_unfinished(json ***out, int64_t *n, const char *dir)
{
    char **paths;
    size_t n_paths;
    int    rc = file_find(&paths, &n_paths, dir, is_cell);
    *out      = mem_alloc(n_paths + 1, sizeof **out);
    *n        = 0;
    for (size_t i = 0; i < n_paths; i++) {
        json *asked  = NULL;
        char *folder = mem_strndup(paths[i], (size_t)(path_base(paths[i]) - 1 - paths[i])),
             *record = path_join(folder, "record.json");
        if (!file_exists(record) && !json_read_file(&asked, paths[i], 1u << 20) && json_is_object(asked) &&
            !check_texts(asked, paths[i], "")) {
            json_set_str(asked, "folder", folder);
            (*out)[(*n)++] = asked;
        } else {
            json_free(asked);
            error_clear();
        }
        free(record);
        free(folder);
        free(paths[i]);
    }
    free(paths);
    return rc;
}

json *record_summary(const json *record, const record_field *asked, int n, const char *out)
{
    json *j = json_object();
    for (int i = 0; i < n; i++)
        record_put(j, asked[i], json_copy(record_get(record_get(record, field_record_asked), asked[i])));
    for (const json *m = json_members(record_get(record, field_record_result)); m; m = m->next)
        json_set(j, m->string, json_copy(m));
    record_put_text(j, field_record_id, record_text(record, field_record_id, NULL));
    json_set_str(j, "out", out);
    return j;
}
