/* tiebreak tokenize: lines in, ids out, or the other way. */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "cli/verbs.h"
#include "core/error.h"
#include "core/json.h"
#include "tokenizer/tokenizer.h"

static struct {
    const char *model;
    int64_t     threads;
    bool        decode, bos, plain, skip_special, json;
} o;

/* The next line without its \n into *line; false at the end of input. A line that is too long
 * stops after the bound: the caller sees its length. */
static bool read_line(FILE *in, str *line)
{
    int c;
    str_clear(line);
    while ((c = getc_unlocked(in)) != EOF && c != '\n' && line->n <= TOKENIZER_TEXT_MAX) str_putc(line, (char)c);
    return c != EOF || line->n;
}

static int encode_line(const tokenizer *t, const str *line, ids *v)
{
    ids_clear(v);
    if (o.bos) ids_push(v, tokenizer_bos(t));
    return (o.plain ? tokenizer_encode_plain : tokenizer_encode)(t, str_c(line), line->n, false, v);
}

static int decode_line(const tokenizer *t, const str *line, ids *v, str *out)
{
    ids_clear(v);
    const char *at = str_c(line), *end = at + line->n;
    while (at += strspn(at, " \t\r"), at < end) {
        char *next;
        errno   = 0;
        long id = strtol(at, &next, 10);
        if (next == at || errno || id < 0 || id > INT32_MAX || !strchr(" \t\r", *next) || (!*next && next < end))
            return input_error("\"%.20s\": must be token ids separated by blanks", at);
        ids_push(v, (int32_t)id);
        at = next;
    }
    return tokenizer_decode(t, v->ids, v->n, o.skip_special, out);
}

/* One line's answer: ids separated by blanks or a text; as JSON an array or a string. */
static int answer(const tokenizer *t, const str *line, ids *v, str *text, str *out)
{
    int rc = o.decode ? decode_line(t, line, v, text) : encode_line(t, line, v);
    if (rc) return rc;
    if (o.decode) {
        if (o.json)
            json_quote(out, str_c(text), text->n);
        else
            str_add(out, str_c(text), text->n);
        str_clear(text);
        return OK;
    }
    if (o.json) str_putc(out, '[');
    for (size_t i = 0; i < v->n; i++) {
        char     digits[16], *d = digits + sizeof digits;
        unsigned id = (unsigned)v->ids[i];
        do *--d = (char)('0' + id % 10);
        while (id /= 10);
        if (i) str_putc(out, o.json ? ',' : ' ');
        str_add(out, d, (size_t)(digits + sizeof digits - d));
    }
    if (o.json) str_putc(out, ']');
    return OK;
}

/* Plain answers leave line by line; the JSON object stays in *out until all lines are known to
 * be good. */
static int each_line(const tokenizer *t, FILE *in, str *out)
{
    str    line = { 0 }, text = { 0 };
    ids    v      = { 0 };
    size_t number = 0;
    int    rc     = OK;
    while (!rc && read_line(in, &line)) {
        if (o.json && number) str_putc(out, ',');
        number++;
        rc = answer(t, &line, &v, &text, out);
        if (rc) {
            rc = error_context(rc, "tokenize: standard input, line %zu", number);
        } else if (!o.json) {
            str_putc(out, '\n');
            if (fwrite(out->s, 1, out->n, stdout) != out->n)
                rc = run_error("tokenize: standard output: %s", strerror(errno));
            str_clear(out);
        }
    }
    if (!rc && ferror(in)) rc = run_error("tokenize: standard input: %s", strerror(errno));
    str_free(&line);
    str_free(&text);
    ids_free(&v);
    return rc;
}

/* The object's beginning; the answers to the lines follow one by one, and "]}". */
static void begin_json(const tokenizer *t, str *out)
{
    json *j = json_object();
    json_set_int(j, "vocab", tokenizer_vocab(t));
    json_set_num(j, "bos", tokenizer_bos(t) < 0 ? NAN : tokenizer_bos(t));
    json_set_num(j, "eos", tokenizer_eos(t) < 0 ? NAN : tokenizer_eos(t));
    json_set_str(j, "sha256", tokenizer_hash(t));
    json_set(j, o.decode ? "texts" : "ids", json_array());
    json_print(j, out, false);
    out->n -= strlen("]}");
    out->s[out->n] = '\0';
    json_free(j);
}

static int tokenize(const tokenizer *t)
{
    str out = { 0 };
    if (o.bos && tokenizer_bos(t) < 0)
        return input_error(
            "tokenize: --bos: %s names no beginning-of-sequence token (bos_token in tokenizer_config.json, or a template)",
            o.model);
    if (o.json) begin_json(t, &out);
    int rc = each_line(t, stdin, &out);
    if (!rc && o.json) printf("%s]}\n", out.s);
    str_free(&out);
    return rc;
}

static int run(int argc, char **argv)
{
    static const option table[] = {
        { "model", OPT_STR, &o.model, .required = true, .arg = "DIR",
          .help = "folder with tokenizer.json (the rest of a model is not needed), or that file" },
        { "decode", OPT_FLAG, &o.decode, .help = "read ids, print text" },
        { "bos", OPT_FLAG, &o.bos, .help = "put the beginning-of-sequence id before each line" },
        { "plain", OPT_FLAG, &o.plain, .help = "the strings of special tokens are plain text" },
        { "skip-special", OPT_FLAG, &o.skip_special, .help = "with --decode: leave special tokens out" },
        { "threads", OPT_INT, &o.threads, .min = 1, .max = 1024, .arg = "N",
          .help = "accepted everywhere; lines are handled one after another" },
        { "json", OPT_FLAG, &o.json,
          .help = "one JSON object on stdout: the tokenizer, and \"ids\" or \"texts\" of all lines" },
        { 0 }
    };
    tokenizer *t;
    int        rc = options_parse(&verb_tokenize, table, argc, argv, NULL);
    if (rc) return rc;
    if (o.decode && (o.bos || o.plain))
        return input_error("tokenize: --decode: --bos and --plain are for encoding; leave them out");
    if (o.skip_special && !o.decode) return input_error("tokenize: --skip-special: is for --decode");
    rc = tokenizer_open(&t, o.model);
    if (rc) return error_context(rc, "tokenize");
    rc = tokenize(t);
    tokenizer_close(t);
    return rc;
}

const verb verb_tokenize = {
    "tokenize", "lines on standard input to token ids, or back", "--model DIR [--decode] [--bos]",
    "  echo 'Once upon a time' | tiebreak tokenize --model base/\n  echo '403 407' | tiebreak tokenize --model base/ --decode\n",
    run
};
