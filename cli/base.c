/* tiebreak base: a base model of a known shape with random weights, to measure on: speed and
 * memory do not depend on what the weights are. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "core/progress.h"
#include "core/str.h"
#include "model/config.h"
#include "model/random_base.h"

static struct {
    const char *shape, *tokenizer, *out;
    int64_t     seed;
    bool        json;
} o;

static int copy_file(const char *from, const char *name)
{
    char *source = path_join(from, name);
    str   text   = { 0 };
    int   rc     = file_read(source, 64u << 20, &text);
    if (!rc) rc = file_write_in(o.out, name, &text);
    str_free(&text);
    free(source);
    return rc;
}

static int run(int argc, char **argv)
{
    static const option table[] = {
        { "shape", OPT_STR, &o.shape, .required = true, .arg = "NAME",
          .help = "preset or folder whose config.json says the shape: mini, llama2-7b, ..." },
        { "out", OPT_STR, &o.out, .required = true, .arg = "DIR", .help = "folder to write" },
        { "tokenizer", OPT_STR, &o.tokenizer, .arg = "DIR",
          .help = "copy tokenizer.json and tokenizer_config.json from this folder" },
        { "seed", OPT_INT, &o.seed, .min = 0, .max = 9007199254740992.0, .def = "1", .arg = "N",
          .help = "same seed, same bytes" },
        { "json", OPT_FLAG, &o.json, .help = "one JSON object on stdout" },
        { 0 },
    };
    model_config c;
    double       start = clock_s();
    int          rc    = options_parse(&verb_base, table, argc, argv, NULL);
    if (!rc) rc = config_load(&c, o.shape);
    if (!rc) rc = random_base_write_bf16(o.out, &c, (uint64_t)o.seed, INT64_C(2) << 30);
    if (!rc && o.tokenizer) rc = copy_file(o.tokenizer, "tokenizer.json");
    if (!rc && o.tokenizer) rc = copy_file(o.tokenizer, "tokenizer_config.json");
    if (rc) return error_context(rc, "base");
    if (o.json) {
        json *j = json_object();
        json_set_str(j, "out", o.out);
        json_set_int(j, "parameters", config_parameters(&c));
        json_set_num(j, "wall_s", clock_s() - start);
        json_show_line(j);
    } else {
        printf("%s: %lld parameters in bf16, %.1f s\n", o.out, (long long)config_parameters(&c), clock_s() - start);
    }
    return OK;
}

const verb verb_base = { "base", "a base with random weights, to measure on", "--shape NAME --out DIR",
                         "  tiebreak base --shape llama2-7b --tokenizer datasets/mini/base --out runs/llama2-7b\n",
                         run };
