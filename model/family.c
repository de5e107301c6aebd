#include "model/family.h"

#include <stddef.h>
#include <string.h>

#define GEMMA .tied = true, .scaled_embedding = true, .head_dim = 256
#define QWEN .window = WINDOW_SWITCHED, .sliding_window = 4096, .positions = 32768

/* clang-format off */
static const char *const gemma_keys[] = { "hidden_act", "hidden_activation", NULL };
static const char *const gpt2_keys[] = { "num_hidden_layers", "n_layer", "hidden_size", "n_embd", "num_attention_heads", "n_head",
    "max_position_embeddings", "n_positions", "intermediate_size", "n_inner", "rms_norm_eps", "layer_norm_epsilon",
    "hidden_act", "activation_function", NULL };
static const char *const neox_keys[] = { "rope_theta", "rotary_emb_base", "partial_rotary_factor", "rotary_pct",
    "rms_norm_eps", "layer_norm_eps", NULL };

/* Each row says what its modelling code in transformers 5 does in another way than Llama's. */
const family families[] = {
    { "llama", "LlamaForCausalLM", .positions = 2048 },
    { "mistral", "MistralForCausalLM", .bias = BIAS_NONE, .window = WINDOW_ALL, .sliding_window = 4096, .positions = 131072 },
    { "qwen2", "Qwen2ForCausalLM", .bias = BIAS_QKV, QWEN },
    { "qwen3", "Qwen3ForCausalLM", { .qk = QK_NORM_HEADS }, .head_dim = 128, QWEN },
    { "phi3", "Phi3ForCausalLM", .names = NAMES_PHI3, .bias = BIAS_NONE, .window = WINDOW_ALL, .partial_rotary = 1, .norm_eps = 1e-5,
      .positions = 4096, .original_positions = 4096 },
    { "gemma", "GemmaForCausalLM", { .norm_offset = 1, .act = ACT_GELU_TANH }, GEMMA, .gelu_means_tanh = true, .positions = 8192 },
    { "gemma2", "Gemma2ForCausalLM", { .norm_offset = 1, .act = ACT_GELU_TANH, .norms = NORMS_AROUND }, NAMES_LLAMA_AFTER, GEMMA,
      .keys = gemma_keys, .window = WINDOW_BY_TYPE, .sliding_window = 4096, .every = 2, .attention_cap = 50,
      .logit_cap = 30, .query_scalar = true, .positions = 8192 },
    { "gemma3_text", "Gemma3ForCausalLM", { .norm_offset = 1, .act = ACT_GELU_TANH, .norms = NORMS_AROUND, .qk = QK_NORM_HEADS },
      NAMES_LLAMA_AFTER, GEMMA, .keys = gemma_keys, .window = WINDOW_BY_TYPE, .sliding_window = 4096, .every = 6,
      .query_scalar = true, .two_bases = true, .rope_theta = 1e6, .heads = 8, .kv_heads = 4, .vocab = 262208,
      .positions = 131072 },
    { "smollm3", "SmolLM3ForCausalLM", .window = WINDOW_SWITCHED, .rope_theta = 2e6, .tied = true, .some_unrotated = true,
      .positions = 32768 },
    { "olmo2", "Olmo2ForCausalLM", { .norms = NORMS_AFTER, .qk = QK_NORM_WHOLE }, NAMES_LLAMA_AFTER, .norm_eps = 1e-5, .positions = 2048 },
    { "granite", "GraniteForCausalLM", .multipliers = true, .positions = 2048 },
    { "gpt2", "GPT2LMHeadModel", { .norm = NORM_LAYER, .act = ACT_GELU_TANH, .ungated = true, .positions = true }, .names = NAMES_GPT2,
      .bias = BIAS_USUAL, .tied = true, .keys = gpt2_keys, .norm_eps = 1e-5, .positions = 1024 },
    { "gpt_neox", "GPTNeoXForCausalLM", { .norm = NORM_LAYER, .act = ACT_GELU, .ungated = true, .parallel = true }, .names = NAMES_GPT_NEOX,
      .bias = BIAS_USUAL, .keys = neox_keys, .norm_eps = 1e-5, .partial_rotary = 0.25, .positions = 2048 },
    { 0 },
};
/* clang-format on */

int family_find(const char *model_type)
{
    for (int i = 0; families[i].model_type; i++)
        if (!strcmp(families[i].model_type, model_type)) return i;
    return -1;
}
