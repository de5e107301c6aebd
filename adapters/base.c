#include "adapters/base.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/record.h"
#include "adapters/adapter.h"

/* The last part of a path or of "owner/name", without slashes at the end. */
static const char *last_part(const char *path, size_t *n)
{
    *n = strlen(path);
    while (*n > 1 && path[*n - 1] == '/') --*n;
    size_t at = *n;
    while (at > 0 && path[at - 1] != '/') at--;
    *n -= at;
    return path + at;
}

static bool same_last(const char *a, const char *b)
{
    size_t      n, k;
    const char *x = last_part(a, &n), *y = last_part(b, &k);
    return n == k && !strncasecmp(x, y, n);
}

/* .../models--owner--name/snapshots/0123... */
static bool in_cache(const char *name, const char *dir)
{
    str wanted = { 0 };
    str_puts(&wanted, "models--");
    for (const char *c = name; *c; c++) str_puts(&wanted, *c == '/' ? "--" : (char[]) { *c, '\0' });
    str_putc(&wanted, '/');
    bool yes = strstr(dir, str_c(&wanted)) != NULL;
    str_free(&wanted);
    return yes;
}

bool adapter_base_is_named(const char *name, const char *model_dir)
{
    char *whole = realpath(model_dir, NULL), *path = path_join(model_dir, "config.json");
    json *config = NULL;
    bool  yes    = same_last(name, model_dir) || (whole && (same_last(name, whole) || in_cache(name, whole)));
    if (!yes && file_exists(path) && !json_read_file(&config, path, (size_t)1 << 20)) {
        const char *own = json_text(json_find(config, "_name_or_path"));
        yes             = own && *own && same_last(name, own);
    }
    json_free(config);
    free(path);
    free(whole);
    return yes;
}

/* The hash that the folder's training recorded, into out; "" when there is none. */
static void recorded_hash(const char *dir, char out[65])
{
    char *path   = path_join(dir, "record.json");
    json *record = NULL;
    *out         = '\0';
    if (file_exists(path) && json_read_file(&record, path, 16u << 20))
        warn("%s; so which base the adapter was trained on is not known", error_text());
    const json *asked = json_find(record, "asked");
    const char *hash  = json_text(record_get(record_get(asked, field_asked_base), field_source_sha256));
    if (hash && strlen(hash) == 64) memcpy(out, hash, 65);
    json_free(record);
    free(path);
}

int adapter_check_base(const char *dir, model *m, bool changed)
{
    char hash[65];
    if (changed) return OK;
    recorded_hash(dir, hash);
    if (*hash && strcmp(hash, model_hash(m)))
        return input_error("%s/record.json: the adapter was trained on a base with sha256 %.16s..., and that of %s is "
                           "%.16s...; name that base with --model, or give --base-changed where both are one model",
                           dir, hash, m->dir, model_hash(m));
    if (*hash) return OK;
    json       *config = NULL;
    int         rc     = adapter_read_config(&config, dir);
    const char *name   = rc ? NULL : adapter_config_base(config);
    if (name && *name && !adapter_base_is_named(name, m->dir))
        warn("%s: the adapter names the base %s, and this base is %s; --base-changed says that they are the same", dir,
             name, m->dir);
    json_free(config);
    return rc;
}
