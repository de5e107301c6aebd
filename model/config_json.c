#include "model/config_json.h"

#include <math.h>
#include <string.h>

#include "core/error.h"
#include "core/str.h"
#include "model/rotary.h"

/* Sizes a decoder can have: far above any published model, far below what overflows. */
enum {
    WIDTH_MAX     = 1 << 18,
    HEADS_MAX     = 4096,
    HEAD_DIM_MAX  = 1024,
    VOCAB_MAX     = 1 << 22,
    POSITIONS_MAX = 1 << 24,
    /* transformers sets no end to a text whose frequencies grow with it */
    GROWTH_MAX = 16
};
static const int64_t PARAMETERS_MAX = (int64_t)1 << 41;

/* What is being read. */
typedef struct {
    model_config *c;
    const family *f;
    const json   *j;
    const char   *path;
} reading;

/* The family's own word for a member, where that is there or no usual one is. */
static const char *key_of(const reading *r, const char *usual)
{
    for (const char *const *k = r->f->keys; k && *k; k += 2)
        if (!strcmp(k[0], usual) && (json_has(r->j, k[1]) || !json_has(r->j, usual))) return k[1];
    return usual;
}

/* Members that may be missing; *out then keeps the value it has. */
static int optional_int(const reading *r, const char *usual, int64_t min, int64_t max, int64_t *out)
{
    const char *key = key_of(r, usual);
    return json_has(r->j, key) ? json_get_int(r->j, r->path, key, min, max, out) : OK;
}

static int optional_num(const reading *r, const char *usual, double min, double max, double *out)
{
    const char *key = key_of(r, usual);
    return json_has(r->j, key) ? json_get_num(r->j, r->path, key, min, max, out) : OK;
}

static int optional_bool(const reading *r, const char *usual, bool *out)
{
    const char *key = key_of(r, usual);
    return json_has(r->j, key) ? json_get_bool(r->j, r->path, key, out) : OK;
}

/* Members that must be there, unless the family has a value of its own for them. */
static int needed_int(const reading *r, const char *usual, int64_t min, int64_t max, int64_t own, int64_t *out)
{
    *out = own;
    return own ? optional_int(r, usual, min, max, out) : json_get_int(r->j, r->path, key_of(r, usual), min, max, out);
}

/* --- shape */

/* What a member that is null stands for, else what it stands for when it is missing. */
static int64_t default_of(const reading *r, const char *usual, int64_t null, int64_t missing)
{
    const json *v = json_find(r->j, key_of(r, usual));
    return v && json_is_null(v) ? null : missing;
}

static int read_shape(const reading *r)
{
    model_config *c  = r->c;
    int           rc = needed_int(r, "num_hidden_layers", 1, CONFIG_LAYERS, 0, &c->layers);
    if (!rc) rc = needed_int(r, "hidden_size", 1, WIDTH_MAX, 0, &c->hidden);
    if (rc) return rc;
    rc = needed_int(r, "intermediate_size", 1, WIDTH_MAX, r->f->names == NAMES_GPT2 ? 4 * c->hidden : 0, &c->inter);
    if (!rc) rc = needed_int(r, "num_attention_heads", 1, HEADS_MAX, r->f->heads, &c->heads);
    if (!rc) rc = needed_int(r, "vocab_size", 1, VOCAB_MAX, r->f->vocab, &c->vocab);
    if (!rc) rc = needed_int(r, "max_position_embeddings", 1, POSITIONS_MAX, r->f->positions, &c->positions);
    c->kv_heads = default_of(r, "num_key_value_heads", c->heads, r->f->kv_heads ? (int64_t)r->f->kv_heads : c->heads);
    c->head_dim = default_of(r, "head_dim", 0, r->f->head_dim);
    if (!rc) rc = optional_int(r, "num_key_value_heads", 1, HEADS_MAX, &c->kv_heads);
    if (!rc) rc = optional_int(r, "head_dim", 1, HEAD_DIM_MAX, &c->head_dim);
    if (rc) return rc;
    if (c->heads % c->kv_heads)
        return input_error("%s: \"num_key_value_heads\": %lld: must divide num_attention_heads, which is %lld", r->path,
                           (long long)c->kv_heads, (long long)c->heads);
    if (!c->head_dim) {
        if (c->hidden % c->heads)
            return input_error("%s: \"%s\": %lld: does not divide %s %lld, and there is no head_dim", r->path,
                               key_of(r, "num_attention_heads"), (long long)c->heads, key_of(r, "hidden_size"),
                               (long long)c->hidden);
        c->head_dim = c->hidden / c->heads;
    }
    if (c->head_dim > HEAD_DIM_MAX)
        return input_error("%s: head_dim %lld: must be 1..%d", r->path, (long long)c->head_dim, HEAD_DIM_MAX);
    if (config_parameters(c) > PARAMETERS_MAX)
        return input_error("%s: these sizes make %lld parameters; at most %lld are handled", r->path,
                           (long long)config_parameters(c), (long long)PARAMETERS_MAX);
    return OK;
}

