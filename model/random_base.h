/* A base with random weights, to be pre-trained: a Hugging Face Llama folder. */
#ifndef TIEBREAK_MODEL_RANDOM_BASE_H
#define TIEBREAK_MODEL_RANDOM_BASE_H
#include "model/config.h"

/* Writes config.json, generation_config.json and model.safetensors (F32) into dir, which is made
 * when missing. Every matrix is N(0, 0.02^2), except that the two that write to the residual stream
 * (o_proj, down_proj) have 0.02 / sqrt(2 layers), as in GPT-2. Norms are 1 and biases 0. A tensor's
 * values depend on the seed and its name alone. */
int random_base_write(const char *dir, const model_config *c, uint64_t seed);
/* The same in BF16, in shards with model.safetensors.index.json, by all threads: a shape to
 * measure, not to train from. Values are sums of four uniforms with those standard deviations; each
 * depends on the seed, its tensor's name and its place alone. A shard has at most shard_bytes of
 * values, or one tensor, and that much memory is needed. */
int random_base_write_bf16(const char *dir, const model_config *c, uint64_t seed, int64_t shard_bytes);
#endif
