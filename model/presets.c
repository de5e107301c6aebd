#include "model/presets.h"

#include <string.h>

/* The published configurations of the models they are named after; gpt-2b-001
 * (NVIDIA, facts of its NeMo configuration) is here for its shapes: it normalises and rotates in
 * another way than a Llama. */

#define LLAMA3_EOS .bos = 128000, .n_eos = 1, .eos = { 128001 }
#define LLAMA3_2                                                                                                       \
    .norm_eps = 1e-5, LLAMA3_EOS,                                                                                      \
    .rope     = { { ROPE_LLAMA3, .theta = 500000, .factor = 32, .low_freq = 1, .high_freq = 4, .original = 8192 } }
#define LLAMA2 .norm_eps = 1e-5, .rope = { { .theta = 10000 } }, .bos = 1, .n_eos = 1, .eos = { 2 }

/* clang-format off */
static const model_config presets[] = {
    { .name = "mini", .layers = 6, .hidden = 128, .inter = 256, .heads = 4, .kv_heads = 4, .head_dim = 32, .vocab = 1024, .positions = 256,
      .tied_embeddings = true, .norm_eps = 1e-5, .rope = { { .theta = 10000 } }, .bos = 0, .n_eos = 1, .eos = { 1 } },
    { .name = "llama2-7b", .layers = 32, .hidden = 4096, .inter = 11008, .heads = 32, .kv_heads = 32, .head_dim = 128, .vocab = 32000,
      .positions = 4096, LLAMA2 },
    { .name = "llama3-8b", .layers = 32, .hidden = 4096, .inter = 14336, .heads = 32, .kv_heads = 8, .head_dim = 128, .vocab = 128256,
      .positions = 8192, .norm_eps = 1e-5, .rope = { { .theta = 500000 } }, LLAMA3_EOS },
    { .name = "llama3.2-3b", .layers = 28, .hidden = 3072, .inter = 8192, .heads = 24, .kv_heads = 8, .head_dim = 128, .vocab = 128256,
      .positions = 131072, .tied_embeddings = true, LLAMA3_2 },
    { .name = "llama3.2-1b", .layers = 16, .hidden = 2048, .inter = 8192, .heads = 32, .kv_heads = 8, .head_dim = 64, .vocab = 128256,
      .positions = 131072, .tied_embeddings = true, LLAMA3_2 },
    { .name = "tinyllama-1.1b", .layers = 22, .hidden = 2048, .inter = 5632, .heads = 32, .kv_heads = 4, .head_dim = 64, .vocab = 32000,
      .positions = 2048, LLAMA2 },
    { .name = "gpt-2b-001", .layers = 24, .hidden = 2048, .inter = 5440, .heads = 16, .kv_heads = 16, .head_dim = 128, .vocab = 256000,
      .positions = 4096, .norm_eps = 1e-5, .rope = { { .theta = 10000 } }, .bos = -1 },
    { .name = "roberta-base", .layers = 12, .hidden = 768, .inter = 3072, .heads = 12, .kv_heads = 12, .head_dim = 64, .vocab = 50265,
      .positions = 514, .counting_only = true, .bos = 0, .n_eos = 1, .eos = { 2 } },
    { .name = "roberta-large", .layers = 24, .hidden = 1024, .inter = 4096, .heads = 16, .kv_heads = 16, .head_dim = 64, .vocab = 50265,
      .positions = 514, .counting_only = true, .bos = 0, .n_eos = 1, .eos = { 2 } },
};
/* clang-format on */
enum { N_PRESETS = sizeof presets / sizeof *presets };

/* In the words of their config.json. */
#define LAYERS(n, hidden, inter, heads)                                                                                \
    "\"num_hidden_layers\":" #n ",\"hidden_size\":" #hidden ",\"intermediate_size\":" #inter                           \
    ",\"num_attention_heads\":" #heads
