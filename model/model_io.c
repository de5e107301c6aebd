/* A model as a folder: reads weights from safetensors, in one file or in shards, into the decoder's
 * arrays, and writes them. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/memory.h"
#include "model/decoder.h"
#include "model/folder.h"
#include "model/model_weights.h"
#include "model/safetensors.h"

enum { SHARDS_MAX = 1024, CHUNK = 1 << 16, INDEX_MAX = 64 << 20 };

/* What a model keeps alive: the mapped files, and the arrays it allocated. */
struct model_memory {
    safetensors **files; /* sorted by name */
    int64_t       n_files;
    real        **owned;
    size_t        n_owned, cap_owned;
    char          sha256[65];
    const char   *prefix; /* what stands before names in these files (file_names.prefix) */
};

static real *own(model *m, int64_t count)
{
    struct model_memory *k = m->memory;
    if (k->n_owned == k->cap_owned) k->owned = mem_grow(k->owned, &k->cap_owned, sizeof *k->owned);
    return k->owned[k->n_owned++] = m->be->alloc(m->be, count);
}

void model_close(model *m)
{
    if (!m) return;
    for (size_t i = 0; i < m->memory->n_owned; i++) m->be->release(m->be, m->memory->owned[i]);
    for (int64_t i = 0; i < m->memory->n_files; i++) safetensors_close(m->memory->files[i]);
    free(m->memory->files);
    free(m->memory->owned);
    free(m->memory);
    free(m->layers);
    free(m->grads);
    free(m->dir);
    free(m);
}

/* --- finding the files */

static int by_text(const void *a, const void *b) { return strcmp(*(const char *const *)a, *(const char *const *)b); }

/* The different file names in a weight_map, sorted. They must be plain names, so that an index
 * cannot reach outside its folder. */
static int shard_names(const json *map, const char *where, const char **names, int *n)
{
    *n = 0;
    for (const json *e = map->child; e; e = e->next) {
        if (!json_text(e) || !*e->valuestring || strchr(e->valuestring, '/') || e->valuestring[0] == '.')
            return input_error("%s: \"weight_map\": the value of \"%.80s\" must be a file name in this folder", where,
                               e->string);
        int i = 0;
        while (i < *n && strcmp(names[i], e->valuestring) != 0) i++;
        if (i < *n) continue;
        if (*n == SHARDS_MAX) return input_error("%s: \"weight_map\": more than %d files", where, SHARDS_MAX);
        names[(*n)++] = e->valuestring;
    }
    if (!*n) return input_error("%s: \"weight_map\" is empty", where);
    qsort(names, (size_t)*n, sizeof *names, by_text);
    return OK;
}

static int open_files(model *m, const char *const *names, int n)
{
    m->memory->files = mem_alloc((size_t)n, sizeof *m->memory->files);
    for (int i = 0; i < n; i++) {
        char *path = path_join(m->dir, names[i]);
        int   rc   = safetensors_open(&m->memory->files[i], path);
        free(path);
        if (rc) return rc;
        m->memory->n_files++;
    }
    return OK;
}

static int open_shards(model *m, const char *index_path)
{
    json       *index = NULL;
    const json *map   = NULL;
    const char *names[SHARDS_MAX];
    int         n  = 0;
    int         rc = json_read_file(&index, index_path, INDEX_MAX);
    if (!rc) rc = json_get_object(index, index_path, "weight_map", &map);
    if (!rc) rc = shard_names(map, index_path, names, &n);
    if (!rc) rc = open_files(m, names, n);
    for (const json *e = rc ? NULL : map->child; e && !rc; e = e->next) {
        const char *const *at = bsearch(&(const char *) { e->valuestring }, names, (size_t)n, sizeof *names, by_text);
        if (!safetensors_find(m->memory->files[at - names], e->string))
            rc = input_error("%s: says that tensor \"%.80s\" is in %s, which does not hold it", index_path, e->string,
                             e->valuestring);
    }
    json_free(index);
    return rc;
}

