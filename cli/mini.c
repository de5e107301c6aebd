/* tiebreak mini: the miniature suite from nothing. scripts/mini runs this, then pre-trains the
 * base. */
#include <stdio.h>
#include <stdlib.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/file.h"
#include "core/json.h"
#include "datasets/mini.h"
#include "tokenizer/bpe_train.h"
#include "model/random_base.h"

static struct {
    const char *out;
    int64_t     seed, documents;
    bool        tasks_only, json;
} o;

static int write_tokenizer(const char *dir, int64_t vocab, uint64_t seed)
{
    str text = { 0 }, tokenizer = { 0 }, config = { 0 };
    mini_vocabulary_text(&text, seed);
    bpe_options b  = { .vocab = vocab, .bos = "<|bos|>", .eos = "<|eos|>", .pattern = BPE_PATTERN };
    int         rc = bpe_train(&tokenizer, str_c(&text), text.n, b);
    bpe_tokenizer_config(&config, b);
    if (!rc) rc = file_write_in(dir, "tokenizer.json", &tokenizer);
    if (!rc) rc = file_write_in(dir, "tokenizer_config.json", &config);
    str_free(&text), str_free(&tokenizer), str_free(&config);
    return rc;
}

static int write_start(void)
{
    model_config c;
    char        *corpus = path_join(o.out, "corpus.jsonl"), *base = path_join(o.out, "start");
    int          rc = config_load(&c, "mini");
    if (!rc) rc = mini_write_corpus(corpus, (uint64_t)o.seed, o.documents, "");
    if (!rc) rc = random_base_write(base, &c, (uint64_t)o.seed);
    if (!rc) rc = write_tokenizer(base, c.vocab, (uint64_t)o.seed);
    free(corpus);
    free(base);
    return rc;
}

static int run(int argc, char **argv)
{
    static const option table[] = {
        { "out", OPT_STR, &o.out, .required = true, .arg = "DIR",
          .help = "folder for squad/ dialogsum/ iwslt/ hellaswag/ gsm8k/, corpus.jsonl, start/" },
        { "tasks-only", OPT_FLAG, &o.tasks_only,
          .help = "the five tasks, without the pre-training text and the base to start from" },
        { "documents", OPT_INT, &o.documents, .min = 1, .max = 10000000, .def = "120000", .arg = "N",
          .help = "documents of pre-training text" },
        { "seed", OPT_INT, &o.seed, .min = 0, .max = 9007199254740992.0, .def = "1", .arg = "N",
          .help = "same seed, same bytes" },
        { "json", OPT_FLAG, &o.json, .help = "one JSON object on stdout" },
        { 0 },
    };
    int rc = options_parse(&verb_mini, table, argc, argv, NULL);
    if (rc) return rc;
    rc = mini_write_tasks(o.out, (uint64_t)o.seed);
    if (!rc && !o.tasks_only) rc = write_start();
    if (rc) return error_context(rc, "mini");
    if (!o.json) return OK;
    json *j = json_object();
    json_set_str(j, "out", o.out);
    json_set_int(j, "seed", o.seed);
    json_set_int(j, "documents", o.tasks_only ? 0 : o.documents);
    json_show_line(j);
    return OK;
}

const verb verb_mini = { "mini", "write the miniature suite: tasks, pre-training text, a random base to train",
                         "--out DIR", "  tiebreak mini --out runs/mini --tasks-only\n  make mini\n", run };
