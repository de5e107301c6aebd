#include "model/names.h"

#include "model/decoder.h"

#define AT(array) offsetof(layer_weights, array)

/* clang-format off */
#define LLAMA_NORMS \
    { WITH_NORM1, AT(norm1), W_NONE, AS_IS, { { "input_layernorm.weight", W_HIDDEN } } }, \
    { WITH_LAYERNORM1, AT(norm1_bias), W_NONE, AS_IS, { { "input_layernorm.bias", W_HIDDEN } } }
#define LLAMA_NORM2 \
    { WITH_NORM2, AT(norm2), W_NONE, AS_IS, { { "post_attention_layernorm.weight", W_HIDDEN } } }, \
    { WITH_LAYERNORM2, AT(norm2_bias), W_NONE, AS_IS, { { "post_attention_layernorm.bias", W_HIDDEN } } }
#define LLAMA_ATTENTION \
    { ALWAYS, AT(qkv), W_HIDDEN, AS_IS, \
      { { "self_attn.q_proj.weight", W_Q }, { "self_attn.k_proj.weight", W_KV }, { "self_attn.v_proj.weight", W_KV } } }, \
    { WITH_QKV_BIAS, AT(qkv_bias), W_NONE, AS_IS, \
      { { "self_attn.q_proj.bias", W_Q }, { "self_attn.k_proj.bias", W_KV }, { "self_attn.v_proj.bias", W_KV } } }, \
    { WITH_QK_HEADS, AT(q_norm), W_NONE, AS_IS, { { "self_attn.q_norm.weight", W_HEAD } } }, \
    { WITH_QK_HEADS, AT(k_norm), W_NONE, AS_IS, { { "self_attn.k_norm.weight", W_HEAD } } }, \
    { WITH_QK_WHOLE, AT(q_norm), W_NONE, AS_IS, { { "self_attn.q_norm.weight", W_Q } } }, \
    { WITH_QK_WHOLE, AT(k_norm), W_NONE, AS_IS, { { "self_attn.k_norm.weight", W_KV } } }, \
    { ALWAYS, AT(o), W_Q, AS_IS, { { "self_attn.o_proj.weight", W_HIDDEN } } }, \
    { WITH_O_BIAS, AT(o_bias), W_NONE, AS_IS, { { "self_attn.o_proj.bias", W_HIDDEN } } }