static int find_files(model *m)
{
    char *one = path_join(m->dir, "model.safetensors"), *index = path_join(m->dir, "model.safetensors.index.json");
    int   rc;
    if (file_exists(one))
        rc = open_files(m, (const char *[]) { "model.safetensors" }, 1);
    else if (file_exists(index))
        rc = open_shards(m, index);
    else
        rc = folder_explain(
            m->dir, FOLDER_MODEL,
            "holds neither model.safetensors nor model.safetensors.index.json; weights in other formats must be saved as safetensors");
    free(one);
    free(index);
    return rc;
}

/* The name in these files of a tensor that we would write as `name`. */
static void name_in_files(const model *m, const char *name, char out[WEIGHT_NAME + 32])
{
    const char *ours = names_of(&m->cfg)->prefix[0], *its = m->memory->prefix ? m->memory->prefix : ours;
    size_t      n    = strlen(ours);
    bool        head = !strcmp(name, names_of(&m->cfg)->head); /* it has no prefix, or that of the whole decoder */
    if (head)
        snprintf(out, WEIGHT_NAME + 32, "%s%s", !strcmp(its, "language_model.model.") ? "language_model." : "", name);
    else
        snprintf(out, WEIGHT_NAME + 32, "%s%s", its, strncmp(name, ours, n) ? name : name + n);
}

static const tensor_view *find_named(const model *m, const char *name, const safetensors **file)
{
    for (int64_t i = 0; i < m->memory->n_files; i++) {
        const tensor_view *t = safetensors_find(m->memory->files[i], name);
        if (!t) continue;
        if (file) *file = m->memory->files[i];
        return t;
    }
    return NULL;
}

/* Where tensors share memory, safetensors.torch's save_model keeps one; the file's metadata has the
 * others' names and this one's. */
static const char *kept_name(const model *m, const char *name)
{
    for (int64_t i = 0; i < m->memory->n_files; i++) {
        const char *kept = json_text(json_find(m->memory->files[i]->metadata, name));
        if (kept) return kept;
    }
    return NULL;
}

/* The embedding's name as we would write it. */
static void embedding_name(const model *m, char out[WEIGHT_NAME])
{
    const file_names *names = names_of(&m->cfg);
    snprintf(out, WEIGHT_NAME, "%s%s", names->prefix[0], names->embed);
}

/* Finds the tensor that we would write as `ours` in whichever file holds it, a tied embedding also
 * under the head's name; *file is for messages. */
static const tensor_view *find_tensor(const model *m, const char *ours, const safetensors **file)
{
    char name[WEIGHT_NAME + 32], embed[WEIGHT_NAME];
    name_in_files(m, ours, name);
    embedding_name(m, embed);
    const tensor_view *t    = find_named(m, name, file);
    const char        *kept = t ? NULL : kept_name(m, name);
    if (!t && kept) t = find_named(m, kept, file);
    if (!t && m->cfg.tied_embeddings && !strcmp(ours, embed)) {
        name_in_files(m, names_of(&m->cfg)->head, name);
        t = find_named(m, name, file);
    }
    return t;
}

/* Finds out what stands before names here: the first way under which the embedding is there. */
static void find_prefix(model *m)
{
    const file_names *names = names_of(&m->cfg);
    char              embed[WEIGHT_NAME];
    embedding_name(m, embed);
    for (int i = 0; i < PREFIXES_MAX && names->prefix[i]; i++) {
        m->memory->prefix = names->prefix[i];
        if (find_tensor(m, embed, NULL)) return;
    }
    m->memory->prefix = names->prefix[0];
}

/* --- what may be in the files besides the weights */

static bool ends_with(const char *s, const char *end)
{
    size_t n = strlen(s), k = strlen(end);
    return n >= k && !strcmp(s + n - k, end);
}