/* --- the plan */

static int read_activation(const reading *r)
{
    static const struct {
        const char *name;
        activation  f;
    } names[] = { { "silu", ACT_SILU },          { "swish", ACT_SILU },         { "gelu", ACT_GELU },
                  { "gelu_python", ACT_GELU },   { "gelu_new", ACT_GELU_TANH }, { "gelu_pytorch_tanh", ACT_GELU_TANH },
                  { "gelu_fast", ACT_GELU_TANH } };
    enum { NAMES = sizeof names / sizeof *names };
    const char *key = key_of(r, "hidden_act"), *act = NULL;
    if (!json_has(r->j, key)) return OK;
    int rc = json_get_str(r->j, r->path, key, &act);
    if (rc) return rc;
    int i = 0;
    while (i < NAMES && strcmp(names[i].name, act) != 0) i++;
    if (i == NAMES)
        return input_error(
            "%s: \"%s\": \"%.40s\" is not supported; \"silu\", \"gelu\", \"gelu_new\" and \"gelu_pytorch_tanh\" are",
            r->path, key, act);
    r->c->plan.act = names[i].f == ACT_GELU && r->f->gelu_means_tanh ? ACT_GELU_TANH : names[i].f;
    return OK;
}

static int read_biases(const reading *r)
{
    model_config *c         = r->c;
    const bool    by_config = r->f->bias == BIAS_BY_CONFIG || r->f->bias == BIAS_USUAL;
    bool          attention = r->f->bias == BIAS_USUAL, mlp = attention, qkv = r->f->bias == BIAS_QKV;
    int           rc = OK;
    if (by_config) rc = optional_bool(r, "attention_bias", &attention);
    if (!rc && by_config) rc = optional_bool(r, "mlp_bias", &mlp);
    if (!rc && r->f->bias == BIAS_QKV_BY_CONFIG) rc = optional_bool(r, "use_qkv_bias", &qkv);
    c->qkv_bias = attention || qkv, c->o_bias = attention, c->mlp_bias = mlp;
    return rc;
}

/* A cap: null is none. */
static int read_cap(const reading *r, const char *key, double own, double *cap)
{
    const json *v = json_find(r->j, key);
    *cap          = v && json_is_null(v) ? 0 : own;
    return optional_num(r, key, 1e-3, 1e6, cap);
}

static int read_scales(const reading *r)
{
    model_config *c  = r->c;
    int           rc = OK;
    if (r->f->multipliers) {
        c->embedding_scale = c->residual_scale = c->attention_scale = c->logit_scale = 1;
        double divisor                                                               = 1;
        rc = optional_num(r, "embedding_multiplier", -1e6, 1e6, &c->embedding_scale);
        if (!rc) rc = optional_num(r, "residual_multiplier", -1e6, 1e6, &c->residual_scale);
        if (!rc) rc = optional_num(r, "attention_multiplier", 1e-9, 1e6, &c->attention_scale);
        if (!rc) rc = optional_num(r, "logits_scaling", 1e-6, 1e6, &divisor);
        c->logit_scale = 1 / divisor;
    }
    if (r->f->scaled_embedding) c->embedding_scale = sqrt((double)c->hidden);
    if (!rc && r->f->query_scalar) {
        double scalar      = 256;
        rc                 = optional_num(r, "query_pre_attn_scalar", 1e-6, 1e9, &scalar);
        c->attention_scale = 1 / sqrt(scalar);
        if (!rc) rc = read_cap(r, "attn_logit_softcapping", r->f->attention_cap, &c->attention_cap);
        if (!rc) rc = read_cap(r, "final_logit_softcapping", r->f->logit_cap, &c->logit_cap);
    }
    if (!rc && r->f->plan.positions) {
        bool scaled = true;
        rc          = optional_bool(r, "scale_attn_weights", &scaled);
        if (!scaled) c->attention_scale = 1;
        if (!rc) rc = optional_bool(r, "scale_attn_by_inverse_layer_idx", &c->attention_by_depth);
    }
    return rc;
}

