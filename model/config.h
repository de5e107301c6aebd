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

/* A preset's name, or a folder holding config.json (and perhaps generation_config.json, whose
 * eos_token_id then counts). A preset wins; write ./mini for a folder of that name. */
int config_load(model_config *c, const char *preset_or_dir);
/* A config.json as transformers writes it, before version 5 or since: Llama family (llama;
 * mistral without a window; qwen2). Whatever changes the maths and is not supported is refused
 * by name (ERR_INPUT). */
int config_read(model_config *c, const char *path);
/* the same from memory; where: for messages */
int config_parse(model_config *c, const char *text, size_t n, const char *where);

/* Weights in the base: embedding, layers, norms, and lm_head when it is its own (an encoder's:
 * with its pooler, without a head). */
int64_t config_parameters(const model_config *c);
#endif
