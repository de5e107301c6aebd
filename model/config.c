#include "model/config.h"

#include <stdlib.h>
#include <stdio.h>
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "model/config_json.h"
#include "model/folder.h"
#include "model/model_weights.h"
#include "model/presets.h"

/* --- counts */

/* RoBERTa: LayerNorms and every linear with a bias, learned positions, one token type, a pooler;
 * no head. */
static int64_t encoder_parameters(const model_config *c)
{
    int64_t d = c->hidden, layer = 4 * (d * d + d) + (d * c->inter + c->inter) + (c->inter * d + d) + 2 * 2 * d;
    return (c->vocab + c->positions + 1) * d + 2 * d + c->layers * layer + d * d + d;
}

int64_t config_parameters(const model_config *c) { return c->counting_only ? encoder_parameters(c) : weight_count(c); }

/* --- config.json */

/* One id or a list of them; absent, null: none. */
static int read_eos(model_config *c, const json *j, const char *path)
{
    const json *eos = json_find(j, "eos_token_id");
    if (!eos || json_is_null(eos)) return OK;
    c->n_eos = 0;
    for (const json *e = json_is_array(eos) ? eos->child : eos; e; e = json_is_array(eos) ? e->next : NULL) {
        if (c->n_eos == EOS_MAX) return input_error("%s: \"eos_token_id\": more than %d ids", path, EOS_MAX);
        double id = json_number(e);
        if (!(id >= 0 && id < (double)c->vocab) || id != (double)(int32_t)id)
            return input_error("%s: \"eos_token_id\": must be a token id, 0..%lld, or a list of them", path,
                               (long long)c->vocab - 1);
        c->eos[c->n_eos++] = (int32_t)id;
    }
    return OK;
}

/* shape_only: what parameters are counted by, without what else a forward needs. */
static int parse(model_config *c, const char *text, size_t n, const char *where, bool shape_only)
{
    *c                = (model_config) { .bos = -1 };
    json       *j     = NULL;
    const json *inner = NULL;
    int64_t     bos   = -1;
    int         rc    = json_parse(&j, text, n, where);
    if (!rc && !json_is_object(j)) rc = input_error("%s: must hold one JSON object", where);
    if (!rc) rc = config_read_model(c, j, where, shape_only, &inner);
    if (!rc && !shape_only && json_has(inner, "bos_token_id"))
        rc = json_get_int(inner, where, "bos_token_id", 0, c->vocab - 1, &bos);
    if (!rc && !shape_only) rc = read_eos(c, inner, where);
    if (!rc && !shape_only && inner != j) rc = read_eos(c, j, where);
    c->bos = (int32_t)bos;
    json_free(j);
    return rc;
}

int config_parse(model_config *c, const char *text, size_t n, const char *where)
{
    return parse(c, text, n, where, false);
}

static int read_file(model_config *c, const char *path, bool shape_only)
{
    str text = { 0 };
    int rc   = file_read(path, (size_t)1 << 20, &text);
    if (!rc) rc = parse(c, str_c(&text), text.n, path, shape_only);
    str_free(&text);
    return rc;
}

int config_read(model_config *c, const char *path) { return read_file(c, path, false); }

/* The last part of a path, without trailing slashes. */
static void name_after_folder(model_config *c, const char *dir)
{
    size_t n = strlen(dir);
    while (n > 1 && dir[n - 1] == '/') n--;
    size_t at = n;
    while (at > 0 && dir[at - 1] != '/') at--;
    snprintf(c->name, sizeof c->name, "%.*s", (int)(n - at), dir + at);
}

/* What generation stops at may differ from what training saw as the end: generation_config.json
 * has the last word, as in transformers. */
static int read_generation_config(model_config *c, const char *dir)
{
    char *path = path_join(dir, "generation_config.json");
    json *j    = NULL;
    int   rc   = OK;
    if (file_exists(path)) {
        rc = json_read_file(&j, path, (size_t)1 << 20);
        if (!rc && json_is_object(j)) rc = read_eos(c, j, path);
    }
    json_free(j);
    free(path);
    return rc;
}

static int unknown_model(const char *name)
{
    str list = { 0 };
    preset_names(&list);
    int rc = input_error("model \"%s\": no such folder and no such preset; presets: %s", name, list.s);
    str_free(&list);
    return rc;
}

static int load(model_config *c, const char *preset_or_dir, bool shape_only)
{
    if (preset_find(c, preset_or_dir)) return OK;
    if (preset_json(preset_or_dir)) {
        const char *text = preset_json(preset_or_dir);
        int         rc   = config_parse(c, text, strlen(text), preset_or_dir);
        snprintf(c->name, sizeof c->name, "%s", preset_or_dir);
        return rc;
    }
    if (!file_is_dir(preset_or_dir))
        return file_exists(preset_or_dir) ? folder_explain(preset_or_dir, FOLDER_MODEL,
                                                           "is a file; a model is a folder in the Hugging Face layout")
                                          : unknown_model(preset_or_dir);
    char *path = path_join(preset_or_dir, "config.json");
    int   rc   = folder_check_model(preset_or_dir, !shape_only);
    if (!rc) rc = read_file(c, path, shape_only);
    if (!rc && !shape_only) rc = read_generation_config(c, preset_or_dir);
    if (!rc) name_after_folder(c, preset_or_dir);
    free(path);
    return rc;
}

int config_load(model_config *c, const char *preset_or_dir) { return load(c, preset_or_dir, false); }
int config_load_shape(model_config *c, const char *preset_or_dir) { return load(c, preset_or_dir, true); }
