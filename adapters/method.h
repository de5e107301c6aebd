/* Methods as rows of data: y = W x + s v * (B R (u * (A x))). Each factor has a scope, is trained
 * or frozen, and has an init. Nothing outside the rows depends on a method's name. A new method is
 * one row in method.c, or --method 'A=...,B=...' without any C:
 *
 *     method m;
 *     int rc = method_find(&m, "A=tied:train,u=layer:train,B=tied:train,v=layer:train,s=alpha/r");
 *     method_counts n;
 *     if (!rc) rc = method_count(&n, &m, &cfg, sites, 8);
 *
 * A spec is a list, separated by commas, of factors `X=scope:train|frozen[:init]` and `s=rule`. A
 * factor that is left out is `one`.
 *
 *     scope  one | layer | group:K | tied | model
 *     init   zero | ones | NUMBER | normal[:SIGMA] | kaiming | xavier | eye | vera
 *            defaults: A kaiming, u ones, R eye, v ones, B zero; B kaiming when another factor is
 *            given as zero
 *     s      1 | NUMBER | alpha/r | alpha/sqrt(r) | alpha/(r+1e-5); default 1 */
#ifndef TIEBREAK_ADAPTERS_METHOD_H
#define TIEBREAK_ADAPTERS_METHOD_H
#include "model/sites.h"

typedef enum { FACTOR_A, FACTOR_U, FACTOR_R, FACTOR_B, FACTOR_V, FACTOR_COUNT } factor_id;
extern const char factor_letter[FACTOR_COUNT + 1]; /* "AuRBv" */

/* ONE: the factor is absent (constant 1, the identity for R). LAYER: one for each site and layer.
 * GROUP: one for each site and `group` consecutive layers. TIED: one for each site. MODEL: one for
 * all sites and layers, of the largest shape, read through [:, :in] and [:out, :]. */
typedef enum { SCOPE_ONE, SCOPE_LAYER, SCOPE_GROUP, SCOPE_TIED, SCOPE_MODEL, SCOPE_COUNT } scope_id;
extern const char *const scope_name[SCOPE_COUNT + 1]; /* NULL-terminated */

/* KAIMING: U(+-1/sqrt(fan_in)), which is PyTorch's kaiming_uniform(a = sqrt 5). XAVIER: N(0,
 * 2/(fan_in + fan_out)). NORMAL: N(0, value^2). NUMBER: value. EYE: ones on the diagonal.
 * PEFT_VERA: U(+-sqrt(6/fan_in)) from one MT19937 stream over A, then B, as PEFT draws its
 * projections; for scope MODEL only. */
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
    int64_t  group; /* for GROUP: its k >= 1 */
    bool     trained;
    init_id  init;
    double   value;
} factor_spec;

/* SCALE_ALPHA_R_EPS is AdaLoRA's alpha/(r_init + 1e-5). */
typedef enum { SCALE_CONST, SCALE_ALPHA_R, SCALE_ALPHA_SQRT_R, SCALE_ALPHA_R_EPS } scale_rule;

typedef struct {
    const char *name;  /* the name on the command line; for a spec its canonical text */
    const char *about; /* one line: what it is, and its paper */
    /* PEFT's peft_type when separate sites can be written in its format; else NULL */
    const char *peft;
    factor_spec factor[FACTOR_COUNT];
    scale_rule  rule;
    double      scale; /* the scale of SCALE_CONST */
    /* AdaLoRA: an allocator prunes ranks, and a regulariser keeps A and B orthogonal. */
    bool allocates;
} method;

/* The built-in rows; NULL past the end. */
const method *method_row(int i);
const char   *method_name(int i); /* that row's name; NULL past the end */
/* Finds a row by name, or reads a spec (above). Fills *m, whose strings live as long as the
 * process. These are refused with the reason: unknown names (with the nearest), factors, scopes and
 * inits; A or B absent; nothing trained; a step-0 output that is not exactly zero (no factor starts
 * at zero), that can never move (two do), or whose zero is frozen. `full` is no row of the map and
 * is refused by that name. */
int method_find(method *m, const char *name_or_spec);
/* Writes the canonical spec ("A=tied:train:xavier,...,s=1") for configs and records. method_find
 * reads it back to the same factors and s. */
enum { METHOD_SPEC_MAX = 256 };
void method_spec(const method *m, char *out, int64_t size);
/* The two halves of method_find for specs: method_parse reads one without the step-0 rule, and
 * method_check is that rule. (method_spec.c) */
int method_parse(method *m, const char *spec);
int method_check(const method *m, const char *text);

double method_scale(const method *m, double alpha, int64_t r_init);
/* The alpha that gives a scale: the inverse of method_scale. For SCALE_CONST it is the scale
 * itself. */
double method_alpha(scale_rule rule, double s, int64_t r_init);
bool   method_takes_alpha(const method *m);
/* The peft_type whose file format holds these factors on separate sites, read off their scopes;
 * NULL when there is none. */
const char *method_peft_type(const method *m);

/* The shape of one instance of a factor for a linear [out, in] at rank r: A [r, in], u [1, r], R
 * [r, r], B [out, r], v [1, out]. */
typedef struct {
    int64_t rows, cols;
} factor_shape;
factor_shape factor_shape_of(factor_id f, int64_t in, int64_t out, int64_t r);
/* That of one instance that all sites of a set share: as wide as the widest. */
factor_shape factor_shape_widest(factor_id f, const model_config *c, site_set sites, int64_t r);
/* The instances that a site has over the layers: L, ceil(L/k) or 1; 0 for ONE and MODEL. */
int64_t factor_instances(const factor_spec *f, int64_t layers);

/* Counts parameters at one rank for all sites; needs no weights. Errors: no site, a rank outside
 * 1..65536, and fused qkv where the shapes have none. */
enum { RANK_MAX = 65536 };
typedef struct {
    int64_t trainable, frozen;
    /* the bytes of the adapter folder's tensors as F32, each shared tensor once */
    int64_t bytes;
    int64_t per_scope[SCOPE_COUNT];   /* trained, by scope */
    int64_t per_factor[FACTOR_COUNT]; /* trained, by factor */
} method_counts;
int method_count(method_counts *out, const method *m, const model_config *c, site_set sites, int64_t rank);
#endif
