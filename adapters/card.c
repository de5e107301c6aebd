#include "adapters/card.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "core/record.h"

static const char full_card[] = "tiebreak.json";

json *adapter_card(const adapter *a)
{
    char  spec[METHOD_SPEC_MAX], sites[64];
    json *card = json_object();
    if (a) method_spec(&a->spec.method, spec, sizeof spec);
    if (a) site_set_print(a->spec.sites, sites, sizeof sites);
    record_put_text(card, field_adapter_method, a ? a->spec.method.name : "full");
    record_put_text(card, field_adapter_spec, a ? spec : NULL);
    record_put(card, field_adapter_rank, a ? json_of_number((double)a->spec.rank) : NULL);
    record_put_number(card, field_adapter_alpha, a && method_takes_alpha(&a->spec.method) ? a->spec.alpha : NAN);
    record_put_text(card, field_adapter_sites, a ? sites : NULL);
    return card;
}

int adapter_card_read(json **out, const char *dir, const adapter *a)
{
    static const record_field training[] = { field_adapter_seed, field_adapter_steps, field_adapter_lr,
                                             field_adapter_batch, field_adapter_train };
    json                     *config;
    char                      sha256[65];
    *out   = NULL;
    int rc = adapter_read_config(&config, dir);
    if (!rc) rc = adapter_hash(dir, sha256);
    if (!rc) {
        const json *block = json_find(config, "tiebreak");
        *out              = adapter_card(a);
        for (size_t i = 0; i < sizeof training / sizeof *training; i++)
            record_put(*out, training[i], json_copy(record_get(block, training[i])));
        record_put_text(*out, field_adapter_sha256, sha256);
        rc = record_check(*out, object_adapter, RECORD_EVAL, dir);
    }
    json_free(config);
    return json_unless(rc, out);
}

int full_card_read(json **base, json **adapted, const char *dir)
{
    json *card = NULL;
    char *path = path_join(dir, full_card);
    *base = *adapted = NULL;
    int         rc   = file_exists(path) ? json_read_file(&card, path, 16u << 20) : OK;
    const json *b, *a;
    if (!rc && card) rc = json_get_object(card, path, record_key(field_asked_base), &b);
    if (!rc && card) rc = json_get_object(card, path, record_key(field_asked_adapter), &a);
    if (!rc && card) rc = record_check(b, object_source, RECORD_EVAL, path);
    if (!rc && card) rc = record_check(a, object_adapter, RECORD_EVAL, path);
    if (!rc && card) {
        *base    = json_copy(b);
        *adapted = json_copy(a);
    }
    json_free(card);
    free(path);
    return rc;
}

int full_card_write(const json *asked, const char *dir)
{
    json *card = json_object();
    char *path = path_join(dir, full_card);
    record_put(card, field_asked_base, json_copy(record_get(asked, field_asked_base)));
    record_put(card, field_asked_adapter, json_copy(record_get(asked, field_asked_adapter)));
    int rc = json_write_file(card, path);
    json_free(card);
    free(path);
    return rc;
}

int64_t weights_bytes(const char *dir)
{
    static const char suffix[] = ".safetensors";
    const size_t      k        = sizeof suffix - 1;
    int64_t           sum      = 0;
    DIR              *d        = dir ? opendir(dir) : NULL;
    for (struct dirent *e; d && (e = readdir(d));) {
        size_t      n = strlen(e->d_name);
        struct stat info;
        char       *path = path_join(dir, e->d_name);
        if (n > k && !strcmp(e->d_name + n - k, suffix) && !stat(path, &info)) sum += info.st_size;
        free(path);
    }
    if (d) closedir(d);
    return sum;
}
