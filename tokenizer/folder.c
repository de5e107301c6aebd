/* What stands beside tokenizer.json in a model's folder: added tokens, and the tokens that begin
 * and end a text. Versions of transformers write these to different files. */
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "tokenizer/tokenizer_private.h"

/* A file of the folder; NULL where it has none. */
static int read_beside(json **out, char **path, const char *dir, const char *name)
{
    *out   = NULL;
    *path  = path_join(dir, name);
    int rc = file_exists(*path) ? json_read_file(out, *path, 64u << 20) : OK;
    if (!rc && *out && !json_is_object(*out)) rc = input_error("%s: must hold one JSON object", *path);
    return rc;
}

/* --- added tokens */

static bool is_known(const json *doc, const char *content)
{
    for (const json *a = json_items(json_find(doc, "added_tokens")); a; a = a->next) {
        const char *text = json_text(json_find(a, "content"));
        if (text && !strcmp(text, content)) return true;
    }
    return json_find(json_find(json_find(doc, "model"), "vocab"), content) != NULL;
}

static void add(json *doc, json *token)
{
    if (!json_is_array(json_find(doc, "added_tokens"))) json_replace(doc, "added_tokens", json_array());
    json_push((json *)(uintptr_t)json_find(doc, "added_tokens"), token);
}

/* Whether a special_tokens_map names this token: as a text, as {"content": ...}, or in a list. */
static bool is_named(const json *map, const char *content)
{
    for (const json *m = map ? map->child : NULL; m; m = m->next) {
        const char *text = json_text(json_is_object(m) ? json_find(m, "content") : m);
        if (text ? !strcmp(text, content) : json_is_array(m) && is_named(m, content)) return true;
    }
    return false;
}

/* tokenizer_config.json, since transformers 4.34: "5": {"content": ..., "special": ...}. */
static int add_decoder(json *doc, const char *dir)
{
    json *config;
    char *path;
    int   rc = read_beside(&config, &path, dir, "tokenizer_config.json");
    for (const json *m = json_members(rc ? NULL : json_find(config, "added_tokens_decoder")); m && !rc; m = m->next) {
        const char *content = json_text(json_find(m, "content"));
        char       *end;
        double      id = strtod(m->string, &end);
        if (!content || is_known(doc, content)) continue;
        if (*end || end == m->string) {
            rc = input_error("%s: \"added_tokens_decoder\": \"%.40s\": must be a token's id", path, m->string);
            break;
        }
        json *token = json_copy(m);
        json_replace(token, "id", json_of_number(id));
        add(doc, token);
    }
    free(path);
    json_free(config);
    return rc;
}

/* added_tokens.json, before: "text": 5. */
static int add_older(json *doc, const char *dir)
{
    json *added, *map     = NULL;
    char *path, *map_path = NULL;
    int   rc = read_beside(&added, &path, dir, "added_tokens.json");
    if (!rc && added) rc = read_beside(&map, &map_path, dir, "special_tokens_map.json");
    for (const json *m = json_members(rc ? NULL : added); m; m = m->next) {
        if (is_known(doc, m->string)) continue;
        json *token = json_object();
        json_set(token, "id", json_copy(m));
        json_set_str(token, "content", m->string);
        json_set_bool(token, "special", is_named(map, m->string));
        add(doc, token);
    }
    free(path);
    free(map_path);
    json_free(added);
    json_free(map);
    return rc;
}

int tokenizer_folder_added(json *doc, const char *dir)
{
    int rc = add_decoder(doc, dir);
    return rc ? rc : add_older(doc, dir);
}

/* --- the ends of a text */

/* Reads bos_token or eos_token, a string or {"content": ...}, unless *id is there already. */
static int read_token(const tokenizer *t, const json *file, const char *path, const char *key, int32_t *id)
{
    const json *j = json_find(file, key);
    if (json_is_object(j)) j = json_find(j, "content");
    if (*id >= 0 || !j || json_is_null(j)) return OK;
    if (!json_text(j)) return input_error("%s: \"%s\": must be a token's text", path, key);
    *id = tokenizer_id(t, j->valuestring);
    return *id < 0
               ? input_error("%s: \"%s\": \"%.60s\" is not in the vocabulary of %s", path, key, j->valuestring, t->path)
               : OK;
}

/* eos_token_id, the first one of a list, where the tokenizer has such a token. */
static void read_id_of(const tokenizer *t, const json *file, int32_t *id)
{
    const json *j = json_find(file, "eos_token_id");
    double      v = json_number(json_is_array(j) ? json_items(j) : j);
    if (v >= 0 && v < (double)t->n_ids && v == (double)(int32_t)v && t->texts[(int32_t)v].s) *id = (int32_t)v;
}

int tokenizer_folder_ends(tokenizer *t, const char *dir)
{
    static const char *const texts[] = { "tokenizer_config.json", "special_tokens_map.json" }, *const numbers[] = {
        "config.json", "generation_config.json"
    };
    int32_t bos = -1, eos = -1;
    int     rc = OK;
    for (int i = 0; i < 2 && !rc; i++) {
        json *file;
        char *path;
        rc = read_beside(&file, &path, dir, texts[i]);
        if (!rc && file) rc = read_token(t, file, path, "bos_token", &bos);
        if (!rc && file) rc = read_token(t, file, path, "eos_token", &eos);
        json_free(file);
        free(path);
    }
    if (bos >= 0) t->bos = bos;
    if (eos >= 0) t->eos = eos;
    for (int i = 0; i < 2 && !rc && t->eos < 0; i++) {
        json *file;
        char *path;
        rc = read_beside(&file, &path, dir, numbers[i]);
        if (!rc && file) read_id_of(t, file, &t->eos);
        json_free(file);
        free(path);
    }
    return rc;
}