/* Old checkpoints have rotary frequencies and masks, which config.json determines. A tied
 * lm_head may be stored a second time. A model that also sees has tensors of that, beside its
 * decoder's. */
static int check_extra(const model *m, const tensor_view *t, const char *path)
{
    const file_names *names = names_of(&m->cfg);
    char              embed[WEIGHT_NAME], head[WEIGHT_NAME + 32];
    for (const char *const *b = names->buffers; *b; b++)
        if (ends_with(t->name, *b)) return OK;
    if (strstr(m->memory->prefix, "language_model") && !strstr(t->name, "language_model")) return OK;
    name_in_files(m, names->head, head);
    if (!strcmp(t->name, head) && m->cfg.tied_embeddings) {
        embedding_name(m, embed);
        const tensor_view *e = find_tensor(m, embed, NULL);
        if (e && e->dtype == t->dtype && e->count == t->count &&
            !memcmp(e->bytes, t->bytes, (size_t)t->count * dtype_bytes(t->dtype)))
            return OK;
        return input_error("%s: tensor \"%s\" differs from the embedding, but config.json has tie_word_embeddings true",
                           path, t->name);
    }
    if (folder_tensor_kind(t->name))
        return input_error("%s: tensor \"%.80s\": %s", path, t->name, folder_tensor_kind(t->name));
    return input_error("%s: tensor \"%.80s\" has no place in the model that config.json describes (%lld layers)", path,
                       t->name, (long long)m->cfg.layers);
}

/* A weight_tensor begins with its name. */
static int by_name(const void *a, const void *b) { return strcmp(a, b); }

static int check_extras(const model *m)
{
    int64_t        n;
    weight_tensor *known = weight_tensors(&m->cfg, &n);
    int            rc    = OK;
    for (int64_t i = 0; i < n; i++) {
        char name[WEIGHT_NAME + 32];
        name_in_files(m, known[i].name, name);
        snprintf(known[i].name, sizeof known[i].name, "%.*s", WEIGHT_NAME - 1, name);
    }
    qsort(known, (size_t)n, sizeof *known, by_name);
    for (int64_t i = 0; i < m->memory->n_files && !rc; i++) {
        const safetensors *f = m->memory->files[i];
        for (int64_t k = 0; k < f->n && !rc; k++)
            if (!bsearch(f->tensors[k].name, known, (size_t)n, sizeof *known, by_name))
                rc = check_extra(m, &f->tensors[k], f->path);
    }
    free(known);
    return rc;
}

/* --- values into the decoder's arrays */

/* Whether the file's bytes are already the backend's, with nothing to convert. */
static bool same_type(const backend *be, dtype t)
{
    return t == (be->elem == 8 ? DT_F64 : be->elem == 4 ? DT_F32 : DT_BF16);
}

static int upload_part(const model *m, real *dst, const tensor_view *t)
{
    if (same_type(m->be, t->dtype)) {
        m->be->put(m->be, dst, t->bytes, t->count * (int64_t)m->be->elem);
        return OK;
    }
    static const size_t room = CHUNK * sizeof(double);
    void               *buf  = mem_alloc(room, 1);
    int                 rc   = OK;
    for (int64_t at = 0; at < t->count && !rc; at += CHUNK) {
        int64_t k = t->count - at < CHUNK ? t->count - at : CHUNK;
        if (t->dtype == DT_F64) {
            rc = tensor_read_f64(buf, t, at, k);
            m->be->upload(m->be, real_at(m->be, dst, at), buf, k);
        } else {
            rc = tensor_read_f32(buf, t, at, k);
            m->be->upload_f32(m->be, real_at(m->be, dst, at), buf, k);
        }
    }
    free(buf);
    return rc;
}

