#include "eval/served/completion.h"

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "core/json.h"
#include "core/memory.h"

/* The seed is lm-evaluation-harness's default: greedy decoding does not use it, but some servers
 * insist on one. Messages show so many bytes of an answer. */
enum { SEED = 1234, SHOWN = 60 };
/* The longest text, as "<s>", of a token that a server puts before a prompt and shows. */
enum { LEAD_MAX = 32 };

/* --- what is asked */

static void put_prompt(str *out, const char *model, completion_prompt p)
{
    str_puts(out, "{\"model\":");
    json_quote(out, model, strlen(model));
    str_puts(out, ",\"prompt\":");
    if (p.ids) {
        for (int64_t i = 0; i < p.n; i++) str_printf(out, "%s%d", i ? "," : "[[", (int)p.ids[i]);
        str_puts(out, "]]");
    } else {
        json_quote(out, p.text.s, p.text.n);
    }
    str_printf(out, ",\"temperature\":0,\"seed\":%d", SEED);
}

void completion_ask_text(str *out, const char *model, completion_prompt p, int64_t max_tokens, const char *const *stops,
                         int64_t n_stops, const char *more)
{
    put_prompt(out, model, p);
    str_printf(out, ",\"max_tokens\":%lld", (long long)max_tokens);
    for (int64_t i = 0; i < n_stops; i++) {
        str_puts(out, i ? "," : ",\"stop\":[");
        json_quote(out, stops[i], strlen(stops[i]));
    }
    if (n_stops) str_putc(out, ']');
    str_puts(out, more);
    str_putc(out, '}');
}

void completion_ask_echo(str *out, const char *model, completion_prompt p)
{
    put_prompt(out, model, p);
    str_puts(out, ",\"max_tokens\":1,\"logprobs\":1,\"echo\":true}");
}

/* --- what came back: the members that both kinds of answer have */

/* Parses an answer; where it is not JSON, the message says what it looks like. */
static int parse(json **doc, const char *body, size_t n, const char *where)
{
    int rc = json_parse(doc, body, n, where);
    if (!rc) return OK;
    size_t at = 0;
    while (at < n && strchr(" \r\n\t", body[at])) at++;
    if (at < n && body[at] == '<')
        return input_error("%s: answers with a page, not with JSON: is this the API's address (it often ends in /v1)?",
                           where);
    if (memmem(body, n, "NaN", 3) || memmem(body, n, "Infinity", 8))
        return input_error("%s: the answer holds NaN or Infinity where JSON has numbers: "
                           "the model's log-probabilities are not finite there",
                           where);
    return rc;
}

/* How a value begins, valid until the next call. */
static const char *shown(const json *j)
{
    static _Thread_local char out[SHOWN + sizeof "..."];
    str                       text = { 0 };
    if (!j) return "nothing";
    json_print(j, &text, false);
    bool cut = text.n > SHOWN;
    snprintf(out, sizeof out, "%.*s%s", (int)(cut ? utf8_valid_prefix(text.s, SHOWN) : text.n), text.s,
             cut ? "..." : "");
    str_free(&text);
    return out;
}

/* Finds choices[0]; refuses an error object and a second choice. */
static int only_choice(const json *doc, const char *where, const json **choice)
{
    const json *choices;
    if (!json_is_object(doc)) return input_error("%s: the answer is %s, not a JSON object", where, shown(doc));
    if (json_has(doc, "error")) return input_error("%s: the server says %s", where, shown(json_find(doc, "error")));
    int rc = json_get_array(doc, where, "choices", &choices);
    if (rc) return rc;
    *choice = choices->child;
    if (!*choice || (*choice)->next || !json_is_object(*choice))
        return input_error("%s: \"choices\": %s: one choice was asked for", where, shown(choices));
    return OK;
}

/* A count in `usage`, or -1 where it is not there. */
static int64_t used(const json *doc, const char *key)
{
    const json *usage = json_find(doc, "usage"), *count = json_is_object(usage) ? json_find(usage, key) : NULL;
    bool        whole = json_is_number(count) && count->valuedouble >= 0 && count->valuedouble <= 1e9 &&
                 floor(count->valuedouble) == count->valuedouble;
    return whole ? (int64_t)count->valuedouble : -1;
}

/* --- a generated text */

static int check_finish(const json *choice, const char *where, bool *stopped)
{
    const json *reason = json_find(choice, "finish_reason");
    *stopped           = json_text(reason) && !strcmp(reason->valuestring, "stop");
    if (!json_text(reason) || *stopped || !strcmp(reason->valuestring, "length")) return OK;
    return input_error("%s: \"finish_reason\" is \"%.60s\": the text is not the model's whole answer", where,
                       reason->valuestring);
}

