/* The linears of a decoder's layer that an adapter can change, and sets of them. */
#ifndef TIEBREAK_MODEL_SITES_H
#define TIEBREAK_MODEL_SITES_H
#include "model/config.h"

/* Sites in the order they are visited inside a layer. `qkv` is q, k and v fused: rows of B and
 * v come in the order q, k, v; `gate_up` is gate and up fused. `name` is the site's name on the
 * command line. */
typedef enum {
    SITE_QKV,
    SITE_Q,
    SITE_K,
    SITE_V,
    SITE_O,
    SITE_GATE,
    SITE_UP,
    SITE_DOWN,
    SITE_GATE_UP,
    SITE_COUNT
} site_id;
typedef struct {
    const char *name;
} site_info;
extern const site_info site_table[SITE_COUNT];
const char            *site_name(int i); /* NULL past the end */
/* The site's path inside a layer in the naming of the model's family; "" where its files have no
 * module of its own there (qkv of a Llama). */
const char *site_module(const model_config *c, site_id s);

/* Widths of the linear's input and output; both are 0 where the shape has no such linear (`gate` of
 * an encoder or of an MLP without one). */
int64_t site_in(const model_config *c, site_id s);
int64_t site_out(const model_config *c, site_id s);

/* A set of sites as a bit mask (1 << site_id). */
typedef unsigned   site_set;
static inline bool site_set_has(site_set sites, int site) { return sites >> site & 1; }
/* Reads "qkv", "q,v", "all" (the seven separate sites) or any list; qkv excludes q, k and v,
 * gate_up excludes gate and up. ERR_INPUT says what is allowed. */
int site_set_parse(site_set *out, const char *text);
/* Takes out of `all` the linears that the shape does not have; ERR_INPUT where another set
 * names one that it does not have. text: what was given, for the message. */
int  site_set_fit(site_set *sites, const model_config *c, const char *text);
void site_set_print(site_set s, char *out, int64_t size);
#endif