/* A tensor that lies in its file in another order: as a whole by way of f64. */
static int upload_arranged(const model *m, real *dst, const tensor_view *t, const weight_group *g, int part)
{
    double *its = mem_alloc((size_t)t->count, sizeof *its), *ours = mem_alloc((size_t)t->count, sizeof *ours);
    int     rc = tensor_read_f64(its, t, 0, t->count);
    weight_arrange(&m->cfg, g->layout, ours, its, g->rows[part], g->cols, false);
    if (!rc) m->be->upload(m->be, dst, ours, t->count);
    free(its);
    free(ours);
    return rc;
}

/* Whether the parts lie in one mapped file as the decoder's array needs them: one after the other,
 * f32, aligned. */
static bool usable_in_place(const model *m, const weight_group *g, const tensor_view *const *parts)
{
    if (g->layout != AS_IS || !m->be->host || m->be->elem != sizeof(float) ||
        (uintptr_t)parts[0]->bytes % sizeof(float))
        return false;
    const unsigned char *at = parts[0]->bytes;
    for (int i = 0; i < g->n; i++) {
        if (parts[i]->dtype != DT_F32 || parts[i]->bytes != at) return false;
        at += (size_t)parts[i]->count * sizeof(float);
    }
    return true;
}

/* Finds the tensors of one array and checks their shapes. */
static int find_parts(const model *m, const weight_group *g, const tensor_view **parts)
{
    for (int i = 0; i < g->n; i++) {
        const safetensors *f = NULL;
        const tensor_view *t = parts[i] = find_tensor(m, g->name[i], &f);
        if (!t)
            return input_error("%s: tensor \"%s\" is missing, which the model that config.json describes needs", m->dir,
                               g->name[i]);
        int64_t shape[2] = { g->rows[i], g->cols };
        if (g->layout == TRANSPOSED) shape[0] = g->cols, shape[1] = g->rows[i];
        int rc = tensor_check_shape(t, f->path, g->cols ? 2 : 1, shape);
        if (rc) return rc;
        if (t->dtype != DT_F32 && t->dtype != DT_F16 && t->dtype != DT_BF16 && t->dtype != DT_F64)
            return input_error("%s: tensor \"%s\": weights of dtype %s are not supported; F32, F16, BF16 and F64 are",
                               f->path, g->name[i], dtype_name(t->dtype));
    }
    return OK;
}

static int load_group(model *m, const weight_group *g)
{
    const tensor_view *parts[WEIGHT_PARTS];
    int                rc = find_parts(m, g, parts);
    if (!rc && !m->flat && usable_in_place(m, g, parts)) {
        /* this is read-only, but only an optimiser writes weights */
        *g->slot = (real *)(uintptr_t)parts[0]->bytes;
        return OK;
    }
    if (!rc && !m->flat) *g->slot = own(m, g->count);
    real *at = *g->slot;
    for (int i = 0; i < g->n && !rc; i++) {
        rc = g->layout == AS_IS ? upload_part(m, at, parts[i]) : upload_arranged(m, at, parts[i], g, i);
        at = real_at(m->be, at, parts[i]->count);
    }
    return rc;
}

/* Lays out one array for all weights and one for their gradients; every weight starts on a cache
 * line. */
static void lay_out_flat(model *m)
{
    enum { LINE = 16 };
    for (int pass = 0; pass < 2; pass++) {
        int64_t      at = 0;
        weight_group g;
        for (int64_t i = 0; weight_group_at(m, i, &g); i++) {
            if (pass) {
                *g.slot      = real_at(m->be, m->flat, at);
                *g.grad_slot = param_at(m->be, m->flat_grad, at);
            }
            at += (g.count + LINE - 1) / LINE * LINE;
        }
        if (pass) break;
        m->flat_count = at;
        m->flat       = own(m, at);
        m->flat_grad  = params_of(own(m, at));
    }
}

