/* The linears of a decoder's layer that an adapter can change, and sets of them. */
#ifndef TIEBREAK_MODEL_SITES_H
#define TIEBREAK_MODEL_SITES_H
#include "model/config.h"

/* Sites in the order they are visited inside a layer. `qkv` is q, k and v fused: rows of B and v
 * come in the order q, k, v. `name` is the site's name on the command line; `module` is its path
 * inside a layer in Hugging Face's naming, "" for qkv. */
typedef enum { SITE_QKV, SITE_Q, SITE_K, SITE_V, SITE_O, SITE_GATE, SITE_UP, SITE_DOWN, SITE_COUNT } site_id;
typedef struct {
    const char *name, *module;
} site_info;
extern const site_info site_table[SITE_COUNT];
const char            *site_name(int i); /* NULL past the end */

/* Widths of the linear's input and output; both are 0 where the shape has no such linear (`gate` of
 * an encoder). */
int64_t site_in(const model_config *c, site_id s);
int64_t site_out(const model_config *c, site_id s);

/* A set of sites as a bit mask (1 << site_id). */
typedef unsigned   site_set;
static inline bool site_set_has(site_set sites, int site) { return sites >> site & 1; }
/* Reads "qkv", "q,v", "all" (the seven separate sites) or any list; qkv excludes q, k and v.
 * ERR_INPUT says what is allowed. */
int  site_set_parse(site_set *out, const char *text);
void site_set_print(site_set s, char *out, int64_t size);
#endif