/* Members that change the maths and are not understood when true. */
static int refuse_unsupported(const reading *r)
{
    static const char *const unless_false[] = { "use_bidirectional_attention", "add_cross_attention", "qk_layernorm" };
    for (size_t i = 0; i < sizeof unless_false / sizeof *unless_false; i++) {
        bool set = false;
        int  rc  = optional_bool(r, unless_false[i], &set);
        if (!rc && set) rc = input_error("%s: \"%s\": true is not supported", r->path, unless_false[i]);
        if (rc) return rc;
    }
    return json_has(r->j, "quantization_config")
               ? input_error("%s: \"quantization_config\": quantised weights are not supported; use the folder they "
                             "were made from",
                             r->path)
               : OK;
}

/* --- layers */

/* layer_types, or what it is when it is missing. */
static int read_layer_types(const reading *r, int64_t every, int64_t first)
{
    model_config *c     = r->c;
    const json   *types = json_find(r->j, "layer_types"), *t = json_items(types);
    for (int64_t l = 0; l < c->layers; l++, t = t ? t->next : NULL) {
        bool window = r->f->window == WINDOW_ALL        ? true
                      : r->f->window == WINDOW_BY_TYPE  ? (l + 1) % every != 0
                      : r->f->some_unrotated            ? (c->layer[l] & LAYER_UNROTATED) != 0
                      : r->f->window == WINDOW_SWITCHED ? l >= first
                                                        : false;
        if (json_is_array(types) && r->f->window != WINDOW_ALL) {
            if (!json_text(t) || (strcmp(t->valuestring, "full_attention") != 0 &&
                                  (strcmp(t->valuestring, "sliding_attention") != 0 || r->f->window == WINDOW_NEVER)))
                return input_error("%s: \"layer_types\": layer %lld: \"%.40s\" is not supported in a %s; there must be "
                                   "\"full_attention\"%s for each of %lld layers",
                                   r->path, (long long)l, json_text(t) ? t->valuestring : "(missing)", r->f->model_type,
                                   r->f->window == WINDOW_NEVER ? "" : " or \"sliding_attention\"",
                                   (long long)c->layers);
            window = !strcmp(t->valuestring, "sliding_attention");
        }
        if (window) c->layer[l] |= LAYER_WINDOW | (r->f->two_bases ? LAYER_LOCAL_ROPE : 0);
    }
    return OK;
}

/* no_rope_layers holds a 0 for each layer that is not rotated. */
static int read_unrotated(const reading *r)
{
    model_config *c    = r->c;
    const json   *list = json_find(r->j, "no_rope_layers"), *e = json_items(list);
    int64_t       every = 4;
    int           rc    = optional_int(r, "no_rope_layer_interval", 1, CONFIG_LAYERS, &every);
    for (int64_t l = 0; l < c->layers && !rc; l++, e = e ? e->next : NULL) {
        bool rotated = (l + 1) % every != 0;
        if (json_is_array(list)) {
            if (!json_is_number(e) || (json_number(e) != 0 && json_number(e) != 1))
                return input_error("%s: \"no_rope_layers\": layer %lld: must be 0 or 1", r->path, (long long)l);
            rotated = json_number(e) != 0;
        }
        if (!rotated) c->layer[l] |= LAYER_UNROTATED;
    }
    return rc;
}

