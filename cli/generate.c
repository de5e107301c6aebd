/* tiebreak generate: what a model says, greedily. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/json.h"
#include "core/progress.h"
#include "core/memory.h"
#include "adapters/base.h"
#include "adapters/adapter.h"
#include "model/generate.h"
#include "tokenizer/tokenizer.h"

static struct {
    const char *model, *adapter, *prompt, *device, *dtype, *variant;
    int64_t     max_new, threads, copies;
    bool        json, time, base_changed;
} o;

typedef struct {
    model     *m;
    adapter   *a;
    tokenizer *t;
    ids        prompt;
    int32_t   *out;
    int64_t    n_out;
    double     wall_s; /* of the last of two runs, with --time */
} session;

static bool ends_text(void *ctx, int64_t item, const int32_t *out, int64_t n)
{
    const session *s = ctx;
    (void)item;
    if (o.time) return false; /* as many tokens whatever the text is */
    if (out[n - 1] == tokenizer_eos(s->t)) return true;
    for (int i = 0; i < s->m->cfg.n_eos; i++)
        if (out[n - 1] == s->m->cfg.eos[i]) return true;
    return false;
}

static int open_all(session *s)
{
    const backend *be = backend_for(o.device, o.dtype);
    if (!be) return ERR_INPUT;
    if (o.threads) be->set_threads(be, (int)o.threads);
    int rc = tokenizer_open(&s->t, o.model);
    if (!rc) rc = model_open(&s->m, o.model, be, false);
    if (!rc && o.adapter) rc = adapter_open(&s->a, be, &s->m->cfg, o.adapter);
    if (!rc && s->a) adapter_expand(s->a);
    if (!rc && s->a) rc = adapter_check_base(o.adapter, s->m, o.base_changed);
    if (!rc && !s->m->cfg.n_eos && tokenizer_eos(s->t) < 0)
        warn("%s: no end token in its configs: a text goes on to --max-new-tokens", o.model);
    return rc;
}

/* The prompt's ids with what the tokenizer puts before a text; an empty prompt is the beginning
 * of a text alone. */
static int encode_prompt(session *s)
{
    int rc = tokenizer_encode(s->t, o.prompt, strlen(o.prompt), true, &s->prompt);
    if (rc) return error_context(rc, "--prompt");
    int32_t bos = tokenizer_bos(s->t) >= 0 ? tokenizer_bos(s->t) : s->m->cfg.bos;
    if (!s->prompt.n && bos >= 0) ids_push(&s->prompt, bos);
    if (!s->prompt.n)
        return input_error("--prompt \"\": this model has no token that begins a text; give at least one character");
    int64_t room = s->m->cfg.positions - (int64_t)s->prompt.n;
    if (o.max_new > room)
        return input_error(
            "--max-new-tokens %lld: the model has %lld positions and the prompt takes %zu, which leaves %lld",
            (long long)o.max_new, (long long)s->m->cfg.positions, s->prompt.n, (long long)(room > 0 ? room : 0));
    return OK;
}

static int generate(session *s)
{
    int rc = encode_prompt(s);
    if (!rc)
        rc = model_use_variant(s->m, o.variant, s->a ? adapter_pairs(s->a) : NULL, false,
                               o.copies * (int64_t)s->prompt.n);
    if (rc) return rc;
    generate_item *items = mem_alloc((size_t)o.copies, sizeof *items);
    s->out               = mem_alloc((size_t)(o.copies * o.max_new), sizeof *s->out);
    for (int64_t i = 0; i < o.copies; i++)
        items[i] = (generate_item) { .prompt   = s->prompt.ids,
                                     .n_prompt = (int64_t)s->prompt.n,
                                     .max_new  = o.max_new,
                                     .ids      = s->out + i * o.max_new };
    decoder *d = decoder_new(s->m);
    for (int k = o.time ? 0 : 1; k < 2 && !rc; k++) {
        /* the first of two runs pays for what is made once: memory, graphs, a library's start */
        double start = clock_s();
        rc           = generate_items(d, s->a ? adapter_pairs(s->a) : NULL, items, o.copies,
                                      (generate_options) { .batch = o.copies, .stop = ends_text, .ctx = s });
        s->wall_s    = clock_s() - start;
    }
    decoder_free(d);
    s->n_out = items[0].n_new;
    free(items);
    return rc;
}

