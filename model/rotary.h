/* Rotary position embedding in f64 on the host: the frequencies of a configuration, and the table
 * that the rope op reads. Every scaling is a matter of the table alone. */
#ifndef TIEBREAK_MODEL_ROTARY_H
#define TIEBREAK_MODEL_ROTARY_H
#include "model/config.h"

/* How many values of a head are turned. */
int64_t rotary_width(const model_config *c);

/* inv_freq [width / 2] is theta^(-2i/width), scaled as transformers 5 does it:
 *   linear     divided by factor
 *   dynamic    theta grows with the text once that is longer than `original` (NTK scaling)
 *   yarn       between both by a ramp over the dimensions (Peng et al. 2023)
 *   llama3     wave lengths past original/low_freq are divided by factor, those under
 *              original/high_freq are kept, those between are blended
 *   longrope   divided by short factors, or by long ones in texts longer than `original` (Ding et
 *              al. 2024)
 * rope: which of the configuration's two; length: tokens of the text. */
void rotary_frequencies(const model_config *c, int rope, int64_t length, double *inv_freq);

/* The longest text whose frequencies are those of all shorter ones; INT64_MAX if length never
 * matters. */
int64_t rotary_same_until(const model_config *c);
/* A length whose frequencies are those of this one: the same for all texts up to
 * rotary_same_until. */
int64_t rotary_class(const model_config *c, int64_t length);

/* table [positions, width] has a cos(p f_i) in the first half of row p and a sin(p f_i) in the
 * second, a being attention_factor (yarn, longrope), else 1. */
void rotary_table(const model_config *c, int rope, int64_t length, int64_t positions, double *table);

/* yarn's attention factor (Peng et al. 2023, section 3.4): 0.1 mscale log(factor) + 1 */
double yarn_mscale(double factor, double mscale);
#endif
