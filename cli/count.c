/* tiebreak count: what a method costs on a model's shapes, before anything is loaded. */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/json.h"
#include "adapters/flops.h"

static struct {
    const char *model, *method, *sites;
    int64_t     rank, threads;
    double      alpha;
    bool        alpha_given, json;
} o;

typedef struct {
    const method *m; /* NULL: full */
    method_counts n;
    method_flops  f;
    double        scale, share;
} row;

static int count_row(row *out, const method *m, const model_config *c, site_set sites)
{
    int64_t all = config_parameters(c);
    *out        = (row) { .m = m, .f = method_flops_of(m, c, sites, o.rank) };
    if (!m) {
        out->n     = (method_counts) { .trainable = all, .bytes = 4 * all };
        out->share = 1;
        return OK;
    }
    if (o.alpha_given && !method_takes_alpha(m))
        return input_error("--alpha %g: %s fixes s = %g and takes no alpha; leave it out", o.alpha, m->name, m->scale);
    int rc     = method_count(&out->n, m, c, sites, o.rank);
    out->scale = method_scale(m, o.alpha_given ? o.alpha : (double)o.rank, o.rank);
    out->share = (double)out->n.trainable / (double)all;
    return rc;
}

static json *row_json(const row *r)
{
    json *j = json_object(), *scopes = json_object(), *factors = json_object(), *f = json_object();
    char  spec[METHOD_SPEC_MAX];
    if (r->m) method_spec(r->m, spec, sizeof spec);
    json_set_str(j, "method", r->m ? r->m->name : "full");
    json_set_str(j, "spec", r->m ? spec : NULL);
    json_set_num(j, "rank", r->m ? (double)o.rank : NAN);
    json_set_num(j, "s", r->m ? r->scale : NAN);
    json_set_int(j, "trainable", r->n.trainable);
    json_set_int(j, "frozen", r->n.frozen);
    json_set_int(j, "adapter_bytes", r->n.bytes);
    json_set_int(j, "optimizer_bytes", 8 * r->n.trainable); /* AdamW's two moments in F32 */
    json_set_num(j, "share", r->share);
    for (int s = SCOPE_LAYER; s < SCOPE_COUNT; s++) json_set_int(scopes, scope_name[s], r->n.per_scope[s]);
    for (int i = 0; i < FACTOR_COUNT; i++)
        json_set_int(factors, (char[]) { factor_letter[i], '\0' }, r->n.per_factor[i]);
    json_set(j, "per_scope", scopes);
    json_set(j, "per_factor", factors);
    json_set_num(f, "base_forward", r->f.base_forward);
    json_set_num(f, "adapter_forward", r->f.adapter_forward);
    json_set_num(f, "base_training", r->f.base_training);
    json_set_num(f, "adapter_training", r->f.adapter_training);
    json_set(j, "flops_per_token", f);
    return j;
}

/* 524544 as "524,544". */
static const char *grouped(int64_t n, char out[32])
{
    char digits[24];
    int  length = snprintf(digits, sizeof digits, "%lld", (long long)n), at = 0;
    for (int i = 0; i < length; i++) {
        if (i && (length - i) % 3 == 0) out[at++] = ',';
        out[at++] = digits[i];
    }
    out[at] = '\0';
    return out;
}

static void print_rows(const row *rows, int n, const model_config *c, const char *sites)
{
    char a[32], b[32];
    printf("%s, %s parameters; sites %s, rank %lld\n\n", c->name, grouped(config_parameters(c), a), sites,
           (long long)o.rank);
    int width = 14;
    for (int i = 0; i < n; i++)
        if (rows[i].m && (int)strlen(rows[i].m->name) > width) width = (int)strlen(rows[i].m->name);
    printf("%-*s %15s %9s %16s %6s  %12s %12s\n", width, "method", "trained", "of base", "bytes", "s", "forward",
           "training");
    for (int i = 0; i < n; i++) {
        const row *r = &rows[i];
        printf("%-*s %15s %8.4f%% %16s ", width, r->m ? r->m->name : "full", grouped(r->n.trainable, a), 100 * r->share,
               grouped(r->n.bytes, b));
        if (r->m)
            printf("%6.4g  %+11.3f%% %+11.3f%%\n", r->scale, 100 * r->f.adapter_forward / r->f.base_forward,
                   100 * r->f.adapter_training / r->f.base_training);
        else
            /* the weights' own gradients: 6 P for 4 P */
            printf("%6s  %12s %+11.3f%%\n", "", "", 50.0);
    }
    if (n == 1 && rows->m) {
        char spec[METHOD_SPEC_MAX];
        method_spec(rows->m, spec, sizeof spec);
        printf("\n%s\n%s\n", rows->m->about, spec);
        for (int f = 0; f < FACTOR_COUNT; f++)
            if (rows->n.per_factor[f])
                printf("  %c  %15s trained, %s\n", factor_letter[f], grouped(rows->n.per_factor[f], a),
                       scope_name[rows->m->factor[f].scope]);
        if (rows->n.frozen) printf("  frozen numbers in the folder: %s\n", grouped(rows->n.frozen, a));
    }
    puts("\nforward, training: FLOPs per token beside the frozen base's; attention's own products are not counted.");
}