static void set_time(json *j, const session *s)
{
    const backend *be = s->m->be;
    json_set_int(j, "copies", o.copies);
    json_set_int(j, "prompt_tokens", (int64_t)s->prompt.n);
    json_set_int(j, "new_tokens", o.copies * s->n_out);
    json_set_num(j, "wall_s", s->wall_s);
    json_set_num(j, "tokens_per_s", (double)(o.copies * s->n_out) / s->wall_s);
    if (be->peak_bytes) json_set_int(j, "device_peak_bytes", be->peak_bytes(be));
}

static int print(const session *s)
{
    str text = { 0 };
    int rc   = tokenizer_decode(s->t, s->out, (size_t)s->n_out, true, &text);
    if (!rc && o.json) {
        json *j = json_object(), *list = json_array();
        for (int64_t i = 0; i < s->n_out; i++) json_push(list, json_of_number(s->out[i]));
        json_set_str(j, "text", str_c(&text));
        json_set(j, "ids", list);
        if (o.time) set_time(j, s);
        json_show(j);
    } else if (!rc) {
        fwrite(str_c(&text), 1, text.n, stdout);
        putchar('\n');
        if (o.time)
            printf("%lld tokens in %.3f s, %.1f tokens/s\n", (long long)(o.copies * s->n_out), s->wall_s,
                   (double)(o.copies * s->n_out) / s->wall_s);
    }
    str_free(&text);
    return rc;
}

static int run(int argc, char **argv)
{
    static const option table[] = {
        { "model", OPT_STR, &o.model, .required = true, .arg = "DIR",
          .help = "base model: a Hugging Face folder with its tokenizer" },
        { "adapter", OPT_STR, &o.adapter, .arg = "DIR", .help = "adapter on it: a folder of ours or of PEFT's" },
        { "base-changed", OPT_FLAG, &o.base_changed,
          .help = "the adapter may meet another base than the one it was trained on or names" },
        { "prompt", OPT_STR, &o.prompt, .required = true, .arg = "TEXT",
          .help = "what the text begins with; may be empty" },
        { "max-new-tokens", OPT_INT, &o.max_new, .min = 1, .max = 1 << 24, .def = "64", .arg = "N",
          .help = "stop after so many, or at the end token" },
        { "copies", OPT_INT, &o.copies, .min = 1, .max = 4096, .def = "1", .arg = "N",
          .help = "so many texts of the prompt at once; one is shown" },
        { "time", OPT_FLAG, &o.time,
          .help = "twice, past end tokens: tokens/s of the second, the prompt's pass included" },
        OPTIONS_OF_DEVICE(o),
        { "json", OPT_FLAG, &o.json,
          .help = "one JSON object on stdout: text, and ids, the new ones; with --time what it took" },
        { 0 }
    };
    session s  = { 0 };
    int     rc = options_parse(&verb_generate, table, argc, argv, NULL);
    if (rc) return rc;
    rc = open_all(&s);
    if (!rc) rc = generate(&s);
    if (!rc) rc = print(&s);
    free(s.out);
    ids_free(&s.prompt);
    adapter_free(s.a);
    model_close(s.m);
    tokenizer_close(s.t);
    return rc ? error_context(rc, "generate") : OK;
}

const verb verb_generate = { "generate", "what a model says, greedily", "--model DIR --prompt TEXT [--adapter DIR]",
                             "  tiebreak generate --model base --prompt \"Once upon a time\" --max-new-tokens 100\n"
                             "  tiebreak generate --model base --adapter runs/lora/adapter --prompt \"\" --json\n",
                             run };
