/* tokenizer.json into tables. Nothing in the file is trusted; what is not supported is refused by name. */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "model/tokenizer_parts.h"

static span span_of(tokenizer *t, const char *s)
{
    size_t n = strlen(s);
    return (span) { arena_strndup(&t->memory, s, n), (uint32_t)n };
}

/* "where: SECTION" for messages about a part of the file. */
typedef struct {
    tokenizer  *t;
    const char *where;
} loading;

static int get_str_or(const loading *l, const json *obj, const char *key, const char *other, const char **out)
{
    *out = other;
    return json_has(obj, key) ? json_get_str(obj, l->where, key, out) : OK;
}

static int get_bool_or(const loading *l, const json *obj, const char *key, bool other, bool *out)
{
    *out = other;
    return json_has(obj, key) ? json_get_bool(obj, l->where, key, out) : OK;
}

/* ---- vocabulary and added tokens */

static int set_text(const loading *l, int32_t id, const char *text, bool replace)
{
    tokenizer *t = l->t;
    if (t->texts[id].s && !replace)
        return input_error("%s: vocab: id %d stands for \"%.40s\" and \"%.40s\"; ids must differ", l->where, id, t->texts[id].s, text);
    if (!t->texts[id].s) t->texts[id] = span_of(t, text);
    return OK;
}

static int id_of(const loading *l, const json *j, const char *what, int32_t *id)
{
    double v = cJSON_IsNumber(j) ? j->valuedouble : -1;
    if (!(v >= 0 && v < TOKEN_ID_MAX) || v != (double)(int32_t)v)
        return input_error("%s: %s: id must be a whole number 0..%d", l->where, what, TOKEN_ID_MAX - 1);
    *id = (int32_t)v;
    return OK;
}

static int size_vocabulary(const loading *l, const json *vocab, const json *added)
{
    int32_t most = -1, id = -1;
    size_t  count = 0;
    int     rc    = OK;
    for (const json *v = vocab->child; v && !rc; v = v->next, count++) {
        char what[80];
        snprintf(what, sizeof what, "vocab \"%.40s\"", v->string);
        rc = id_of(l, v, what, &id);
        if (!rc && id > most) most = id;
    }
    for (const json *a = added ? added->child : NULL; a && !rc; a = a->next, count++) {
        rc = id_of(l, json_find(a, "id"), "added_tokens", &id);
        if (!rc && id > most) most = id;
    }
    if (rc) return rc;
    if (!count) return input_error("%s: model: vocab is empty", l->where);
    if ((size_t)most > 16 * count + 65536)
        return input_error("%s: vocab: the largest id is %d, but there are only %zu tokens", l->where, most, count);
    tokenizer *t  = l->t;
    t->n_ids      = most + 1;
    t->texts      = mem_alloc((size_t)t->n_ids, sizeof *t->texts);
    t->is_added   = mem_alloc((size_t)t->n_ids, sizeof *t->is_added);
    t->is_special = mem_alloc((size_t)t->n_ids, sizeof *t->is_special);
    text_map_init(&t->ids_of, count);
    return OK;
}

static int load_vocabulary(const loading *l, const json *vocab)
{
    for (const json *v = vocab->child; v; v = v->next) {
        int32_t id = (int32_t)v->valuedouble;
        int     rc = set_text(l, id, v->string, false);
        if (rc) return rc;
        if (!text_map_put(&l->t->ids_of, l->t->texts[id], id)) return input_error("%s: vocab: \"%.40s\" stands twice", l->where, v->string);
    }
    return OK;
}

static int by_first_byte_then_longest(const void *x, const void *y)
{
    const added_token *a = x, *b = y;
    int                c = (unsigned char)a->text.s[0] - (unsigned char)b->text.s[0];
    return c ? c : (a->text.n < b->text.n) - (a->text.n > b->text.n);
}

