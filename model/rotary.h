/* Rotary position embedding in f64 on the host: the frequencies of a configuration, and the table
 * that the rope op reads. */
#ifndef TIEBREAK_MODEL_ROTARY_H
#define TIEBREAK_MODEL_ROTARY_H
#include "model/config.h"

/* inv_freq [head_dim / 2] is theta^(-2i/head_dim), with Llama 3's scaling when the configuration
 * has it (transformers 5, rope_type "llama3"): wave lengths past original/low_freq_factor are
 * divided by `factor`, those under original/high_freq_factor are kept, and those between are
 * blended. */
void rotary_frequencies(const model_config *c, double *inv_freq);

/* table [positions, head_dim] has cos(p f_i) in the first half of row p and sin in the second. */
void rotary_table(const model_config *c, int64_t positions, double *table);
#endif