int completion_read_text(completion_text *out, const char *body, size_t n, const char *where, int64_t max_tokens)
{
    json       *doc;
    const json *choice = NULL;
    const char *text   = NULL;
    *out               = (completion_text) { 0 };
    int rc             = parse(&doc, body, n, where);
    if (!rc) rc = only_choice(doc, where, &choice);
    if (!rc) rc = json_get_str(choice, where, "text", &text);
    if (!rc) rc = check_finish(choice, where, &out->stopped);
    if (!rc) {
        out->prompt_tokens     = used(doc, "prompt_tokens");
        out->completion_tokens = used(doc, "completion_tokens");
        if (out->completion_tokens > max_tokens)
            rc = input_error("%s: %lld tokens were generated where max_tokens is %lld: the server does not honour it",
                             where, (long long)out->completion_tokens, (long long)max_tokens);
    }
    if (!rc) str_puts(&out->text, text);
    json_free(doc);
    return rc;
}

/* --- an echoed prompt */

/* Finds the array `key` of logprobs. All its arrays have one length; the first one read sets it. */
static int rows_of(const json *logprobs, const char *where, const char *key, bool first, completion_echo *out,
                   const json **rows)
{
    const json *j = json_find(logprobs, key);
    if (!json_is_array(j))
        return input_error(
            "%s: \"logprobs\" has no list \"%s\" (it is %s): "
            "log-likelihoods need a server whose /completions gives token_logprobs and top_logprobs of an echoed prompt",
            where, key, shown(logprobs));
    if (first) out->n = json_size(j);
    if (json_size(j) != out->n)
        return input_error("%s: \"logprobs\": %d entries in \"%s\", %lld in \"token_logprobs\"", where, json_size(j),
                           key, (long long)out->n);
    *rows = j->child;
    return OK;
}

static int read_logprobs(const json *row, const char *where, completion_echo *out)
{
    out->logprob = mem_alloc((size_t)out->n, sizeof *out->logprob);
    for (int64_t i = 0; i < out->n; i++, row = row->next) {
        if (json_is_null(row)) {
            out->logprob[i] = NAN;
        } else if (json_is_number(row) && row->valuedouble <= 1e-3 && isfinite(row->valuedouble)) {
            /* A sum in float32 may round to just above 0. */
            out->logprob[i] = row->valuedouble;
        } else {
            return input_error(
                "%s: \"token_logprobs\": %s at token %lld: must be a logarithm of a probability, or null", where,
                shown(row), (long long)i);
        }
    }
    return OK;
}

/* As in lm-evaluation-harness, a token is greedy when no log-probability listed at its place is
 * above its own. */
static int read_top(const json *row, const char *where, completion_echo *out)
{
    out->greedy = mem_alloc((size_t)out->n, sizeof *out->greedy);
    for (int64_t i = 0; i < out->n; i++, row = row->next) {
        bool good      = json_is_object(row) ? row->child != NULL : json_is_null(row) && isnan(out->logprob[i]);
        out->greedy[i] = good && !isnan(out->logprob[i]);
        for (const json *t = json_is_object(row) ? row->child : NULL; t && good; t = t->next) {
            good = json_is_number(t) && isfinite(t->valuedouble);
            if (good && t->valuedouble > out->logprob[i]) out->greedy[i] = false;
        }
        if (!good)
            return input_error("%s: \"top_logprobs\": %s at token %lld: must map tokens to log-probabilities", where,
                               shown(row), (long long)i);
    }
    return OK;
}

/* The first entry of an optional list, which counts only where it has one for each token. */
static const json *entries(const json *logprobs, const char *key, int64_t n)
{
    const json *list = json_find(logprobs, key);
    return json_size(list) == n ? json_items(list) : NULL;
}

static int64_t *whole_or_null(int64_t *list, bool whole)
{
    if (whole) return list;
    free(list);
    return NULL;
}

/* Reads the texts of the tokens and where the server places them. Each list is optional, and is
 * dropped when it is not whole. */
static void read_spelling(const json *logprobs, completion_echo *out)
{
    int64_t n = 0, last = 0;
    out->begin  = mem_alloc((size_t)out->n + 1, sizeof *out->begin);
    out->offset = mem_alloc((size_t)out->n, sizeof *out->offset);
    for (const json *t = entries(logprobs, "tokens", out->n); json_text(t); t = t->next) {
        str_puts(&out->spelt, t->valuestring);
        out->begin[++n] = (int64_t)out->spelt.n;
    }
    out->begin = whole_or_null(out->begin, n == out->n);
    n          = 0;
    for (const json *o = entries(logprobs, "text_offset", out->n); o; o = o->next) {
        if (!(json_number(o) >= (double)last && json_number(o) < 1e12)) break;
        last = out->offset[n++] = (int64_t)json_number(o);
    }
    out->offset = whole_or_null(out->offset, n == out->n);
}