/* What the plan needs of a backend beyond the ops that all have. */
static int check_device(const model *m)
{
    const model_config *c  = &m->cfg;
    const backend      *be = m->be;
    const layer_plan   *p  = &c->plan;
    const bool silu = p->act == ACT_SILU && !p->ungated, after = p->norms == NORMS_AFTER || p->norms == NORMS_AROUND;
    const struct {
        bool        needed, there;
        const char *what;
    } needs[] = {
        { p->norm == NORM_LAYER, be->layernorm_fwd != NULL, "LayerNorm" },
        { !silu, be->activate_fwd != NULL, "an activation other than SwiGLU" },
        { after || p->positions || c->embedding_scale != 0 || (c->residual_scale != 0 && c->residual_scale != 1),
          be->blend != NULL, "scaled residuals or embeddings, norms behind them or learned positions" },
        { c->window > 0, be->windows, "windows of attention" },
        { c->attention_cap > 0, be->windows, "a cap on attention's scores" },
        { c->logit_cap > 0, be->soft_cap_fwd != NULL, "a cap on logits" },
    };
    for (size_t i = 0; i < sizeof needs / sizeof *needs; i++)
        if (needs[i].needed && !needs[i].there)
            return input_error("%s: a %s needs %s, which the device %s does not have yet; use --device cpu", m->dir,
                               families[c->family].model_type, needs[i].what, be->name);
    return OK;
}

static int load(model *m, bool trainable)
{
    int rc = config_load(&m->cfg, m->dir);
    if (!rc && trainable && m->be->params != m->be)
        rc = input_error(
            "%s: device %s keeps weights in %s, too coarse for the updates of training or merging all of them; use --dtype f32",
            m->dir, m->be->name, m->be->dtype);
    if (!rc && m->cfg.counting_only)
        rc = input_error("%s: only its parameters can be counted; no weights are read for it", m->dir);
    if (!rc) rc = check_device(m);
    if (!rc) rc = find_files(m);
    if (!rc) find_prefix(m);
    if (!rc) rc = check_extras(m);
    if (rc) return rc;
    m->layers = mem_alloc((size_t)m->cfg.layers, sizeof *m->layers);
    m->grads  = mem_alloc((size_t)m->cfg.layers, sizeof *m->grads);
    weight_group       g;
    const tensor_view *parts[WEIGHT_PARTS];
    /* look for all of them before taking memory */
    for (int64_t i = 0; !rc && weight_group_at(m, i, &g); i++) rc = find_parts(m, &g, parts);
    if (!rc && trainable) lay_out_flat(m);
    for (int64_t i = 0; !rc && weight_group_at(m, i, &g); i++) rc = load_group(m, &g);
    if (m->cfg.tied_embeddings) m->lm_head = m->embed, m->lm_head_grad = m->embed_grad;
    return rc ? rc : m->be->sync(m->be);
}

int model_open(model **out, const char *dir, const backend *be, bool trainable)
{
    model *m  = mem_alloc(1, sizeof *m);
    m->memory = mem_alloc(1, sizeof *m->memory);
    m->be     = be;
    m->dir    = mem_strdup(dir);
    int rc    = file_is_dir(dir)
                    ? load(m, trainable)
                    : folder_explain(dir, FOLDER_MODEL, "is not a folder; a model is a folder in the Hugging Face layout");
    if (rc) {
        model_close(m);
        m = NULL;
    }
    *out = m;
    return rc;
}

const char *model_hash(model *m)
{
    struct model_memory *k = m->memory;
    if (k->sha256[0]) return k->sha256;
    char(*hex)[65] = mem_alloc((size_t)k->n_files, sizeof *hex);
    str all        = { 0 };
#pragma omp parallel for schedule(dynamic)
    for (int64_t i = 0; i < k->n_files; i++) sha256_hex(k->files[i]->map.bytes, k->files[i]->map.n, hex[i]);
    for (int64_t i = 0; i < k->n_files; i++) str_puts(&all, hex[i]);
    memcpy(k->sha256, hex[0], sizeof k->sha256);
    if (k->n_files > 1) sha256_hex(all.s, all.n, k->sha256);
    str_free(&all);
    free(hex);
    return k->sha256;
}

