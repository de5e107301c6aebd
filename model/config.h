/* The shape of a decoder: from a Hugging Face config.json, or a named preset. Needs no weights. */
#ifndef TIEBREAK_MODEL_CONFIG_H
#define TIEBREAK_MODEL_CONFIG_H
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "model/family.h"

enum { EOS_MAX = 8, CONFIG_NAME = 64, CONFIG_LAYERS = 1024, ROTARY_FACTORS = 256 };

/* How rotary frequencies are scaled, in transformers' words (model/rotary.h has the formulas). */
typedef enum { ROPE_DEFAULT, ROPE_LINEAR, ROPE_DYNAMIC, ROPE_YARN, ROPE_LLAMA3, ROPE_LONGROPE } rope_scaling;
typedef struct {
    rope_scaling scaling;
    double       theta, factor;
    double       original;             /* the length that frequencies were trained for */
    double       low_freq, high_freq;  /* llama3 */
    double       beta_fast, beta_slow; /* yarn */
    bool         untruncated;          /* yarn */
    double       attention_factor;     /* yarn, longrope: of cosines and sines */
} rope_config;

/* What sets a layer apart, as bits. */
enum { LAYER_WINDOW = 1, LAYER_LOCAL_ROPE = 2, LAYER_UNROTATED = 4 };

typedef struct {
    char       name[CONFIG_NAME];
    int        family; /* the row of families[] */
    layer_plan plan;
    /* positions: max_position_embeddings; where frequencies grow with the text, many times that */
    int64_t     layers, hidden, inter, heads, kv_heads, head_dim, vocab, positions;
    double      norm_eps;
    rope_config rope[2];                     /* the second for layers with LAYER_LOCAL_ROPE */
    int64_t     rotary_dim;                  /* how many of a head's first values are turned; 0: all */
    double      longrope[2][ROTARY_FACTORS]; /* of short and of long texts */
    int64_t     window;                      /* of layers with LAYER_WINDOW */
    /* of scores, logits; 0: none */
    double attention_cap, logit_cap;
    /* 0: 1, and for attention 1 / sqrt(head_dim) */
    double  embedding_scale, residual_scale, attention_scale, logit_scale;
    bool    attention_by_depth;   /* scores of layer l are divided by l + 1 */
    uint8_t layer[CONFIG_LAYERS]; /* LAYER_ bits */
    bool    tied_embeddings, qkv_bias, o_bias, mlp_bias;
    /* an encoder's shape (RoBERTa): parameters can be counted, nothing can be run */
    bool    counting_only;
    int32_t bos, n_eos, eos[EOS_MAX]; /* bos -1: none */
} model_config;

/* A preset's name, or a folder holding config.json (and perhaps generation_config.json, whose
 * eos_token_id then counts). A preset wins; write ./mini for a folder of that name. */
int config_load(model_config *c, const char *preset_or_dir);
/* The same for counting: reads what sets the number of parameters, and refuses nothing else. */
int config_load_shape(model_config *c, const char *preset_or_dir);
/* A config.json as transformers writes it, before version 5 or since, of a family in
 * model/family.c. Whatever changes the maths and is not supported is refused by name
 * (ERR_INPUT). */
int config_read(model_config *c, const char *path);
/* the same from memory; where: for messages */
int config_parse(model_config *c, const char *text, size_t n, const char *where);

/* Weights in the base: embedding, layers, norms, and lm_head when it is its own (an encoder's:
 * with its pooler, without a head). */
int64_t config_parameters(const model_config *c);
#endif