enum { ROWS_MAX = 64 };
static int run(int argc, char **argv)
{
    static const option table[] = {
        { "model", OPT_STR, &o.model, .required = true, .arg = "PRESET|DIR",
          .help = "a preset's name, or a Hugging Face folder (its config.json)" },
        { "method", OPT_STR, &o.method, .arg = "M",
          .help =
              "`full`, a spec as 'A=tied:train,u=layer:train,B=layer:train:zero,s=alpha/r', or one of (all when not given)",
          .name_in_table = method_name },
        { "rank", OPT_INT, &o.rank, .min = 1, .max = RANK_MAX, .def = "8", .arg = "N", .help = "rank r" },
        { "sites", OPT_STR, &o.sites, .def = "qkv", .arg = "S",
          .help = "all, or a list with commas of (qkv is q, k and v fused)", .name_in_table = site_name },
        { "alpha", OPT_NUM, &o.alpha, .min = 1e-9, .max = 1e9, .arg = "X", .given = &o.alpha_given,
          .help = "numerator of the scale s; the rank when not given" },
        { "threads", OPT_INT, &o.threads, .min = 1, .max = 4096, .arg = "N",
          .help = "as for every verb; counting uses one" },
        { "json", OPT_FLAG, &o.json, .help = "one JSON object on stdout" },
        { 0 },
    };
    model_config c;
    site_set     sites;
    method       one;
    row          rows[ROWS_MAX];
    int          n = 0, rc = options_parse(&verb_count, table, argc, argv, NULL);
    if (rc) return rc;
    if (!rc) rc = config_load_shape(&c, o.model);
    if (!rc) rc = site_set_parse(&sites, o.sites);
    if (!rc) rc = site_set_fit(&sites, &c, o.sites);
    bool full = o.method && !strcmp(o.method, "full");
    if (!rc && o.method && !full) rc = method_find(&one, o.method);
    if (!rc && o.method) rc = count_row(&rows[n++], full ? NULL : &one, &c, sites);
    for (int i = 0; !rc && !o.method && method_row(i) && n < ROWS_MAX - 1; i++) {
        bool skip = o.alpha_given && !method_takes_alpha(method_row(i));
        if (!skip) rc = count_row(&rows[n++], method_row(i), &c, sites);
    }
    if (!rc && !o.method) rc = count_row(&rows[n++], NULL, &c, sites);
    if (rc) return error_context(rc, "count");
    char site_names[64];
    site_set_print(sites, site_names, sizeof site_names);
    if (!o.json) {
        print_rows(rows, n, &c, site_names);
        return OK;
    }
    json *j = o.method ? row_json(rows) : json_object();
    json_set_str(j, "model", c.name);
    json_set_int(j, "base_parameters", config_parameters(&c));
    json_set_str(j, "sites", site_names);
    if (!o.method) {
        json *list = json_array();
        for (int i = 0; i < n; i++) json_push(list, row_json(&rows[i]));
        json_set(j, "methods", list);
    }
    json_show(j);
    return OK;
}

const verb verb_count = {
    "count", "parameters, bytes, FLOPs of a method on a model; needs no weights",
    "--model PRESET|DIR [--method M] --rank R [--sites S]",
    "  tiebreak count --model llama2-7b --rank 8\n"
    "  tiebreak count --model llama3.2-3b --method vera --rank 256 --sites q,v --json\n"
    "  tiebreak count --model mini --method 'A=tied:train,u=layer:train,B=layer:train:zero,s=alpha/r' --rank 4\n",
    run
};