static int read_layers(const reading *r)
{
    model_config *c     = r->c;
    int64_t       every = r->f->every ? r->f->every : 1, first = 28, window = 0;
    bool          on = r->f->window != WINDOW_SWITCHED;
    int           rc = r->f->some_unrotated ? read_unrotated(r) : OK;
    if (!rc) rc = optional_bool(r, "use_sliding_window", &on);
    if (!rc) rc = optional_int(r, "max_window_layers", 0, INT32_MAX, &first);
    if (!rc && r->f->two_bases) rc = optional_int(r, "sliding_window_pattern", 1, CONFIG_LAYERS, &every);
    if (!rc) rc = read_layer_types(r, every, first);
    if (!rc && on) {
        window = default_of(r, "sliding_window", 0, r->f->sliding_window);
        rc     = optional_int(r, "sliding_window", 1, INT32_MAX, &window);
    }
    if (rc) return rc;
    /* No text is longer; a family without windows does not read the member. */
    if (window >= c->positions || r->f->window == WINDOW_NEVER) window = 0;
    c->window = window;
    for (int64_t l = 0; l < c->layers && !window; l++) c->layer[l] &= (uint8_t)~LAYER_WINDOW;
    return OK;
}

/* --- rotary positions */

static int read_llama3(const reading *r, rope_config *o)
{
    int rc = json_get_num(r->j, r->path, "low_freq_factor", 1e-6, 1e6, &o->low_freq);
    if (!rc) rc = json_get_num(r->j, r->path, "high_freq_factor", 1e-6, 1e6, &o->high_freq);
    if (!rc && o->high_freq <= o->low_freq)
        rc = input_error("%s: \"high_freq_factor\": %g: must be above low_freq_factor, which is %g", r->path,
                         o->high_freq, o->low_freq);
    return rc;
}

static int read_yarn(const reading *r, rope_config *o)
{
    double mscale = 0, all_dim = 0, factor = 0;
    bool   truncate = true;
    o->beta_fast = 32, o->beta_slow = 1;
    int rc = optional_num(r, "attention_factor", 1e-6, 1e6, &factor);
    if (!rc) rc = optional_num(r, "mscale", 0, 1e6, &mscale);
    if (!rc) rc = optional_num(r, "mscale_all_dim", 0, 1e6, &all_dim);
    if (!rc) rc = optional_num(r, "beta_fast", 1e-6, 1e6, &o->beta_fast);
    if (!rc) rc = optional_num(r, "beta_slow", 1e-6, 1e6, &o->beta_slow);
    if (!rc) rc = optional_bool(r, "truncate", &truncate);
    o->untruncated      = !truncate;
    o->attention_factor = factor > 0                  ? factor
                          : mscale > 0 && all_dim > 0 ? yarn_mscale(o->factor, mscale) / yarn_mscale(o->factor, all_dim)
                                                      : yarn_mscale(o->factor, 1);
    return rc;
}

static int read_longrope(const reading *r, rope_config *o)
{
    static const char *const keys[] = { "short_factor", "long_factor" };
    const int64_t            half   = rotary_width(r->c) / 2;
    for (int k = 0; k < 2; k++) {
        const json *list = json_find(r->j, keys[k]), *e = json_items(list);
        if (!json_is_array(list) || json_size(list) != half || half > ROTARY_FACTORS)
            return input_error("%s: \"%s\": must be a list of %lld numbers, half of what a head turns (at most %d)",
                               r->path, keys[k], (long long)half, ROTARY_FACTORS);
        for (int64_t i = 0; i < half; i++, e = e->next) {
            if (!json_is_number(e) || !(json_number(e) > 0))
                return input_error("%s: \"%s\": number %lld: must be above 0", r->path, keys[k], (long long)i);
            r->c->longrope[k][i] = json_number(e);
        }
    }
    o->attention_factor = o->factor <= 1 ? 1 : sqrt(1 + log(o->factor) / log(o->original));
    return optional_num(r, "attention_factor", 1e-6, 1e6, &o->attention_factor);
}

