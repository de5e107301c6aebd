/* Methods as rows of data (DESIGN section 1): y = W x + s v * (B R (u * (A x))); each factor has
 * a scope, is trained or frozen, and has an init. Nothing outside the rows switches on a
 * method's name. Adding a method is one row in method.c, or --method 'A=...,B=...' without any
 * C:
 *
 *     method m;
 *     int rc = method_find(&m, "A=tied:train,u=layer:train,B=layer:train:zero,s=alpha/r");
 *     method_counts n;
 *     if (!rc) rc = method_count(&n, &m, &cfg, sites, 8);
 *
 * The language of a spec: factors `X=scope:train|frozen[:init]` and `s=rule`, separated by
 * commas; factors left out are `one`.
 *   scope  one | layer | group:K | tied | model
 *   init   zero | ones | NUMBER | normal[:SIGMA] | kaiming | xavier | eye | vera; by default A
 *   kaiming, u ones, R eye, v ones, and B zero unless
 *          another factor is given as zero, then kaiming
 *   s      1 | NUMBER | alpha/r | alpha/sqrt(r) | alpha/(r+1e-5); by default 1 */
#ifndef TIEBREAK_ADAPTERS_METHOD_H
#define TIEBREAK_ADAPTERS_METHOD_H
#include "model/sites.h"

typedef enum { FACTOR_A, FACTOR_U, FACTOR_R, FACTOR_B, FACTOR_V, FACTOR_COUNT } factor_id;
extern const char factor_letter[FACTOR_COUNT + 1]; /* "AuRBv" */

/* ONE: absent (constant 1, identity for R). LAYER: one per site and layer. GROUP: one per site
 * and `group` consecutive layers. TIED: one per site. MODEL: one for all sites and layers, the
 * largest shape, read through [:, :in] and [:out, :]. */
typedef enum { SCOPE_ONE, SCOPE_LAYER, SCOPE_GROUP, SCOPE_TIED, SCOPE_MODEL, SCOPE_COUNT } scope_id;
extern const char *const scope_name[SCOPE_COUNT + 1]; /* NULL-terminated */

/* KAIMING: U(+-1/sqrt(fan_in)), PyTorch's kaiming_uniform(a = sqrt 5); XAVIER: N(0, 2/(fan_in +
 * fan_out)); NORMAL: N(0, value^2); NUMBER: value; EYE: ones on the diagonal; PEFT_VERA:
 * U(+-sqrt(6/fan_in)) from one MT19937 stream over A then B, as PEFT draws its projections
 * (scope MODEL only). */
typedef enum {
    INIT_DEFAULT,
    INIT_ZERO,
    INIT_NUMBER,
    INIT_NORMAL,
    INIT_KAIMING,
    INIT_XAVIER,
    INIT_EYE,
    INIT_PEFT_VERA
} init_id;

typedef struct {
    scope_id scope;
    int64_t  group; /* GROUP: k >= 1 */
    bool     trained;
    init_id  init;
    double   value;
} factor_spec;

/* R_EPS: alpha/(r_init + 1e-5), AdaLoRA */
typedef enum { SCALE_CONST, SCALE_ALPHA_R, SCALE_ALPHA_SQRT_R, SCALE_ALPHA_R_EPS } scale_rule;

typedef struct {
    const char *name;  /* as on the command line; for a spec, its canonical text */
    const char *about; /* one line: what it is, paper */
    /* PEFT's peft_type when separate sites can be written in its format; else NULL */
    const char *peft;
    factor_spec factor[FACTOR_COUNT];
    scale_rule  rule;
    double      scale; /* SCALE_CONST */
    /* AdaLoRA: ranks are pruned by an allocator, orthogonality regulariser on A and B */
    bool allocates;
} method;

/* The built-in rows; NULL past the end. */
const method *method_row(int i);
const char   *method_name(int i); /* the same for its name */
/* A row by name, or a spec (above). Fills *m (strings live as long as the process). Refused with
 * the reason: unknown names (the nearest is suggested), unknown factors, scopes, inits; A or B
 * absent; nothing trained; a step-0 output that is not exactly zero (no factor starts at zero),
 * that can never move (two do), or whose zero is frozen. `full` is no row of the map and is
 * refused by that name. */
int method_find(method *m, const char *name_or_spec);
/* The canonical spec text ("A=tied:train:xavier,...,s=1"), for configs and records; method_find
 * reads it back to the same factors and s. */
enum { METHOD_SPEC_MAX = 256 };
void method_spec(const method *m, char *out, int64_t size);
/* The reading half of method_find for specs, without the step-0 rule; method_check is the rule.
 * (method_spec.c) */
int method_parse(method *m, const char *spec);
int method_check(const method *m, const char *text);

double method_scale(const method *m, double alpha, int64_t r_init);
/* The alpha that makes a scale: method_scale's inverse; for SCALE_CONST the scale itself. */
double method_alpha(scale_rule rule, double s, int64_t r_init);
bool   method_takes_alpha(const method *m);
/* PEFT's peft_type whose file format holds these factors on separate sites, read off their
 * scopes; NULL: none. */
const char *method_peft_type(const method *m);

/* One instance of a factor for a linear [out, in] at rank r: A [r, in], u [1, r], R [r, r], B
 * [out, r], v [1, out]. */
typedef struct {
    int64_t rows, cols;
} factor_shape;
factor_shape factor_shape_of(factor_id f, int64_t in, int64_t out, int64_t r);
/* Instances a site has over the layers: L, ceil(L/k), 1; 0 for ONE and MODEL. */
int64_t factor_instances(const factor_spec *f, int64_t layers);

/* Parameter counts at one rank for all sites; needs no weights. Errors: no site, a rank outside
 * 1..65536, fused qkv where the shapes have none. */
enum { RANK_MAX = 65536 };
typedef struct {
    int64_t trainable, frozen;
    /* the adapter folder's tensors as F32: each shared tensor once */
    int64_t bytes;
    int64_t per_scope[SCOPE_COUNT];   /* trained, by scope */
    int64_t per_factor[FACTOR_COUNT]; /* trained, by factor */
} method_counts;
int method_count(method_counts *out, const method *m, const model_config *c, site_set sites, int64_t rank);
#endif
