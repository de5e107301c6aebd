/* IWSLT German-English: the hub's JSON (an array or lines of {"translation": {"de", "en"}}), or two
 * files side by side (datasets/segments.h). */
#include <string.h>

#include "core/error.h"
#include "datasets/segments.h"

static int item(builder *b, const json *obj, const char *where, int64_t line)
{
    const json *pair;
    builder_begin(b, NULL, line);
    int rc = json_get_object(obj, where, "translation", &pair);
    if (!rc) rc = builder_add_member(b, pair, where, "de", "de");
    if (!rc) rc = builder_add_member(b, pair, where, "en", "en");
    if (!rc) builder_end(b);
    return rc;
}

/* Two segments belong together when their talks and ids agree, where the form has these. */
static int check_names(const segments *de, const segments *en)
{
    if (!strcmp(de->doc, en->doc) && !strcmp(de->id, en->id)) return OK;
    str a = { 0 }, b = { 0 };
    segments_name(de, &a);
    segments_name(en, &b);
    int rc = input_error(
        "%s: line %lld: %s stands beside %s of %s (line %lld); both sides must hold the same segments in the same order",
        de->s.where, (long long)de->line, str_c(&a), str_c(&b), en->s.where, (long long)en->line);
    str_free(&a);
    str_free(&b);
    return rc;
}

static int one_sided(const segments *longer, const segments *shorter)
{
    str name = { 0 };
    segments_name(longer, &name);
    int rc = input_error(
        "%s: line %lld: %s has no counterpart: %s ends after %lld segments; both sides must have as many",
        longer->s.where, (long long)longer->line, str_c(&name), shorter->s.where, (long long)shorter->count);
    str_free(&name);
    return rc;
}

static int align(builder *b, segments *de, segments *en)
{
    if (de->form != en->form)
        return input_error(
            "%s and %s: one is XML or the training form with <doc> headers, the other is not; both sides must have one form",
            de->s.where, en->s.where);
    for (;;) {
        bool more_de, more_en;
        int  rc = segments_next(de, &more_de);
        if (!rc) rc = segments_next(en, &more_en);
        if (rc || (!more_de && !more_en)) return rc;
        if (!more_de || !more_en) return more_de ? one_sided(de, en) : one_sided(en, de);
        if ((rc = check_names(de, en))) return rc;
        builder_begin(b, NULL, de->line);
        builder_add(b, "de", str_c(&de->text), de->text.n);
        builder_add(b, "en", str_c(&en->text), en->text.n);
        builder_end(b);
    }
}

int read_iwslt(builder *b, const source *s)
{
    char c = first_char(s);
    if (c == '{' || c == '[') return each_json_item(b, s, item);
    if (!c) return OK;
    if (!s->target)
        return input_error("%s: plain text or XML has one language; its English side is needed too", s->where);
    segments de = segments_open(s->bytes, s->n, s->where), en = segments_open(s->target, s->n_target, s->target_where);
    int      rc = align(b, &de, &en);
    segments_close(&de);
    segments_close(&en);
    return rc;
}