static const struct {
    const char  *type;
    rope_scaling scaling;
    int (*read)(const reading *r, rope_config *o);
} scalings[] = { { "default", ROPE_DEFAULT, NULL },      { "linear", ROPE_LINEAR, NULL },
                 { "dynamic", ROPE_DYNAMIC, NULL },      { "yarn", ROPE_YARN, read_yarn },
                 { "llama3", ROPE_LLAMA3, read_llama3 }, { "longrope", ROPE_LONGROPE, read_longrope },
                 { "su", ROPE_LONGROPE, read_longrope } };
enum { SCALINGS = sizeof scalings / sizeof *scalings };

/* One object of rotary settings; `original` is the length that stands beside it, 0: none. */
static int read_scaling(const reading *outer, const json *rope, const char *key, double original, rope_config *o)
{
    const reading r    = { outer->c, &families[FAMILY_LLAMA], rope, outer->path };
    const char   *type = "default", *type_key = json_has(rope, "rope_type") ? "rope_type" : "type";
    int           rc = optional_num(&r, "rope_theta", 1, 1e12, &o->theta), i = 0;
    if (!rc && json_has(rope, type_key)) rc = json_get_str(rope, r.path, type_key, &type);
    if (rc) return rc;
    while (i < SCALINGS && strcmp(scalings[i].type, type) != 0) i++;
    if (i == SCALINGS)
        return input_error(
            "%s: \"%s\": %s \"%.40s\" is not supported; \"default\", \"linear\", \"dynamic\", \"yarn\", \"llama3\" and "
            "\"longrope\" are",
            r.path, key, type_key, type);
    o->scaling = scalings[i].scaling;
    if (o->scaling == ROPE_DEFAULT) return OK;
    const bool by_length = o->scaling == ROPE_DYNAMIC || o->scaling == ROPE_LONGROPE;
    if (by_length && (o != r.c->rope || rotary_width(r.c) < 4))
        return input_error("%s: \"%s\": %s \"%s\" is not supported here: it is for heads of more than two values and "
                           "one set of frequencies",
                           r.path, key, type_key, type);
    o->original = (double)r.c->positions;
    if (o->scaling != ROPE_DYNAMIC) rc = optional_num(&r, "original_max_position_embeddings", 1, 1e9, &o->original);
    if (o->scaling != ROPE_DYNAMIC && original > 0) o->original = original;
    o->factor = (double)r.c->positions / o->original;
    if (!rc && (o->scaling == ROPE_YARN || o->scaling == ROPE_LONGROPE))
        rc = optional_num(&r, "factor", 1e-6, 1e6, &o->factor);
    else if (!rc)
        rc = json_get_num(rope, r.path, "factor", 1, 1e6, &o->factor);
    if (!rc && scalings[i].read) rc = scalings[i].read(&r, o);
    return rc ? error_context(rc, "\"%s\"", key) : OK;
}

/* The part of a head that is turned. */
static int read_partial(const reading *r, const json *rope)
{
    model_config *c    = r->c;
    double        part = r->f->partial_rotary > 0 ? r->f->partial_rotary : 1;
    int           rc   = optional_num(r, "partial_rotary_factor", 0, 1, &part);
    if (!rc && json_has(rope, "partial_rotary_factor"))
        rc = json_get_num(rope, r->path, "partial_rotary_factor", 0, 1, &part);
    if (rc) return rc;
    if (part != 1 && !(r->f->partial_rotary > 0))
        return input_error("%s: \"partial_rotary_factor\": %g: only 1 is supported in a %s", r->path, part,
                           r->f->model_type);
    c->rotary_dim = part < 1 ? (int64_t)((double)c->head_dim * part) : 0;
    if (rotary_width(c) % 2 || rotary_width(c) < 2)
        return input_error("%s: head_dim %lld: must be even, 2..%d: %lld values of a head are turned in pairs", r->path,
                           (long long)c->head_dim, HEAD_DIM_MAX, (long long)rotary_width(c));
    return OK;
}

/* transformers 5 writes rope_parameters { rope_theta, rope_type, ... }, or one such object for each
 * type of layer; before, rope_theta stood at the top and rope_scaling { rope_type or type, ... }
 * beside it, null when there was none, and rope_local_base_freq for layers with a window. */
