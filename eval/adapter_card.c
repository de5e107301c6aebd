#include "eval/adapter_card.h"

#include <ctype.h>
#include <dirent.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"

/* What a record keeps, and the key PEFT has for it where it has one. */
static const struct {
    const char *key, *peft;
} fields[] = { { "method", "peft_type" }, { "spec", NULL },  { "rank", "r" }, { "alpha", "lora_alpha" }, { "sites", "target_modules" },
               { "seed", NULL },          { "steps", NULL }, { "lr", NULL },  { "batch", NULL },         { "train", NULL } };

/* The member of our block, of what it says of the training, or PEFT's own. */
static const json *find(const json *config, const json *block, const char *key, const char *peft)
{
    const json *train = block ? json_find(block, "train") : NULL;
    if (block && json_has(block, key)) return json_find(block, key);
    if (train && json_has(train, key)) return json_find(train, key);
    return peft && json_has(config, peft) ? json_find(config, peft) : NULL;
}

static void set_lower(json *j, const char *key, const char *text)
{
    char *lower = mem_strdup(text);
    for (char *c = lower; *c; c++) *c = (char)tolower((unsigned char)*c);
    json_set_str(j, key, lower);
    free(lower);
}

int adapter_card_read(json **out, const char *dir)
{
    json *config;
    char  sha256[65];
    *out   = NULL;
    int rc = adapter_read_config(&config, dir);
    if (rc) return rc;
    if ((rc = adapter_hash(dir, sha256))) {
        json_free(config);
        return rc;
    }
    const json *block = json_has(config, "tiebreak") ? json_find(config, "tiebreak") : NULL;
    json       *card  = json_object();
    for (size_t i = 0; i < sizeof fields / sizeof *fields; i++) {
        const json *value = find(config, block, fields[i].key, fields[i].peft);
        if (value && !i && cJSON_IsString(value))
            set_lower(card, fields[i].key, value->valuestring);
        else
            json_set(card, fields[i].key, value ? cJSON_Duplicate(value, true) : cJSON_CreateNull());
    }
    json_set_str(card, "sha256", sha256);
    json_free(config);
    *out = card;
    return OK;
}

int full_card_read(json **base, json **adapted, const char *dir)
{
    json       *card;
    const json *b, *a;
    char       *path = path_join(dir, "tiebreak.json"), sha256[65];
    *base = *adapted = NULL;
    if (!file_exists(path)) {
        free(path);
        return OK;
    }
    int rc = json_read_file(&card, path, 16u << 20);
    if (!rc && !(rc = json_get_object(card, path, "base", &b)) && !(rc = json_get_object(card, path, "adapter", &a)) &&
        !(rc = adapter_hash(dir, sha256))) {
        *base    = cJSON_Duplicate(b, true);
        *adapted = cJSON_Duplicate(a, true);
        json_set_str(*adapted, "sha256", sha256);
    }
    json_free(card);
    free(path);
    return rc;
}

static bool any_nonzero(const backend *be, const pair_arrays *p, int64_t rows)
{
    double *row = mem_alloc((size_t)p->r, sizeof *row);
    bool    any = false;
    for (int64_t i = 0; i < rows && !any; i++) {
        be->download(row, real_at(be, p->B, i * p->ldb), p->r);
        for (int64_t k = 0; k < p->r; k++) any |= row[k] != 0;
    }
    free(row);
    return any;
}

bool adapter_changes_anything(const adapter *a)
{
    const pair_arrays *pairs = adapter_pairs(a);
    for (int64_t i = 0; i < a->cfg.layers * SITE_COUNT; i++)
        if (pairs[i].r && any_nonzero(a->be, &pairs[i], site_out(&a->cfg, (site_id)(i % SITE_COUNT)))) return true;
    return false;
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
