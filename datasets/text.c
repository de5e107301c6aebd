/* Plain text, one text a line, or JSON lines with `text` (and perhaps `name`); and ready-made token ids with labels. */
#include <string.h>

#include "core/error.h"
#include "core/file.h"
#include "datasets/builder.h"

static int text_item(builder *b, const json *obj, const char *where, int64_t line)
{
    const json *name = json_find(obj, "name");
    builder_begin(b, cJSON_IsString(name) ? name->valuestring : NULL, line);
    int rc = builder_add_member(b, obj, where, "text", "text");
    if (!rc) builder_end(b);
    return rc;
}

int read_text(builder *b, const source *s)
{
    if (first_char(s) == '{') return each_json_item(b, s, text_item);
    size_t      pos = 0, n;
    const char *line;
    for (int64_t number = 1; next_line(s->bytes, s->n, &pos, &line, &n); number++) {
        builder_begin(b, NULL, number);
        builder_add(b, "text", line, n);
        builder_end(b);
    }
    return OK;
}

/* An array of whole numbers min..2^31-1, owned by the dataset. */
static int ids_of(builder *b, const json *obj, const char *where, const char *key, int32_t min, int64_t *n, const int32_t **out)
{
    const json *array;
    int         rc = json_get_array(obj, where, key, &array);
    if (rc) return rc;
    *n           = cJSON_GetArraySize(array);
    int32_t *ids = arena_alloc(&b->d->memory, (size_t)*n + 1, sizeof *ids), k = 0;
    for (const json *j = array->child; j; j = j->next, k++) {
        double v = cJSON_IsNumber(j) ? j->valuedouble : -1e9;
        if (!(v >= min && v <= INT32_MAX) || v != (double)(int32_t)v)
            return input_error("%s: %s[%d]: must be a whole number from %d on%s", where, key, k, min, min < 0 ? " (-100: not scored)" : "");
        ids[k] = (int32_t)v;
    }
    *out = ids;
    return OK;
}

static int token_item(builder *b, const json *obj, const char *where, int64_t line)
{
    const int32_t *ids, *labels;
    int64_t        n, n_labels;
    int            rc = ids_of(b, obj, where, "input_ids", 0, &n, &ids);
    if (!rc) rc = ids_of(b, obj, where, "labels", -100, &n_labels, &labels);
    if (rc) return rc;
    if (!n) return input_error("%s: input_ids is empty; a sequence needs one id at least", where);
    if (n != n_labels) return input_error("%s: %lld input_ids but %lld labels; they must be as many", where, (long long)n, (long long)n_labels);
    for (int64_t i = 0; i < n; i++)
        if (labels[i] < 0 && labels[i] != -100)
            return input_error("%s: labels[%lld]: %d: must be an id, or -100 for not scored", where, (long long)i, labels[i]);
    builder_begin(b, NULL, line);
    data_item *item    = builder_end(b);
    item->token_ids    = ids;
    item->token_labels = labels;
    item->n_tokens     = n;
    return OK;
}

int read_tokens(builder *b, const source *s) { return each_json_item(b, s, token_item); }