static int load_added(const loading *l, const json *added)
{
    tokenizer *t = l->t;
    int        n = added ? cJSON_GetArraySize(added) : 0;
    t->added     = mem_alloc((size_t)n + 1, sizeof *t->added);
    for (const json *a = added ? added->child : NULL; a; a = a->next) {
        const char  *text;
        added_token *k  = &t->added[t->n_added];
        int          rc = json_get_str(a, l->where, "content", &text);
        if (!rc && !*text) rc = input_error("%s: added_tokens: an empty content", l->where);
        if (!rc) rc = id_of(l, json_find(a, "id"), "added_tokens", &k->id);
        if (!rc && t->texts[k->id].s && strcmp(t->texts[k->id].s, text))
            rc = input_error("%s: added_tokens: \"%.40s\" has id %d, which stands for \"%.40s\"", l->where, text, k->id, t->texts[k->id].s);
        if (!rc) rc = set_text(l, k->id, text, true);
        if (!rc) rc = get_bool_or(l, a, "lstrip", false, &k->lstrip);
        if (!rc) rc = get_bool_or(l, a, "rstrip", false, &k->rstrip);
        if (!rc) rc = get_bool_or(l, a, "single_word", false, &k->single_word);
        if (!rc) rc = get_bool_or(l, a, "special", false, &k->special);
        if (rc) return rc;
        k->text = t->texts[k->id];
        text_map_put(&t->ids_of, k->text, k->id);
        t->is_added[k->id]   = true;
        t->is_special[k->id] = k->special;
        t->n_added++;
    }
    qsort(t->added, (size_t)t->n_added, sizeof *t->added, by_first_byte_then_longest);
    int at = 0;
    for (int b = 0; b <= BYTE_IDS; b++) {
        while (at < t->n_added && (unsigned char)t->added[at].text.s[0] < b) at++;
        t->added_first[b] = at;
    }
    return OK;
}

/* ---- merges: "left right" or ["left", "right"] */

static int load_merge(const loading *l, const json *m, int32_t rank, str *joined)
{
    const char *left, *right;
    size_t      n_left;
    if (cJSON_IsString(m)) {
        left            = m->valuestring;
        const char *gap = strchr(left, ' ');
        if (!gap) return input_error("%s: merge %d: \"%.60s\": must be two parts with a blank between", l->where, rank + 1, left);
        n_left = (size_t)(gap - left);
        right  = gap + 1;
    } else if (cJSON_IsArray(m) && cJSON_GetArraySize(m) == 2 && cJSON_IsString(m->child) && cJSON_IsString(m->child->next)) {
        left   = m->child->valuestring;
        n_left = strlen(left);
        right  = m->child->next->valuestring;
    } else {
        return input_error("%s: merge %d: must be a string or an array of two strings", l->where, rank + 1);
    }
    const text_map *v = &l->t->ids_of;
    int32_t         a = text_map_get(v, left, n_left), b = text_map_get(v, right, strlen(right));
    if (a < 0 || b < 0)
        return input_error("%s: merge %d: its part \"%.*s\" is not in the vocabulary; the file is damaged", l->where, rank + 1,
                           a < 0 ? (int)(n_left < 60 ? n_left : 60) : 60, a < 0 ? left : right);
    str_clear(joined);
    str_add(joined, left, n_left);
    str_puts(joined, right);
    int32_t whole = text_map_get(v, joined->s, joined->n);
    if (whole < 0)
        return input_error("%s: merge %d: its result \"%.60s\" is not in the vocabulary; the file is damaged", l->where, rank + 1, joined->s);
    merges_put(l->t, a, b, rank, whole);
    return OK;
}

static int load_merges(const loading *l, const json *merges)
{
    str joined = { 0 };
    int rank = 0, rc = OK;
    merges_init(l->t, (size_t)cJSON_GetArraySize(merges));
    for (const json *m = merges->child; m && !rc; m = m->next) rc = load_merge(l, m, rank++, &joined);
    str_free(&joined);
    return rc;
}

