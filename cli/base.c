/* tiebreak base: a base model of a known shape with random weights, to measure on: speed and
 * memory do not depend on what the weights are. */
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/statvfs.h>

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

/* What a model's weights are called: beside such files others would be read in their place. */
static int refuse_model(const char *dir)
{
    DIR *d  = opendir(dir);
    int  rc = OK;
    for (struct dirent *e; d && !rc && (e = readdir(d));) {
        const char *end = strrchr(e->d_name, '.');
        if (end && (!strcmp(end, ".safetensors") || !strcmp(end, ".bin") || !strcmp(e->d_name, "config.json") ||
                    strstr(e->d_name, ".index.json")))
            rc = input_error("--out %s: holds a model already (%s); choose another folder, or remove it", dir,
                             e->d_name);
    }
    if (d) closedir(d);
    return rc;
}

static const char *const tokenizer_files[] = { "tokenizer.json", "tokenizer_config.json" };

static int check_tokenizer(const char *dir)
{
    for (int i = 0; i < 2; i++) {
        char      *path  = path_join(dir, tokenizer_files[i]);
        const bool there = file_exists(path);
        free(path);
        if (!there) return input_error("--tokenizer %s: has no %s", dir, tokenizer_files[i]);
    }
    return OK;
}

/* Says how much is written where that is 2 GB or more; refuses what there is no room for. */
static int check_room(const char *dir, const model_config *c)
{
    const double   gb = 2e-9 * (double)config_parameters(c);
    struct statvfs fs;
    int            rc = file_make_dirs(dir);
    if (rc || statvfs(dir, &fs)) return rc;
    const double room = 1e-9 * (double)fs.f_bavail * (double)fs.f_frsize;
    if (gb > room)
        return input_error("--out %s: %s in bf16 takes %.1f GB and %.1f GB are free there", dir, c->name, gb, room);
    if (gb >= 2) fprintf(stderr, "base: writes %.1f GB to %s, where %.1f GB are free\n", gb, dir, room);
    return OK;
}

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
    if (!rc && c.counting_only)
        rc = input_error("--shape %s: is a shape for counting only (`tiebreak count`): its layers are an encoder's",
                         c.name);
    if (!rc) rc = refuse_model(o.out);
    if (!rc && o.tokenizer) rc = check_tokenizer(o.tokenizer);
    if (!rc) rc = check_room(o.out, &c);
    if (!rc) rc = random_base_write_bf16(o.out, &c, (uint64_t)o.seed, INT64_C(2) << 30);
    for (int i = 0; i < 2 && !rc && o.tokenizer; i++) rc = copy_file(o.tokenizer, tokenizer_files[i]);
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
