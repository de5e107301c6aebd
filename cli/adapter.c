/* tiebreak adapter: look into an adapter folder; write it as a plain LoRA that any server loads;
 * build it into its base. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/file.h"
#include "core/memory.h"
#include "adapters/base.h"
#include "adapters/merge.h"
#include "adapters/peft.h"

static struct {
    const char *model, *to, *out;
    int64_t     threads;
    bool        json, base_changed;
} o;

/* Opens the folder as an adapter on the shape of the given base, or else the shape it tells
 * itself. */
static int open_folder(adapter **a, json **config, const char *dir)
{
    model_config c;
    int          rc = adapter_read_config(config, dir);
    if (!rc) rc = o.model ? config_load(&c, o.model) : adapter_shape(&c, dir);
    if (!rc) rc = adapter_open(a, backend_find("ref"), &c, dir);
    return rc;
}

static bool all_finite(const adapter *a)
{
    /* f64, as a is on ref */
    const double *arrays[] = { host_values(a->be, a->theta), host_values(a->be, a->frozen) };
    int64_t       counts[] = { a->theta_count, a->frozen_count };
    for (int k = 0; k < 2; k++)
        for (int64_t i = 0; i < counts[k]; i++)
            if (!isfinite(arrays[k][i])) return false;
    return true;
}

/* The scale that every module with a rank has; NaN when they differ. */
static double common_scale(const adapter *a)
{
    double s = NAN;
    for (int64_t j = 0; j < a->n_jobs; j++) {
        if (!a->jobs[j].r) continue;
        if (!isnan(s) && fabs(s - a->jobs[j].s) > 1e-12 * fabs(s)) return NAN;
        s = a->jobs[j].s;
    }
    return s;
}

static json *modules_json(const adapter *a)
{
    json *list = json_array();
    for (int64_t m = 0; m < a->cfg.layers * SITE_COUNT; m++) {
        int site = (int)(m % SITE_COUNT);
        if (!site_set_has(a->spec.sites, site)) continue;
        json *j = json_object();
        json_set_int(j, "layer", m / SITE_COUNT);
        json_set_str(j, "site", site_table[site].name);
        json_set_int(j, "in", site_in(&a->cfg, (site_id)site));
        json_set_int(j, "out", site_out(&a->cfg, (site_id)site));
        json_set_int(j, "rank", a->spec.module_rank[m]);
        json_set_num(j, "s", a->spec.module_scale[m]);
        json_push(list, j);
    }
    return list;
}

static int describe(json **out, const adapter *a, const json *config, const char *dir)
{
    char        spec[METHOD_SPEC_MAX], sites[64], hash[65], *weights = path_join(dir, "adapter_model.safetensors");
    struct stat st = { .st_size = 0 };
    int         rc = adapter_hash(dir, hash);
    if (!rc && stat(weights, &st)) rc = input_error("%s: cannot be read", weights);
    free(weights);
    if (rc) return rc;
    method_spec(&a->spec.method, spec, sizeof spec);
    site_set_print(a->spec.sites, sites, sizeof sites);
    json *j = *out = json_object();
    json_set_str(j, "folder", dir);
    json_set_str(j, "peft_type", adapter_config_type(config));
    json_set_str(j, "base", adapter_config_base(config));
    json_set_str(j, "method", a->spec.method.name);
    json_set_str(j, "spec", spec);
    json_set_str(j, "sites", sites);
    json_set_int(j, "layers", a->cfg.layers);
    json_set_int(j, "rank", a->spec.rank);
    json_set_num(j, "alpha", method_takes_alpha(&a->spec.method) ? a->spec.alpha : NAN);
    json_set_num(j, "s", common_scale(a));
    json_set_int(j, "trainable", a->theta_count);
    json_set_int(j, "frozen", a->frozen_count);
    json_set_int(j, "adapter_bytes", 4 * (a->theta_count + a->frozen_count));
    json_set_int(j, "file_bytes", st.st_size);
    json_set_str(j, "sha256", hash);
    json_set_bool(j, "finite", all_finite(a));
    json_set(j, "modules", modules_json(a));
    json_set(j, "training", adapter_config_training(config));
    return OK;
}

static void print_ranks(const adapter *a)
{
    bool same = true;
    for (int64_t j = 0; j < a->n_jobs; j++) same &= a->jobs[j].r == a->spec.rank;
    for (int64_t j = 0; !same && j < a->n_jobs; j++) {
        const expand_job *job = &a->jobs[j];
        if (job->layer == 0) printf("  ranks of %-4s ", site_table[job->site].name);
        printf(" %lld", (long long)job->r);
        if (job->layer == a->cfg.layers - 1) putchar('\n');
    }
}

static const char *text(const json *d, const char *key) { return json_text(json_find(d, key)); }
static double      number(const json *d, const char *key) { return json_number(json_find(d, key)); }

static void print_description(const adapter *a, const json *d)
{
    const json *training = json_find(d, "training");
    printf("%s: %s on %s\n", text(d, "folder"), text(d, "method"),
           text(d, "base") ? text(d, "base") : "an unnamed base");
    printf("  spec          %s\n", text(d, "spec"));
    printf("  sites         %s, %.0f layers\n", text(d, "sites"), number(d, "layers"));
    printf("  rank          %.0f\n", number(d, "rank"));
    print_ranks(a);
    if (isnan(number(d, "s")))
        puts("  s             differs by module (--json lists them)");
    else
        printf("  s             %.8g\n", number(d, "s"));
    printf("  trained       %.0f numbers; %.0f frozen ones are stored\n", number(d, "trainable"), number(d, "frozen"));
    printf("  file          %.0f bytes, sha256 %s\n", number(d, "file_bytes"), text(d, "sha256"));
    if (!json_is_true(json_find(d, "finite"))) puts("  NOT FINITE    some numbers are NaN or infinite");
    if (json_members(training)) {
        printf("  training      ");
        json_show_line(json_copy(training));
    }
}