static int load_model(const loading *l, const json *doc)
{
    tokenizer  *t = l->t;
    const json *model, *vocab, *merges;
    const char *type, *unk, *text;
    bool        dropout = false;
    int         rc      = json_get_object(doc, l->where, "model", &model);
    if (!rc) rc = get_str_or(l, model, "type", "BPE", &type);
    if (!rc && strcmp(type, "BPE")) rc = input_error("%s: model: type \"%s\": only BPE is supported", l->where, type);
    if (!rc) rc = json_get_object(model, l->where, "vocab", &vocab);
    if (!rc) rc = json_get_array(model, l->where, "merges", &merges);
    if (!rc) dropout = json_has(model, "dropout") && !(cJSON_IsNumber(json_find(model, "dropout")) && json_find(model, "dropout")->valuedouble == 0);
    if (!rc && dropout) rc = input_error("%s: model: dropout makes encoding random and is not supported", l->where);
    static const char *const affixes[] = { "continuing_subword_prefix", "end_of_word_suffix" };
    for (int i = 0; i < 2 && !rc; i++) {
        rc = get_str_or(l, model, affixes[i], "", &text);
        if (!rc && *text) rc = input_error("%s: model: %s \"%s\" is not supported", l->where, affixes[i], text);
    }
    if (!rc) rc = get_bool_or(l, model, "byte_fallback", false, &t->byte_fallback);
    if (!rc) rc = get_bool_or(l, model, "fuse_unk", false, &t->fuse_unk);
    if (!rc) rc = get_bool_or(l, model, "ignore_merges", false, &t->ignore_merges);
    if (!rc) rc = get_str_or(l, model, "unk_token", NULL, &unk);
    const json *added = json_find(doc, "added_tokens");
    if (!rc && added && !cJSON_IsArray(added)) rc = input_error("%s: \"added_tokens\": must be an array", l->where);
    if (!rc) rc = size_vocabulary(l, vocab, added);
    if (!rc) rc = load_vocabulary(l, vocab);
    if (!rc) rc = load_added(l, added);
    if (!rc) rc = load_merges(l, merges);
    if (!rc && unk && (t->unk = text_map_get(&t->ids_of, unk, strlen(unk))) < 0)
        rc = input_error("%s: model: unk_token \"%s\" is not in the vocabulary", l->where, unk);
    return rc;
}

/* ---- the steps: each section is a step or a Sequence of them */

typedef int (*step_fn)(const loading *l, const json *step, const char *type);

static int load_steps(const loading *l, const json *section, const char *name, const char *list, step_fn add, int depth)
{
    const char *type;
    const json *steps;
    if (!section || cJSON_IsNull(section)) return OK;
    if (!cJSON_IsObject(section) || depth > 4) return input_error("%s: \"%s\": must be an object", l->where, name);
    int rc = json_get_str(section, l->where, "type", &type);
    if (rc || strcmp(type, "Sequence")) return rc ? error_context(rc, "%s", name) : add(l, section, type);
    rc = json_get_array(section, l->where, list, &steps);
    for (const json *s = rc ? NULL : steps->child; s && !rc; s = s->next) rc = load_steps(l, s, name, list, add, depth + 1);
    return rc;
}

static int too_many(const loading *l, const char *name) { return input_error("%s: %s: more than %d steps", l->where, name, STEPS_MAX); }

static int literal_pattern(const loading *l, const json *step, const char **out)
{
    const json *pattern;
    int         rc = json_get_object(step, l->where, "pattern", &pattern);
    if (!rc && json_has(pattern, "Regex")) return input_error("%s: Replace with a Regex pattern is not supported, only String", l->where);
    return rc ? rc : json_get_str(pattern, l->where, "String", out);
}

static int add_norm(const loading *l, const json *step, const char *type)
{
    static const struct {
        const char *type;
        norm_kind   kind;
    } kinds[]        = { { "NFC", NORM_NFC },         { "NFD", NORM_NFD },        { "NFKC", NORM_NFKC },
                         { "NFKD", NORM_NFKD },       { "Strip", NORM_STRIP },    { "Lowercase", NORM_LOWERCASE },
                         { "Prepend", NORM_PREPEND }, { "Replace", NORM_REPLACE } };
    tokenizer  *t    = l->t;
    const char *from = "", *to = "";
    size_t      i = 0, n = sizeof kinds / sizeof *kinds;
    while (i < n && strcmp(kinds[i].type, type)) i++;
    if (i == n) return input_error("%s: normalizer \"%s\" is not supported", l->where, type);
    if (t->n_norm == STEPS_MAX) return too_many(l, "normalizer");
    int rc = OK;
    if (kinds[i].kind == NORM_PREPEND) rc = json_get_str(step, l->where, "prepend", &to);
    if (kinds[i].kind == NORM_REPLACE) {
        rc = literal_pattern(l, step, &from);
        if (!rc) rc = json_get_str(step, l->where, "content", &to);
    }
    if (!rc) t->norm[t->n_norm++] = (norm_step) { kinds[i].kind, span_of(t, from), span_of(t, to) };
    return rc;
}