static int read_rope(const reading *r)
{
    model_config *c    = r->c;
    const char   *key  = json_has(r->j, "rope_parameters") ? "rope_parameters" : "rope_scaling";
    const json   *rope = NULL, *full, *local = NULL;
    int64_t       original = r->f->original_positions;
    c->rope[0]             = (rope_config) { .theta = r->f->rope_theta > 0 ? r->f->rope_theta : 10000 };
    c->rope[1]             = (rope_config) { .theta = 10000 };
    if (r->f->plan.positions) return OK;
    int rc = optional_num(r, "rope_theta", 1, 1e12, &c->rope[0].theta);
    if (!rc) rc = optional_num(r, "rope_local_base_freq", 1, 1e12, &c->rope[1].theta);
    if (!rc) rc = optional_int(r, "original_max_position_embeddings", 1, 1000000000, &original);
    if (!rc && json_has(r->j, key)) rc = json_get_object(r->j, r->path, key, &rope);
    full = rope;
    if (!rc && r->f->two_bases &&
        (json_is_object(json_find(rope, "full_attention")) || json_is_object(json_find(rope, "sliding_attention"))))
        full = json_find(rope, "full_attention"), local = json_find(rope, "sliding_attention");
    if (!rc) rc = read_partial(r, full);
    for (const json *m = rope && full == rope && !rc ? rope->child : NULL; m && !rc; m = m->next)
        if (json_is_object(m))
            rc = input_error("%s: \"%s\": \"%s\": rotary settings that differ by layer are not supported in a %s",
                             r->path, key, m->string, r->f->model_type);
    if (!rc && json_is_object(full)) rc = read_scaling(r, full, key, (double)original, &c->rope[0]);
    if (!rc && json_is_object(local)) rc = read_scaling(r, local, key, 0, &c->rope[1]);
    if (!rc && c->rope[0].scaling == ROPE_DYNAMIC) c->positions *= GROWTH_MAX;
    return rc;
}

/* --- the whole */

static int unknown_family(const char *path, const char *type)
{
    str list = { 0 };
    for (const family *f = families; f->model_type; f++) str_item(&list, ", ", f->model_type);
    int rc = input_error("%s: \"model_type\": \"%.40s\" is not supported; these are: %s", path, type, list.s);
    str_free(&list);
    return rc;
}

/* A model that also sees keeps its decoder's configuration in text_config, whose model_type then
 * names the family. */
static int find_family(reading *r)
{
    const char *type = NULL;
    int         rc   = json_get_str(r->j, r->path, "model_type", &type);
    if (rc) return rc;
    int         found = family_find(type);
    const json *text  = json_find(r->j, "text_config");
    if (found < 0 && json_is_object(text) && json_text(json_find(text, "model_type"))) {
        const char *inner = json_text(json_find(text, "model_type"));
        found             = family_find(inner);
        if (found >= 0) r->j = text;
    }
    if (found < 0) return unknown_family(r->path, type);
    r->f         = &families[found];
    r->c->family = found;
    r->c->plan   = r->f->plan;
    return OK;
}

int config_read_model(model_config *c, const json *j, const char *path, bool shape_only, const json **text)
{
    reading r  = { c, NULL, j, path };
    int     rc = find_family(&r);
    *text      = r.j;
    if (!rc && !shape_only) rc = refuse_unsupported(&r);
    if (!rc && !shape_only) rc = read_activation(&r);
    if (!rc) rc = read_biases(&r);
    c->tied_embeddings = !rc && r.f->tied;
    if (!rc) rc = optional_bool(&r, "tie_word_embeddings", &c->tied_embeddings);
    if (!rc)
        rc = r.f->plan.parallel || r.f->bias == BIAS_QKV_BY_CONFIG
                 ? optional_bool(&r, "use_parallel_residual", &c->plan.parallel)
                 : OK;
    if (!rc) rc = read_shape(&r);
    c->norm_eps = !rc && r.f->norm_eps > 0 ? r.f->norm_eps : 1e-6;
    if (rc || shape_only) return rc;
    rc = optional_num(&r, "rms_norm_eps", 0, 1, &c->norm_eps);
    if (!rc) rc = read_scales(&r);
    if (!rc) rc = read_layers(&r);
    if (!rc) rc = read_rope(&r);
    return rc;
}
