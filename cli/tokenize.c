/* tiebreak tokenize: lines in, ids out, or the other way. */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "model/tokenizer.h"

static struct {
    const char *model;
    int64_t     threads;
    bool        decode, bos, json;
} o;

static int encode_line(const tokenizer *t, const char *line, size_t n, ids *v, str *out)
{
    ids_clear(v);
    if (o.bos && tokenizer_bos(t) >= 0) ids_push(v, tokenizer_bos(t));
    int rc = tokenizer_encode(t, line, n, false, v);
    for (size_t i = 0; i < v->n && !rc; i++) str_printf(out, i ? " %d" : "%d", v->ids[i]);
    return rc;
}

static int decode_line(const tokenizer *t, const char *line, ids *v, str *out)
{
    ids_clear(v);
    for (const char *at = line; *(at += strspn(at, " \t\r"));) {
        char *end;
        errno   = 0;
        long id = strtol(at, &end, 10);
        if (end == at || errno || id < 0 || id > INT32_MAX) return input_error("\"%.20s\": must be token ids separated by blanks", at);
        ids_push(v, (int32_t)id);
        at = end;
    }
    return tokenizer_decode(t, v->ids, v->n, false, out);
}

static int each_line(const tokenizer *t)
{
    char   *line = NULL;
    size_t  cap = 0, number = 0;
    ids     v   = { 0 };
    str     out = { 0 };
    int     rc  = OK;
    ssize_t n;
    while (!rc && (n = getline(&line, &cap, stdin)) >= 0) {
        number++;
        if (n && line[n - 1] == '\n') line[--n] = '\0';
        str_clear(&out);
        rc = o.decode ? decode_line(t, line, &v, &out) : encode_line(t, line, (size_t)n, &v, &out);
        if (rc) {
            rc = error_context(rc, "tokenize: standard input, line %zu", number);
        } else {
            str_putc(&out, '\n');
            fwrite(out.s, 1, out.n, stdout);
        }
    }
    free(line);
    ids_free(&v);
    str_free(&out);
    return rc;
}

static int print_json(const tokenizer *t)
{
    printf("{\"vocab\":%lld,\"bos\":%d,\"eos\":%d,\"sha256\":\"%s\"}\n", (long long)tokenizer_vocab(t), tokenizer_bos(t), tokenizer_eos(t),
           tokenizer_hash(t));
    return OK;
}

static int run(int argc, char **argv)
{
    static const option table[] = { { "model", OPT_STR, &o.model, .required = true, .arg = "DIR",
                                      .help = "folder with tokenizer.json (the rest of a model is not needed), or that file" },
                                    { "decode", OPT_FLAG, &o.decode, .help = "read ids, print text" },
                                    { "bos", OPT_FLAG, &o.bos, .help = "put the beginning-of-sequence id before each line" },
                                    { "threads", OPT_INT, &o.threads, .min = 1, .max = 1024, .arg = "N",
                                      .help = "accepted everywhere; lines are handled one after another" },
                                    { "json", OPT_FLAG, &o.json, .help = "describe the tokenizer as one JSON object instead of reading lines" },
                                    { 0 } };
    int                 rc      = options_parse(&verb_tokenize, table, argc, argv, NULL);
    if (rc) return rc;
    tokenizer *t;
    rc = tokenizer_open(&t, o.model);
    if (!rc) rc = o.json ? print_json(t) : each_line(t);
    tokenizer_close(t);
    return rc;
}

const verb verb_tokenize = {
    "tokenize", "lines on standard input to token ids, or back", "--model DIR [--decode] [--bos]",
    "  echo 'Once upon a time' | tiebreak tokenize --model base/\n  echo '403 407' | tiebreak tokenize --model base/ --decode\n", run
};
