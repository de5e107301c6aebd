/* Plain text with one text a line, or JSON lines with `text` and perhaps `name`; and ready-made
 * token ids with labels. */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "core/error.h"
#include "datasets/builder.h"

static int text_item(builder *b, const json *obj, const char *where, int64_t line)
{
    const json *name = json_find(obj, "name");
    builder_begin(b, json_text(name), line);
    int rc = builder_add_member(b, obj, where, "text", "text");
    if (!rc) builder_end(b);
    return rc;
}

/* Empty lines are items too: an item's number tells its line, and nothing of the file is
 * dropped. */
static int read_lines(builder *b, const source *s)
{
    text_line l = { 0 };
    bool      more;
    int       rc;
    while (!(rc = text_next(&l, s, &more)) && more) {
        builder_begin(b, NULL, l.number);
        builder_add(b, "text", l.text, l.n);
        builder_end(b);
    }
    return rc;
}

int read_text(builder *b, const source *s)
{
    if (first_char(s) != '{') return read_lines(b, s);
    int rc = each_json_item(b, s, text_item);
    if (!rc) return OK;
    char *why = mem_strdup(error_text());
    rc        = input_error("%s (a file that begins with \"{\" is read as JSON lines, each with \"text\")", why);
    free(why);
    return rc;
}

/* Reads an array of whole numbers min..2^31-1, owned by the dataset. */
static int ids_of(builder *b, const json *obj, const char *where, const char *key, int32_t min, int64_t *n,
                  const int32_t **out)
{
    const json *array;
    int         rc = json_get_array(obj, where, key, &array);
    if (rc) return rc;
    *n           = json_size(array);
    int32_t *ids = arena_alloc(&b->d->memory, (size_t)*n + 1, sizeof *ids), k = 0;
    for (const json *j = array->child; j; j = j->next, k++) {
        double v = json_number(j);
        if (isnan(v)) return input_error("%s: %s[%d]: must be a whole number", where, key, k);
        if (!(v >= min && v <= INT32_MAX) || v != (double)(int32_t)v || (v < 0 && v != -100))
            return input_error("%s: %s[%d]: %.17g: must be a whole number 0..%d%s", where, key, k, v, INT32_MAX,
                               min < 0 ? ", or -100 for not scored" : "");
        ids[k] = (int32_t)v;
    }
    *out = ids;
    return OK;
}

/* A mask of ones says nothing; a zero in it would change what the model sees. */
static int check_mask(const json *obj, const char *where)
{
    int64_t i = 0;
    for (const json *j = json_has(obj, "attention_mask") ? json_find(obj, "attention_mask")->child : NULL; j;
         j             = j->next, i++)
        if (json_number(j) != 1)
            return input_error("%s: attention_mask[%lld]: must be 1; leave padding out of input_ids and labels", where,
                                           (long long)i);
    return OK;
}

static int token_item(builder *b, const json *obj, const char *where, int64_t line)
{
    const int32_t *ids, *labels;
    int64_t        n, n_labels;
    int            rc = ids_of(b, obj, where, "input_ids", 0, &n, &ids);
    if (!rc) rc = ids_of(b, obj, where, "labels", -100, &n_labels, &labels);
    if (!rc) rc = check_mask(obj, where);
    if (rc) return rc;
    if (!n) return input_error("%s: input_ids is empty; a sequence needs one id at least", where);
    if (n != n_labels)
        return input_error("%s: %lld input_ids but %lld labels; they must be as many", where, (long long)n,
                           (long long)n_labels);
    builder_begin(b, NULL, line);
    data_item *item    = builder_end(b);
    item->token_ids    = ids;
    item->token_labels = labels;
    item->n_tokens     = n;
    return OK;
}

int read_tokens(builder *b, const source *s) { return each_json_item(b, s, token_item); }
