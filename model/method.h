/* Methods as rows of data (DESIGN section 1): y = W x + s v * (B R (u * (A x))); each factor has a scope, is trained or frozen, and has an init.
 * Nothing outside the rows switches on a method's name. Adding a method is one row in method.c, or --method 'A=...,B=...' without any C. */
#ifndef TIEBREAK_MODEL_METHOD_H
#define TIEBREAK_MODEL_METHOD_H
#include "model/config.h"

typedef enum { FACTOR_A, FACTOR_U, FACTOR_R, FACTOR_B, FACTOR_V, FACTOR_COUNT } factor_id;
extern const char factor_letter[FACTOR_COUNT]; /* "AuRBv" */

/* ONE: absent (constant 1, identity for R). LAYER: one per site and layer. GROUP: one per site and `group` consecutive layers. TIED: one per site.
 * MODEL: one for all sites and layers, the largest shape, read through [:, :in] and [:out, :]. */
typedef enum { SCOPE_ONE, SCOPE_LAYER, SCOPE_GROUP, SCOPE_TIED, SCOPE_MODEL } scope_id;

/* KAIMING: U(+-1/sqrt(fan_in)), PyTorch's kaiming_uniform(a = sqrt 5); XAVIER: N(0, 2/(fan_in + fan_out)); NORMAL: N(0, value^2); NUMBER: value;
 * PEFT_VERA: U(+-sqrt(6/fan_in)) from one MT19937 stream over A then B, as PEFT draws its projections (scope MODEL only). */
typedef enum { INIT_DEFAULT, INIT_ZERO, INIT_NUMBER, INIT_NORMAL, INIT_KAIMING, INIT_XAVIER, INIT_EYE, INIT_PEFT_VERA } init_id;

typedef struct {
    scope_id scope;
    int64_t  group; /* GROUP: k >= 1 */
    bool     trained;
    init_id  init;
    double   value;
} factor_spec;

typedef enum { SCALE_CONST, SCALE_ALPHA_R, SCALE_ALPHA_SQRT_R, SCALE_ALPHA_R_EPS } scale_rule; /* R_EPS: alpha/(r_init + 1e-5), AdaLoRA */

typedef struct {
    const char *name;  /* as on the command line; for a spec, its canonical text */
    const char *about; /* one line: what it is, paper */
    const char *peft;  /* PEFT's peft_type when separate sites can be written in its format; else NULL */
    factor_spec factor[FACTOR_COUNT];
    scale_rule  rule;
    double      scale;     /* SCALE_CONST */
    bool        allocates; /* AdaLoRA: ranks are pruned by an allocator, orthogonality regulariser on A and B */
} method;

/* The built-in rows; NULL past the end. */
const method *method_row(int i);
/* A row by name, or a spec 'A=tied:train,u=layer:train:ones,B=layer:train:zero,v=one,s=1'. Fills *m (strings live as long as the process).
 * Refused with the reason: unknown names (the nearest is suggested), unknown factors, scopes, inits; A or B absent; nothing trained; step-0 output
 * not exactly zero; more than one factor zero at start; a frozen zero. */
int method_find(method *m, const char *name_or_spec);
/* The factors as canonical spec text ("A=tied:train:xavier,..."), for configs and records. */
void   method_spec(const method *m, char *out, int64_t size);
double method_scale(const method *m, double alpha, int64_t r_init);
bool   method_takes_alpha(const method *m);

/* Parameter counts at one rank for all sites; needs no weights. */
typedef struct {
    int64_t trainable, frozen;
    int64_t bytes;                      /* the adapter folder's tensors as F32: each shared tensor once */
    int64_t per_scope[SCOPE_MODEL + 1]; /* trained, by scope */
    int64_t per_factor[FACTOR_COUNT];   /* trained, by factor */
} method_counts;
int method_count(method_counts *out, const method *m, const model_config *c, site_set sites, int64_t rank);
#endif