/* GPT-2's encoder.py, with Unicode's white space. */
static const char gpt2_pattern[] = "'s|'t|'re|'ve|'m|'ll|'d| ?\\p{L}+| ?\\p{N}+| ?[^\\s\\p{L}\\p{N}]+|\\s+(?!\\S)|\\s+";

static int split_pattern(const loading *l, const json *step, str *pattern)
{
    const json *p;
    const char *text;
    int         rc = json_get_object(step, l->where, "pattern", &p);
    if (rc) return rc;
    if (json_has(p, "Regex")) {
        rc = json_get_str(p, l->where, "Regex", &text);
        if (!rc) str_puts(pattern, text);
        return rc;
    }
    rc = json_get_str(p, l->where, "String", &text);
    for (; !rc && *text; text++) {
        if (strchr("\\^$.|?*+()[]{}", *text)) str_putc(pattern, '\\');
        str_putc(pattern, *text);
    }
    return rc;
}

static int split_of(const loading *l, const json *step, split_step *s, str *pattern)
{
    static const char *const names[] = { "Isolated", "Removed", "MergedWithPrevious", "MergedWithNext", NULL };
    const char              *text;
    int                      rc = split_pattern(l, step, pattern);
    if (!rc) rc = json_get_str(step, l->where, "behavior", &text);
    if (!rc) rc = get_bool_or(l, step, "invert", false, &s->invert);
    if (rc) return rc;
    int k = 0;
    while (names[k] && strcmp(names[k], text)) k++;
    if (!names[k]) return input_error("%s: pre_tokenizer Split: behavior \"%s\" is not supported", l->where, text);
    s->behaviour = (split_behaviour)k;
    if (s->invert && s->behaviour != SPLIT_REMOVED && s->behaviour != SPLIT_ISOLATED)
        return input_error("%s: pre_tokenizer Split: invert with behavior %s is not supported", l->where, text);
    return OK;
}

static int add_split(const loading *l, const json *step, const char *type)
{
    tokenizer  *t       = l->t;
    split_step  s       = { .behaviour = SPLIT_ISOLATED };
    str         pattern = { 0 };
    int         rc      = OK;
    bool        flag;
    const char *scheme;
    if (t->n_split == STEPS_MAX) return too_many(l, "pre_tokenizer");
    if (t->byte_level) return input_error("%s: pre_tokenizer: \"%s\" after ByteLevel is not supported", l->where, type);
    if (!strcmp(type, "ByteLevel")) {
        t->byte_level = true;
        rc            = get_bool_or(l, step, "add_prefix_space", true, &s.add_prefix_space);
        if (!rc) rc = get_bool_or(l, step, "use_regex", true, &flag);
        if (!rc && flag) str_puts(&pattern, gpt2_pattern);
    } else if (!strcmp(type, "Split")) {
        rc = split_of(l, step, &s, &pattern);
    } else if (!strcmp(type, "Digits")) {
        rc = get_bool_or(l, step, "individual_digits", false, &flag);
        str_puts(&pattern, flag ? "\\p{N}" : "\\p{N}+");
    } else if (!strcmp(type, "Punctuation")) {
        str_puts(&pattern, "\\p{P}");
    } else if (!strcmp(type, "WhitespaceSplit")) {
        s.behaviour = SPLIT_REMOVED;
        str_puts(&pattern, "\\s+");
    } else if (!strcmp(type, "Metaspace")) {
        s.metaspace        = true;
        rc                 = get_str_or(l, step, "prepend_scheme", "always", &scheme);
        s.add_prefix_space = !rc && strcmp(scheme, "never") != 0;
    } else {
        rc = input_error("%s: pre_tokenizer \"%s\" is not supported", l->where, type);
    }
    if (!rc && pattern.n) rc = regex_compile(&s.code, pattern.s, l->where);
    if (!rc) t->split[t->n_split++] = s;
    str_free(&pattern);
    return rc;
}

