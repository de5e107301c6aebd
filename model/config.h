/* The shape of a decoder: from a Hugging Face config.json, or a named preset. Needs no weights. */
#ifndef TIEBREAK_MODEL_CONFIG_H
#define TIEBREAK_MODEL_CONFIG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { EOS_MAX = 8, CONFIG_NAME = 64 };

typedef struct {
    char name[CONFIG_NAME];
    /* positions: max_position_embeddings */
    int64_t layers, hidden, inter, heads, kv_heads, head_dim, vocab, positions;
    double  norm_eps, rope_theta;
    /* llama3 rope scaling; rope_factor 0: none */
    double rope_factor, rope_low_freq, rope_high_freq, rope_original;
    bool   tied_embeddings, qkv_bias, o_bias, mlp_bias;
    /* an encoder's shape (RoBERTa): parameters can be counted, nothing can be run */
    bool    counting_only;
    int32_t bos, n_eos, eos[EOS_MAX]; /* bos -1: none */
} model_config;

/* The linears that can be adapted, in the order they are visited inside a layer. `qkv` is q, k
 * and v fused: rows of B and v in the order q, k, v. A site is named by `name` on the command
 * line; `module` is its path inside a layer in Hugging Face's naming ("" for qkv). */
typedef enum { SITE_QKV, SITE_Q, SITE_K, SITE_V, SITE_O, SITE_GATE, SITE_UP, SITE_DOWN, SITE_COUNT } site_id;
typedef struct {
    const char *name, *module;
} site_info;
extern const site_info site_table[SITE_COUNT];

/* Width of the linear's input and output; both 0 where the shape has no such linear (`gate` of
 * an encoder). */
int64_t site_in(const model_config *c, site_id s);
int64_t site_out(const model_config *c, site_id s);

/* A set of sites as a bit mask (1 << site_id). "qkv", "q,v", "all" (the seven separate ones),
 * any list; qkv excludes q, k, v. */
typedef unsigned site_set;
/* ERR_INPUT with what is allowed */
int  site_set_parse(site_set *out, const char *text);
void site_set_print(site_set s, char *out, int64_t size);

/* A preset's name, or a folder holding config.json (and perhaps generation_config.json, whose
 * eos_token_id then counts). A preset wins; write ./mini for a folder of that name. */
int config_load(model_config *c, const char *preset_or_dir);
/* A config.json as transformers writes it, before version 5 or since: Llama family (llama;
 * mistral without a window; qwen2). Whatever changes the maths and is not supported is refused
 * by name (ERR_INPUT). */
int config_read(model_config *c, const char *path);
/* the same from memory; where: for messages */
int config_parse(model_config *c, const char *text, size_t n, const char *where);
/* The i-th preset's name, NULL past the end. */
const char *config_preset_name(int i);

/* Weights in the base: embedding, layers, norms, and lm_head when it is its own (an encoder's:
 * with its pooler, without a head). */
int64_t config_parameters(const model_config *c);
#endif
