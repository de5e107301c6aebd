#include "adapters/flops.h"

/* The number of weights that a token is multiplied with: every linear's, and the output
 * projection's where it is run. */
static double product_weights(const model_config *c)
{
    static const site_id linears[] = { SITE_QKV, SITE_O, SITE_GATE, SITE_UP, SITE_DOWN };
    double               layer     = 0;
    for (size_t i = 0; i < sizeof linears / sizeof *linears; i++)
        layer += (double)site_in(c, linears[i]) * (double)site_out(c, linears[i]);
    return (double)c->layers * layer + (c->counting_only ? 0 : (double)c->vocab * (double)c->hidden);
}

/* Forward: 2 r (in + out) at each site. Backward: dh and dx always, dA = dh^T x where A trains, and
 * dB = dy^T h where something trains through B. Expanding the factors and its transpose run once a
 * step, not for each token, and are not counted. */
method_flops method_flops_of(const method *m, const model_config *c, site_set sites, int64_t rank)
{
    double p = product_weights(c), in = 0, out = 0, r = (double)rank;
    if (!m) return (method_flops) { .base_forward = 2 * p, .base_training = 6 * p };
    for (int s = 0; s < SITE_COUNT; s++) {
        if (!site_set_has(sites, s)) continue;
        in += (double)(c->layers * site_in(c, (site_id)s));
        out += (double)(c->layers * site_out(c, (site_id)s));
    }
    bool through_b = false;
    for (int f = 0; f < FACTOR_COUNT; f++) through_b |= f != FACTOR_A && m->factor[f].trained;
    double forward  = 2 * r * (in + out);
    double backward = 2 * r * (in + out) + (m->factor[FACTOR_A].trained ? 2 * r * in : 0) +
                      (through_b ? 2 * r * out : 0);
    return (method_flops) { .base_forward     = 2 * p,
                            .adapter_forward  = forward,
                            .base_training    = 4 * p,
                            .adapter_training = forward + backward };
}