/* Shows what is in the folder, under a heading where it is read by eye. */
static int show(const adapter *a, const json *config, const char *dir, const char *heading)
{
    json *d  = NULL;
    int   rc = describe(&d, a, config, dir);
    if (rc) return rc;
    if (o.json) {
        json_show(d);
        return OK;
    }
    fputs(heading, stdout);
    print_description(a, d);
    json_free(d);
    return OK;
}

static int inspect(const adapter *a, const json *config, const char *dir) { return show(a, config, dir, ""); }

static int export(const adapter *a, const json *config, const char *dir)
{
    if (!o.out) return input_error("--out DIR is needed: where the exported folder goes");
    if (strcmp(o.to, "lora")) return input_error("--to %s: must be lora, the one format that every server loads", o.to);
    json    *ours    = NULL;
    adapter *e       = NULL;
    str      heading = { 0 };
    str_printf(&heading, "%s (%s, %lld numbers) as a plain LoRA:\n", dir, a->spec.method.name,
               (long long)(a->theta_count + a->frozen_count));
    int rc = adapter_export_lora(a, o.out, adapter_config_base(config));
    if (!rc) rc = adapter_read_config(&ours, o.out);
    if (!rc) rc = adapter_open(&e, a->be, &a->cfg, o.out);
    if (!rc) rc = show(e, ours, o.out, heading.s);
    str_free(&heading);
    json_free(ours);
    adapter_free(e);
    return rc;
}

static int merge(const adapter *a, const json *config, const char *dir)
{
    (void)a;
    (void)config;
    if (!o.out) return input_error("--out DIR is needed: where the merged model goes");
    if (!o.model || !file_is_dir(o.model))
        return input_error("--model DIR is needed: the base's folder, with its weights");
    if (file_exists(o.out)) return input_error("--out %s: is there already; name a folder that is not", o.out);
    const backend *be = backend_find("cpu");
    model         *m  = NULL;
    adapter       *f  = NULL;
    int            rc = model_open(&m, o.model, be, true);
    if (!rc) rc = adapter_open(&f, be, &m->cfg, dir);
    if (!rc) rc = adapter_check_base(dir, m, o.base_changed);
    if (!rc) rc = adapter_merge(f, m);
    if (!rc) rc = model_save(m, o.out, o.model);
    if (!rc && o.json) {
        json *j = json_object();
        json_set_str(j, "folder", o.out);
        json_set_int(j, "parameters", m->flat_count);
        json_set_str(j, "base_sha256", model_hash(m));
        json_show(j);
    }
    if (!rc && !o.json) printf("%s with %s built in: %s\n", o.model, dir, o.out);
    adapter_free(f);
    model_close(m);
    return rc;
}

/* What can be done with a folder. */
static const char *const actions[] = { "inspect", "export", "merge", NULL };
static int (*const run_action[])(const adapter *a, const json *config, const char *dir) = { inspect, export, merge };

static int run(int argc, char **argv)
{
    static const option table[] = {
        { "to", OPT_STR, &o.to, .def = "lora", .arg = "FORMAT", .help = "export: lora, a plain PEFT LoRA" },
        { "out", OPT_STR, &o.out, .arg = "DIR", .help = "export, merge: the folder to write" },
        { "model", OPT_STR, &o.model, .arg = "PRESET|DIR",
          .help = "merge: the base\nelse, where the folder alone does not tell its shapes" },
        { "base-changed", OPT_FLAG, &o.base_changed,
          .help = "merge: the adapter may meet another base than the one it was trained on or names" },
        { "threads", OPT_INT, &o.threads, .min = 1, .max = 4096, .arg = "N",
          .help = "as for every verb; this one uses one" },
        { "json", OPT_FLAG, &o.json, .help = "one JSON object on stdout" },
        { 0 },
    };
    positionals p  = { .min = 2, .max = 2, .what = "inspect DIR, export DIR or merge DIR" };
    int         rc = options_parse(&verb_adapter, table, argc, argv, &p), k = 0;
    if (rc) return rc;
    while (actions[k] && strcmp(p.args[0], actions[k])) k++;
    if (!actions[k])
        return input_error("adapter: \"%s\": must be %s%s", p.args[0], words_listed(actions, ", ", " or ").text,
                           did_you_mean(p.args[0], actions).text);
    json    *config = NULL;
    adapter *a      = NULL;
    rc              = open_folder(&a, &config, p.args[1]);
    if (!rc) rc = run_action[k](a, config, p.args[1]);
    adapter_free(a);
    json_free(config);
    return rc ? error_context(rc, "adapter") : OK;
}

const verb verb_adapter = { "adapter",
                            "look into an adapter folder, export it as a plain LoRA, or merge it into its base",
                            "inspect DIR | export DIR --to lora --out DIR | merge DIR --model DIR --out DIR",
                            "  tiebreak adapter inspect runs/tied-lora\n"
                            "  tiebreak adapter export runs/tied-lora --to lora --out runs/tied-lora-as-lora\n"
                            "  tiebreak adapter merge runs/tied-lora --model base --out merged\n",
                            run };