/* --- writing */

/* Writes the files that go with the weights. config.json comes first and must be there; its dtype
 * is changed to that of the weights now. */
static int copy_config(const char *dir, const char *like)
{
    char *from = path_join(like, "config.json"), *to = path_join(dir, "config.json");
    json *j  = NULL;
    int   rc = json_read_file(&j, from, (size_t)1 << 20);
    for (int i = 0; i < 2 && !rc; i++) {
        const char *key = i ? "torch_dtype" : "dtype";
        if (json_has(j, key)) json_replace(j, key, json_of_text("float32"));
    }
    if (!rc) rc = json_write_file(j, to);
    json_free(j);
    free(from);
    free(to);
    return rc;
}

static int copy_file(const char *dir, const char *like, const char *name)
{
    char *from = path_join(like, name), *to = path_join(dir, name);
    int   rc = OK;
    if (file_exists(from)) {
        file_map_t f;
        rc = file_map(&f, from);
        if (!rc) rc = file_write_atomic(to, f.bytes, f.n);
        file_unmap(&f);
    }
    free(from);
    free(to);
    return rc;
}

static const char *const companions[] = { "generation_config.json",
                                          "tokenizer.json",
                                          "tokenizer_config.json",
                                          "special_tokens_map.json",
                                          "added_tokens.json",
                                          "tokenizer.model",
                                          "vocab.json",
                                          "merges.txt" };

/* An array of the backend as F32 on the host, in its file's order: the array itself where it is
 * that already. */
static const float *host_f32(const model *m, const real *p, const weight_group *g, int part, float **owned)
{
    const int64_t count = g->rows[part] * (g->cols ? g->cols : 1);
    *owned              = NULL;
    if (g->layout == AS_IS && m->be->elem == sizeof(float) && host_values(m->be, p)) return host_values(m->be, p);
    double *wide = mem_alloc((size_t)count, sizeof *wide);
    *owned       = mem_alloc((size_t)count, sizeof **owned);
    m->be->download(m->be, wide, p, count);
    if (g->layout != AS_IS) {
        double *its = mem_alloc((size_t)count, sizeof *its);
        weight_arrange(&m->cfg, g->layout, its, wide, g->rows[part], g->cols, true);
        free(wide);
        wide = its;
    }
    for (int64_t i = 0; i < count; i++) (*owned)[i] = (float)wide[i];
    free(wide);
    return *owned;
}

static int write_weights(const model *m, const char *path)
{
    int64_t        n, at = 0;
    weight_tensor *known = weight_tensors(&m->cfg, &n);
    tensor_view   *t     = mem_alloc((size_t)n, sizeof *t);
    float        **owned = mem_alloc((size_t)n, sizeof *owned);
    weight_group   g;
    for (int64_t i = 0; weight_group_at((model *)(uintptr_t)m, i, &g); i++) {
        const real *values = *g.slot;
        for (int k = 0; k < g.n; k++, at++) {
            const weight_tensor *w = &known[at];
            t[at]                  = tensor_of_f32(w->name, host_f32(m, values, &g, k, &owned[at]), w->rows, w->cols);
            values                 = real_at(m->be, values, w->count);
        }
    }
    int rc = safetensors_write(path, t, n);
    for (int64_t i = 0; i < n; i++) free(owned[i]);
    free(owned);
    free(t);
    free(known);
    return rc;
}

int model_save(const model *m, const char *dir, const char *like)
{
    int rc = file_make_dirs(dir);
    if (!rc) rc = copy_config(dir, like);
    for (size_t i = 0; i < sizeof companions / sizeof *companions && !rc; i++) rc = copy_file(dir, like, companions[i]);
    char *path = path_join(dir, "model.safetensors");
    if (!rc) rc = write_weights(m, path); /* written last: a folder that holds weights is complete */
    free(path);
    return rc;
}