static const layer_row llama[] = {
    LLAMA_NORMS, LLAMA_ATTENTION, LLAMA_NORM2,
    { ALWAYS, AT(gate_up), W_HIDDEN, AS_IS, { { "mlp.gate_proj.weight", W_INTER }, { "mlp.up_proj.weight", W_INTER } } },
    { WITH_MLP_BIAS, AT(gate_up_bias), W_NONE, AS_IS, { { "mlp.gate_proj.bias", W_INTER }, { "mlp.up_proj.bias", W_INTER } } },
    { ALWAYS, AT(down), W_INTER, AS_IS, { { "mlp.down_proj.weight", W_HIDDEN } } },
    { WITH_MLP_BIAS, AT(down_bias), W_NONE, AS_IS, { { "mlp.down_proj.bias", W_HIDDEN } } },
    { 0 },
};
/* Norms behind attention and MLP: Llama's norm2 has the name of the norm behind attention here. */
static const layer_row llama_after[] = {
    LLAMA_NORMS, LLAMA_ATTENTION,
    { ALWAYS, AT(norm1_after), W_NONE, AS_IS, { { "post_attention_layernorm.weight", W_HIDDEN } } },
    { WITH_NORM2, AT(norm2), W_NONE, AS_IS, { { "pre_feedforward_layernorm.weight", W_HIDDEN } } },
    { ALWAYS, AT(gate_up), W_HIDDEN, AS_IS, { { "mlp.gate_proj.weight", W_INTER }, { "mlp.up_proj.weight", W_INTER } } },
    { ALWAYS, AT(down), W_INTER, AS_IS, { { "mlp.down_proj.weight", W_HIDDEN } } },
    { ALWAYS, AT(norm2_after), W_NONE, AS_IS, { { "post_feedforward_layernorm.weight", W_HIDDEN } } },
    { 0 },
};
static const layer_row phi3[] = {
    LLAMA_NORMS,
    { ALWAYS, AT(qkv), W_HIDDEN, AS_IS, { { "self_attn.qkv_proj.weight", W_QKV } } },
    { ALWAYS, AT(o), W_Q, AS_IS, { { "self_attn.o_proj.weight", W_HIDDEN } } },
    LLAMA_NORM2,
    { ALWAYS, AT(gate_up), W_HIDDEN, AS_IS, { { "mlp.gate_up_proj.weight", W_GATE_UP } } },
    { ALWAYS, AT(down), W_INTER, AS_IS, { { "mlp.down_proj.weight", W_HIDDEN } } },
    { 0 },
};
static const layer_row gpt2[] = {
    { ALWAYS, AT(norm1), W_NONE, AS_IS, { { "ln_1.weight", W_HIDDEN } } },
    { ALWAYS, AT(norm1_bias), W_NONE, AS_IS, { { "ln_1.bias", W_HIDDEN } } },
    { ALWAYS, AT(qkv), W_HIDDEN, TRANSPOSED, { { "attn.c_attn.weight", W_QKV } } },
    { WITH_QKV_BIAS, AT(qkv_bias), W_NONE, AS_IS, { { "attn.c_attn.bias", W_QKV } } },
    { ALWAYS, AT(o), W_Q, TRANSPOSED, { { "attn.c_proj.weight", W_HIDDEN } } },
    { WITH_O_BIAS, AT(o_bias), W_NONE, AS_IS, { { "attn.c_proj.bias", W_HIDDEN } } },
    { ALWAYS, AT(norm2), W_NONE, AS_IS, { { "ln_2.weight", W_HIDDEN } } },
    { ALWAYS, AT(norm2_bias), W_NONE, AS_IS, { { "ln_2.bias", W_HIDDEN } } },
    { ALWAYS, AT(gate_up), W_HIDDEN, TRANSPOSED, { { "mlp.c_fc.weight", W_INTER } } },
    { WITH_MLP_BIAS, AT(gate_up_bias), W_NONE, AS_IS, { { "mlp.c_fc.bias", W_INTER } } },
    { ALWAYS, AT(down), W_INTER, TRANSPOSED, { { "mlp.c_proj.weight", W_HIDDEN } } },
    { WITH_MLP_BIAS, AT(down_bias), W_NONE, AS_IS, { { "mlp.c_proj.bias", W_HIDDEN } } },
    { 0 },
};
static const layer_row gpt_neox[] = {
    LLAMA_NORMS,
    { ALWAYS, AT(qkv), W_HIDDEN, BY_HEAD, { { "attention.query_key_value.weight", W_QKV } } },
    { WITH_QKV_BIAS, AT(qkv_bias), W_NONE, BY_HEAD, { { "attention.query_key_value.bias", W_QKV } } },
    { ALWAYS, AT(o), W_Q, AS_IS, { { "attention.dense.weight", W_HIDDEN } } },
    { WITH_O_BIAS, AT(o_bias), W_NONE, AS_IS, { { "attention.dense.bias", W_HIDDEN } } },
    LLAMA_NORM2,
    { ALWAYS, AT(gate_up), W_HIDDEN, AS_IS, { { "mlp.dense_h_to_4h.weight", W_INTER } } },
    { WITH_MLP_BIAS, AT(gate_up_bias), W_NONE, AS_IS, { { "mlp.dense_h_to_4h.bias", W_INTER } } },
    { ALWAYS, AT(down), W_INTER, AS_IS, { { "mlp.dense_4h_to_h.weight", W_HIDDEN } } },
    { WITH_MLP_BIAS, AT(down_bias), W_NONE, AS_IS, { { "mlp.dense_4h_to_h.bias", W_HIDDEN } } },
    { 0 },
};