#define KV(heads, head_dim) ",\"num_key_value_heads\":" #heads ",\"head_dim\":" #head_dim
#define VOCAB(n, positions) ",\"vocab_size\":" #n ",\"max_position_embeddings\":" #positions
#define TIED(is) ",\"tie_word_embeddings\":" #is
#define BASE(theta, eps) ",\"rope_theta\":" #theta ",\"rms_norm_eps\":" #eps
#define TYPE(name) "{\"model_type\":\"" name "\","
#define QWEN2 TYPE("qwen2")
#define QWEN3 TYPE("qwen3")
#define GEMMA2 ",\"query_pre_attn_scalar\":256,\"sliding_window\":4096"
#define GRANITE(attention, residual, logits)                                                                           \
    ",\"embedding_multiplier\":12.0,\"attention_multiplier\":" #attention ",\"residual_multiplier\":" #residual        \
    ",\"logits_scaling\":" #logits
#define GPT2(n, width, heads)                                                                                          \
    TYPE("gpt2")                                                                                                       \
    "\"n_layer\":" #n ",\"n_embd\":" #width ",\"n_head\":" #heads ",\"vocab_size\":50257,\"n_positions\":1024}"
#define PYTHIA(n, hidden, inter, heads, vocab) TYPE("gpt_neox") LAYERS(n, hidden, inter, heads) VOCAB(vocab, 2048) "}"