/* How a text begins, in quotes, valid until the next call. */
static const char *quoted(const char *text)
{
    static _Thread_local char out[6 * SHOWN + 3];
    str                       begin = { 0 };
    json_quote(&begin, text, utf8_valid_prefix(text, strnlen(text, SHOWN)));
    snprintf(out, sizeof out, "%s", begin.s);
    str_free(&begin);
    return out;
}

static int no_logprobs(const char *where, const char *text)
{
    return input_error(
        "%s: asked to echo a prompt with log-probabilities, the server gave none, and the text %s: "
        "it honours neither \"logprobs\" nor, perhaps, \"echo\". Texts can be scored there, log-likelihoods cannot",
        where, quoted(text));
}

int completion_read_echo(completion_echo *out, const char *body, size_t n, const char *where)
{
    json       *doc;
    const json *choice = NULL, *logprobs = NULL, *rows;
    const char *text = NULL;
    *out             = (completion_echo) { 0 };
    int rc           = parse(&doc, body, n, where);
    if (!rc) rc = only_choice(doc, where, &choice);
    if (!rc) rc = json_get_str(choice, where, "text", &text);
    if (!rc && !json_has(choice, "logprobs")) rc = no_logprobs(where, text);
    if (!rc) rc = json_get_object(choice, where, "logprobs", &logprobs);
    if (!rc) rc = rows_of(logprobs, where, "token_logprobs", true, out, &rows);
    if (!rc) rc = read_logprobs(rows, where, out);
    if (!rc) rc = rows_of(logprobs, where, "top_logprobs", false, out, &rows);
    if (!rc) rc = read_top(rows, where, out);
    if (!rc) {
        str_puts(&out->text, text);
        read_spelling(logprobs, out);
        out->prompt_tokens     = used(doc, "prompt_tokens");
        out->completion_tokens = used(doc, "completion_tokens");
    }
    json_free(doc);
    if (rc) completion_echo_free(out);
    return rc;
}

void completion_echo_free(completion_echo *e)
{
    free(e->logprob);
    free(e->greedy);
    free(e->begin);
    free(e->offset);
    str_free(&e->text);
    str_free(&e->spelt);
    *e = (completion_echo) { 0 };
}

/* --- sums */

static int no_echo(const completion_echo *e, const char *where, const char *asked)
{
    return input_error(
        "%s: asked to echo %s, the server gave log-probabilities of %lld tokens and the text %s: "
        "it does not honour \"echo\", and scores from it would be chance. Serve the model with one that does, as vLLM",
        where, asked, (long long)e->n, quoted(str_c(&e->text)));
}

static int add(const completion_echo *e, const char *where, int64_t i, completion_sum *out)
{
    if (isnan(e->logprob[i]))
        return input_error(
            "%s: the log-probability of token %lld, which is to be scored, is null%s", where, (long long)i,
            i ? "" : ": the server sees nothing before it. --tokenizer DIR sends the prompt as ids with BOS in front");
    out->ll += e->logprob[i];
    out->greedy &= e->greedy[i];
    out->tokens++;
    return OK;
}

int completion_sum_ids(const completion_echo *e, const char *where, int64_t n_prompt, const int64_t *at, int64_t n_at,
                       completion_sum *out)
{
    char asked[48];
    int  rc = OK;
    snprintf(asked, sizeof asked, "a prompt of %lld tokens", (long long)n_prompt);
    *out = (completion_sum) { .greedy = true };
    if (e->n < n_prompt) return no_echo(e, where, asked);
    if (e->n > n_prompt + 1 || (e->prompt_tokens >= 0 && e->prompt_tokens != n_prompt))
        return input_error("%s: %s was sent, the server counts %lld and answers for %lld: "
                           "it puts tokens of its own before a prompt of ids, so the scores would be another text's",
                           where, asked, (long long)e->prompt_tokens, (long long)e->n);
    for (int64_t i = 0; i < n_at && !rc; i++) rc = add(e, where, at[i], out);
    return rc;
}

/* The prompt without leading blanks, which a tokenizer may drop or add. */
static slice without_lead(slice s)
{
    while (s.n && *s.s == ' ') s = (slice) { s.s + 1, s.n - 1 };
    return s;
}

static bool ends_with(slice s, slice tail) { return s.n >= tail.n && !memcmp(s.s + s.n - tail.n, tail.s, tail.n); }
static bool begins_with(slice s, slice head) { return s.n >= head.n && !memcmp(s.s, head.s, head.n); }