static const char *const llama_buffers[] = { ".rotary_emb.inv_freq", NULL };
static const char *const gpt_buffers[] = { ".rotary_emb.inv_freq", ".attn.bias", ".attn.masked_bias", ".attention.bias",
                                           ".attention.masked_bias", NULL };

/* The second and third prefix: the decoder of a model that also sees. */
#define LLAMA_NAMES \
    .prefix = { "model.", "language_model.model.", "model.language_model." }, .layers = "layers.", \
    .embed = "embed_tokens.weight", .norm = "norm.weight", .norm_bias = "norm.bias", .head = "lm_head.weight", \
    .buffers = llama_buffers
#define LLAMA_MODULES \
    [SITE_QKV] = "", [SITE_Q] = "self_attn.q_proj", [SITE_K] = "self_attn.k_proj", [SITE_V] = "self_attn.v_proj", \
    [SITE_O] = "self_attn.o_proj", [SITE_GATE_UP] = "", [SITE_GATE] = "mlp.gate_proj", [SITE_UP] = "mlp.up_proj", \
    [SITE_DOWN] = "mlp.down_proj"

const file_names names_table[NAMES_COUNT] = {
    [NAMES_LLAMA] = { LLAMA_NAMES, .rows = llama, .module = { LLAMA_MODULES } },
    [NAMES_LLAMA_AFTER] = { LLAMA_NAMES, .rows = llama_after, .module = { LLAMA_MODULES } },
    [NAMES_PHI3] = { LLAMA_NAMES, .rows = phi3,
        .module = { [SITE_QKV] = "self_attn.qkv_proj", [SITE_Q] = "", [SITE_K] = "", [SITE_V] = "", [SITE_O] = "self_attn.o_proj",
                    [SITE_GATE_UP] = "mlp.gate_up_proj", [SITE_GATE] = "", [SITE_UP] = "", [SITE_DOWN] = "mlp.down_proj" } },
    [NAMES_GPT2] = { .prefix = { "transformer.", "" }, .layers = "h.", .embed = "wte.weight", .positions = "wpe.weight",
        .norm = "ln_f.weight", .norm_bias = "ln_f.bias", .head = "lm_head.weight", .rows = gpt2, .buffers = gpt_buffers,
        .module = { [SITE_QKV] = "attn.c_attn", [SITE_Q] = "", [SITE_K] = "", [SITE_V] = "", [SITE_O] = "attn.c_proj",
                    [SITE_GATE_UP] = "", [SITE_GATE] = "", [SITE_UP] = "mlp.c_fc", [SITE_DOWN] = "mlp.c_proj" } },
    [NAMES_GPT_NEOX] = { .prefix = { "gpt_neox.", "" }, .layers = "layers.", .embed = "embed_in.weight", .norm = "final_layer_norm.weight",
        .norm_bias = "final_layer_norm.bias", .head = "embed_out.weight", .rows = gpt_neox, .buffers = gpt_buffers,
        .module = { [SITE_QKV] = "attention.query_key_value", [SITE_Q] = "", [SITE_K] = "", [SITE_V] = "",
                    [SITE_O] = "attention.dense", [SITE_GATE_UP] = "", [SITE_GATE] = "", [SITE_UP] = "mlp.dense_h_to_4h",
                    [SITE_DOWN] = "mlp.dense_4h_to_h" } },
};
/* clang-format on */

const file_names *names_of(const model_config *c) { return &names_table[families[c->family].names]; }

static bool keeps(const model_config *c, weight_layout layout)
{
    for (const layer_row *r = names_of(c)->rows; r->part[0].name; r++)
        if (r->slot == AT(qkv)) return r->layout == layout;
    return false;
}
bool names_qkv_by_head(const model_config *c) { return keeps(c, BY_HEAD); }
bool names_transposed(const model_config *c) { return keeps(c, TRANSPOSED); }