/* clang-format off */
static const struct {
    const char *name, *json;
} described[] = {
    { "llama1-7b", TYPE("llama") LAYERS(32, 4096, 11008, 32) VOCAB(32000, 2048) "}" },
    { "mistral-7b", TYPE("mistral") LAYERS(32, 4096, 14336, 32) KV(8, 128) VOCAB(32000, 32768) BASE(10000, 1e-5) ",\"sliding_window\":4096}" },
    { "qwen2.5-0.5b", QWEN2 LAYERS(24, 896, 4864, 14) KV(2, 64) VOCAB(151936, 32768) BASE(1000000, 1e-6) TIED(true) "}" },
    { "qwen2.5-1.5b", QWEN2 LAYERS(28, 1536, 8960, 12) KV(2, 128) VOCAB(151936, 131072) BASE(1000000, 1e-6) TIED(true) "}" },
    { "qwen2.5-7b", QWEN2 LAYERS(28, 3584, 18944, 28) KV(4, 128) VOCAB(152064, 131072) BASE(1000000, 1e-6) "}" },
    { "qwen3-0.6b", QWEN3 LAYERS(28, 1024, 3072, 16) KV(8, 128) VOCAB(151936, 40960) BASE(1000000, 1e-6) TIED(true) "}" },
    { "qwen3-1.7b", QWEN3 LAYERS(28, 2048, 6144, 16) KV(8, 128) VOCAB(151936, 40960) BASE(1000000, 1e-6) TIED(true) "}" },
    { "qwen3-4b", QWEN3 LAYERS(36, 2560, 9728, 32) KV(8, 128) VOCAB(151936, 40960) BASE(1000000, 1e-6) TIED(true) "}" },
    { "qwen3-8b", QWEN3 LAYERS(36, 4096, 12288, 32) KV(8, 128) VOCAB(151936, 40960) BASE(1000000, 1e-6) "}" },
    { "phi3-mini", TYPE("phi3") LAYERS(32, 3072, 8192, 32) VOCAB(32064, 4096) ",\"sliding_window\":2047}" },
    { "gemma-2b", TYPE("gemma") LAYERS(18, 2048, 16384, 8) KV(1, 256) VOCAB(256000, 8192) "}" },
    { "gemma-7b", TYPE("gemma") LAYERS(28, 3072, 24576, 16) KV(16, 256) VOCAB(256000, 8192) "}" },
    { "gemma2-2b", TYPE("gemma2") LAYERS(26, 2304, 9216, 8) KV(4, 256) VOCAB(256000, 8192) GEMMA2 "}" },
    { "gemma2-9b", TYPE("gemma2") LAYERS(42, 3584, 14336, 16) KV(8, 256) VOCAB(256000, 8192) GEMMA2 "}" },
    { "gemma3-1b", TYPE("gemma3_text") LAYERS(26, 1152, 6912, 4) KV(1, 256) VOCAB(262144, 32768) ",\"query_pre_attn_scalar\":256,\"sliding_window\":512}" },
    { "smollm2-135m", TYPE("llama") LAYERS(30, 576, 1536, 9) KV(3, 64) VOCAB(49152, 8192) BASE(100000, 1e-5) TIED(true) "}" },
    { "smollm2-360m", TYPE("llama") LAYERS(32, 960, 2560, 15) KV(5, 64) VOCAB(49152, 8192) BASE(100000, 1e-5) TIED(true) "}" },
    { "smollm2-1.7b", TYPE("llama") LAYERS(24, 2048, 8192, 32) KV(32, 64) VOCAB(49152, 8192) BASE(130000, 1e-5) TIED(true) "}" },
    { "smollm3-3b", TYPE("smollm3") LAYERS(36, 2048, 11008, 16) KV(4, 128) VOCAB(128256, 65536) BASE(5000000, 1e-6) "}" },
    { "olmo2-1b", TYPE("olmo2") LAYERS(16, 2048, 8192, 16) VOCAB(100352, 4096) BASE(500000, 1e-6) "}" },
    { "olmo2-7b", TYPE("olmo2") LAYERS(32, 4096, 11008, 32) VOCAB(100352, 4096) BASE(500000, 1e-6) "}" },
    { "granite3.1-2b", TYPE("granite") LAYERS(40, 2048, 8192, 32) KV(8, 64) VOCAB(49155, 131072) BASE(5000000, 1e-5) GRANITE(0.015625, 0.22, 8.0)
      TIED(true) "}" },
    { "granite3.1-8b", TYPE("granite") LAYERS(40, 4096, 12800, 32) KV(8, 128) VOCAB(49155, 131072) BASE(10000000, 1e-5)
      GRANITE(0.0078125, 0.22, 16.0) TIED(true) "}" },
    { "gpt2", GPT2(12, 768, 12) },
    { "gpt2-medium", GPT2(24, 1024, 16) },
    { "gpt2-large", GPT2(36, 1280, 20) },
    { "gpt2-xl", GPT2(48, 1600, 25) },
    { "pythia-70m", PYTHIA(6, 512, 2048, 8, 50304) },
    { "pythia-160m", PYTHIA(12, 768, 3072, 12, 50304) },
    { "pythia-410m", PYTHIA(24, 1024, 4096, 16, 50304) },
    { "pythia-1b", PYTHIA(16, 2048, 8192, 8, 50304) },
    { "pythia-1.4b", PYTHIA(24, 2048, 8192, 16, 50304) },
    { "pythia-2.8b", PYTHIA(32, 2560, 10240, 32, 50304) },
    { "pythia-6.9b", PYTHIA(32, 4096, 16384, 32, 50432) },
};
/* clang-format on */
enum { N_DESCRIBED = sizeof described / sizeof *described };

const char *preset_json(const char *name)
{
    for (int i = 0; i < N_DESCRIBED; i++)
        if (!strcmp(described[i].name, name)) return described[i].json;
    return NULL;
}

bool preset_find(model_config *c, const char *name)
{
    for (int i = 0; i < N_PRESETS; i++) {
        if (strcmp(presets[i].name, name) != 0) continue;
        *c = presets[i];
        return true;
    }
    return false;
}

void preset_names(str *out)
{
    for (int i = 0; i < N_PRESETS; i++) str_item(out, ", ", presets[i].name);
    for (int i = 0; i < N_DESCRIBED; i++) str_item(out, ", ", described[i].name);
}
