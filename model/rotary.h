/* Rotary position embedding: frequencies of a configuration, and the table the rope op reads. In
 * f64 on the host. */
#ifndef TIEBREAK_MODEL_ROTARY_H
#define TIEBREAK_MODEL_ROTARY_H
#include "model/config.h"

/* inv_freq [head_dim / 2]: theta^(-2i/head_dim), with Llama 3's scaling when the configuration
 * has one (transformers 5, rope_type "llama3"): wave lengths past original/low_freq_factor are
 * divided by `factor`, those under original/high_freq_factor kept, those between blended. */
void rotary_frequencies(const model_config *c, double *inv_freq);

/* table [positions, head_dim]: cos(p f_i) in the first half of row p, sin in the second. */
void rotary_table(const model_config *c, int64_t positions, double *table);
#endif
