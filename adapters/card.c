#include "adapters/card.h"

#include <dirent.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"

/* What the adapter says of itself, whichever program made it. */
static json *own_card(const adapter *a)
{
    char  spec[METHOD_SPEC_MAX], sites[64];
    json *card = json_object();
    method_spec(&a->spec.method, spec, sizeof spec);
    site_set_print(a->spec.sites, sites, sizeof sites);
    json_set_str(card, "method", a->spec.method.name);
    json_set_str(card, "spec", spec);
    json_set_int(card, "rank", a->spec.rank);
    json_set_num(card, "alpha", method_takes_alpha(&a->spec.method) ? a->spec.alpha : NAN);
    json_set_str(card, "sites", sites);
    return card;
}

int adapter_card_read(json **out, const char *dir, const adapter *a)
{
    static const char *const training[] = { "seed", "steps", "lr", "batch", "train" };
    json                    *config;
    char                     sha256[65];
    *out   = NULL;
    int rc = adapter_read_config(&config, dir);
    if (!rc) rc = adapter_hash(dir, sha256);
    if (!rc) {
        const json *block = json_has(config, "tiebreak") ? json_find(config, "tiebreak") : NULL;
        *out              = own_card(a);
        for (size_t i = 0; i < sizeof training / sizeof *training; i++) {
            const json *value = block ? json_find(block, training[i]) : NULL;
            json_set(*out, training[i], json_copy(value));
        }
        json_set_str(*out, "sha256", sha256);
    }
    json_free(config);
    return rc;
}

int full_card_read(json **base, json **adapted, const char *dir)
{
    json       *card;
    const json *b, *a;
    char       *path = path_join(dir, "tiebreak.json");
    *base = *adapted = NULL;
    if (!file_exists(path)) {
        free(path);
        return OK;
    }
    int rc = json_read_file(&card, path, 16u << 20);
    if (!rc) rc = json_get_object(card, path, "base", &b);
    if (!rc) rc = json_get_object(card, path, "adapter", &a);
    if (!rc) {
        *base    = json_copy(b);
        *adapted = json_copy(a);
    }
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