static int add_decode(const loading *l, const json *step, const char *type)
{
    tokenizer  *t    = l->t;
    decode_step d    = { .kind = DEC_BYTE_LEVEL };
    const char *from = "", *to = "", *scheme;
    int64_t     start, stop;
    int         rc = OK;
    if (t->n_decode == STEPS_MAX) return too_many(l, "decoder");
    if (!strcmp(type, "ByteLevel")) {
        d.kind = DEC_BYTE_LEVEL;
    } else if (!strcmp(type, "ByteFallback")) {
        d.kind = DEC_BYTE_FALLBACK;
    } else if (!strcmp(type, "Fuse")) {
        d.kind = DEC_FUSE;
    } else if (!strcmp(type, "Replace")) {
        d.kind = DEC_REPLACE;
        rc     = literal_pattern(l, step, &from);
        if (!rc) rc = json_get_str(step, l->where, "content", &to);
    } else if (!strcmp(type, "Strip")) {
        d.kind = DEC_STRIP;
        rc     = json_get_str(step, l->where, "content", &from);
        if (!rc) rc = json_get_int(step, l->where, "start", 0, 1 << 20, &start);
        if (!rc) rc = json_get_int(step, l->where, "stop", 0, 1 << 20, &stop);
        if (!rc) d.start = (int)start, d.stop = (int)stop;
    } else if (!strcmp(type, "Metaspace")) {
        d.kind  = DEC_METASPACE;
        from    = "\xE2\x96\x81";
        to      = " ";
        rc      = get_str_or(l, step, "prepend_scheme", "always", &scheme);
        d.start = !rc && strcmp(scheme, "never") != 0;
    } else {
        rc = input_error("%s: decoder \"%s\" is not supported", l->where, type);
    }
    d.from = span_of(t, from);
    d.to   = span_of(t, to);
    if (!rc) t->decode[t->n_decode++] = d;
    return rc;
}

/* TemplateProcessing: the special tokens before and after sequence A. */
static int add_template(const loading *l, const json *step, const char *type)
{
    tokenizer  *t = l->t;
    const json *single;
    bool        after = false;
    if (!strcmp(type, "ByteLevel")) return OK; /* offsets only */
    if (strcmp(type, "TemplateProcessing")) return input_error("%s: post_processor \"%s\" is not supported", l->where, type);
    int rc = json_get_array(step, l->where, "single", &single);
    for (const json *s = rc ? NULL : single->child; s && !rc; s = s->next) {
        const json *special = json_find(s, "SpecialToken");
        const char *id;
        if (!special) {
            after = true;
            continue;
        }
        rc = json_get_str(special, l->where, "id", &id);
        if (rc) break;
        const json *row = json_find(json_find(step, "special_tokens"), id), *list = row ? json_find(row, "ids") : NULL;
        if (!cJSON_IsArray(list)) return input_error("%s: post_processor: special_tokens has no ids for \"%s\"", l->where, id);
        for (const json *i = list->child; i && !rc; i = i->next) {
            int32_t token = 0;
            rc = id_of(l, i, "post_processor", &token);
            if (!rc && (token >= t->n_ids || !t->texts[token].s))
                rc = input_error("%s: post_processor: id %d is not in the vocabulary", l->where, token);
            if (!rc) ids_push(after ? &t->suffix : &t->prefix, token);
        }
    }
    return rc;
}

static void find_byte_ids(tokenizer *t)
{
    for (int b = 0; b < BYTE_IDS; b++) {
        char text[8];
        int  n        = t->byte_level ? utf8_encode(byte_to_char((unsigned char)b), text) : snprintf(text, sizeof text, "<0x%02X>", b);
        t->byte_id[b] = text_map_get(&t->ids_of, text, (size_t)n);
    }
}

int tokenizer_load(tokenizer *t, const json *doc, const char *where)
{
    loading l = { t, where };
    t->unk = t->bos = t->eos = -1;
    if (!cJSON_IsObject(doc)) return input_error("%s: must be a JSON object (a Hugging Face tokenizer.json)", where);
    int rc = load_model(&l, doc);
    if (!rc) rc = load_steps(&l, json_find(doc, "normalizer"), "normalizer", "normalizers", add_norm, 0);
    if (!rc) rc = load_steps(&l, json_find(doc, "pre_tokenizer"), "pre_tokenizer", "pretokenizers", add_split, 0);
    if (!rc) rc = load_steps(&l, json_find(doc, "decoder"), "decoder", "decoders", add_decode, 0);
    if (!rc) rc = load_steps(&l, json_find(doc, "post_processor"), "post_processor", "processors", add_template, 0);
    if (!rc) find_byte_ids(t);
    return rc;
}