static slice spelling(const completion_echo *e, int64_t i, int64_t end)
{
    return (slice) { str_c(&e->spelt) + e->begin[i], (size_t)(e->begin[end] - e->begin[i]) };
}

static int64_t code_points(slice s) { return (int64_t)utf8_length(s.s, s.n); }

/* How many tokens are the prompt's: all of them, or all but the new one. `generated` is the text
 * that follows the prompt. `usage` cannot tell: a new token may be listed without a text (EOS) and
 * may be missing from the list (llama-cpp-python's BOS), so the texts decide. */
static int64_t prompt_tokens(const completion_echo *e, slice prompt, slice generated)
{
    slice last   = spelling(e, e->n - 1, e->n);
    bool  is_new = generated.n || !last.n || !ends_with(prompt, last);
    return e->n - is_new;
}

/* Finds the border by the tokens' texts: the offset in spelt at which the tail begins, where the
 * prompt's tokens end with it. Else -1, as where a character is split over tokens. */
static int64_t cut_by_spelling(const completion_echo *e, int64_t n_prompt, slice tail)
{
    return ends_with(spelling(e, 0, n_prompt), tail) ? e->begin[n_prompt] - (int64_t)tail.n : -1;
}

/* Finds the border by text_offset, in code points. The offsets must give the prompt its length, or
 * that plus a leading blank or the text of a first token that the server added; else -1. */
static int64_t cut_by_offset(const completion_echo *e, int64_t n_prompt, slice prompt, slice tail)
{
    if (!e->offset || n_prompt == e->n) return -1;
    int64_t more  = e->offset[n_prompt] - e->offset[0] - code_points(prompt);
    slice   first = spelling(e, 0, 1);
    bool    blank = first.n && *first.s == ' ' && !(prompt.n && *prompt.s == ' '), other = !begins_with(prompt, first);
    return more == 0 || (more == 1 && blank) || (more == code_points(first) && other && !blank)
               ? e->offset[n_prompt] - code_points(tail)
               : -1;
}

int completion_sum_text(const completion_echo *e, const char *where, slice prompt, size_t border, completion_sum *out)
{
    slice       lead = without_lead(prompt), tail = border ? (slice) { prompt.s + border, prompt.n - border } : lead;
    const char *found = memmem(str_c(&e->text), e->text.n, lead.s, lead.n);
    int         rc    = OK;
    *out              = (completion_sum) { .greedy = true };
    if (!found || found - str_c(&e->text) > LEAD_MAX || e->n < 1) return no_echo(e, where, "the prompt");
    /* place[i] is where token i ends. */
    int64_t n = -1, cut = -1, *place = e->begin ? e->begin + 1 : NULL;
    if (e->begin) {
        n   = prompt_tokens(e, prompt,
                            (slice) { found + lead.n, (size_t)(str_c(&e->text) + e->text.n - found) - lead.n });
        cut = cut_by_spelling(e, n, tail);
        if (cut < 0 && (cut = cut_by_offset(e, n, prompt, tail)) >= 0) place = e->offset + 1;
    }
    if (cut < 0)
        return input_error("%s: the tokens of the answer cannot be laid on the prompt "
                           "(their texts do not spell it, their offsets do not fit): "
                           "--tokenizer DIR, a folder with the model's tokenizer.json, sends ids instead",
                           where);
    for (int64_t i = 0; i < n && !rc; i++)
        if (place[i] > cut) rc = add(e, where, i, out);
    if (!rc && !out->tokens) rc = input_error("%s: no token of the answer belongs to the continuation", where);
    return rc;
}

/* --- models */

int completion_read_models(char **name, int64_t *positions, const char *wanted, const char *body, size_t n,
                           const char *where)
{
    json       *doc;
    const json *list = NULL, *found = NULL;
    const char *id = NULL;
    *name          = NULL;
    *positions     = 0;
    int rc         = parse(&doc, body, n, where);
    if (!rc && !json_is_object(doc)) rc = input_error("%s: the answer is not a JSON object", where);
    if (!rc) rc = json_get_array(doc, where, "data", &list);
    for (const json *m = rc ? NULL : list->child; m && !rc && !found; m = m->next) {
        rc = json_get_str(m, where, "id", &id);
        if (!rc && (!wanted || !strcmp(id, wanted))) found = m;
    }
    if (!rc && !found && !wanted)
        rc = input_error("%s: the server lists no model; --model-name NAME says which to ask", where);
    if (!rc && found) {
        const json *length = json_find(found, "max_model_len");
        *name              = mem_strdup(id);
        if (json_is_number(length) && length->valuedouble >= 1 && length->valuedouble <= 1e9)
            *positions = (int64_t)length->valuedouble;
    }
    json_free(doc);
    return rc;
}
