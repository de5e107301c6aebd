#include "tasks/original.h"

#include "metrics/test_lines.h"

static dataset *read_text(const char *dir, const char *name, const char *reader, const char *text, char **path)
{
    dataset *d;
    *path = path_join(dir, name);
    assert_ok(file_write_atomic(*path, text, strlen(text)));
    assert_ok(dataset_read(&d, reader, *path));
    return d;
}

static void assert_json(json *got, const char *want)
{
    str text = { 0 };
    json_print(got, &text, false);
    assert_string_equal(text.s, want);
    str_free(&text);
    json_free(got);
}

static void lines_of_objects_are_given_whole(void **state)
{
    (void)state;
    char    *dir = test_tmpdir(), *path;
    dataset *d   = read_text(
          dir, "a.jsonl", "gsm8k",
          "{\"n\":1,\"question\":\"q\",\"answer\":\"a\"}\n\n{\"question\":\"q\",\"answer\":\"a\",\"n\":2}\n"
            "{\"answer\":\"a\",\"n\":1,\"question\":\"q\"}\n",
          &path);
    originals o, none;
    assert_ok(originals_open(&o, path));
    assert_ok(originals_open(&none, NULL));
    assert_json(original_item(&o, &d->items[1]), "{\"question\":\"q\",\"answer\":\"a\",\"n\":2}");
    assert_null(original_item(&none, &d->items[1]));
    /* Records may differ in a member that the reader leaves out, or have their members in another
     * order; where nothing is known of the items all are alike. */
    assert_false(original_equal(&o, &d->items[0], &o, &d->items[1]));
    assert_true(original_equal(&o, &d->items[0], &o, &d->items[2]));
    assert_true(original_equal(&none, &d->items[0], &none, &d->items[1]));
    originals_free(&o);
    dataset_free(d);
    free(path);
    test_rmdir(dir);
}

/* A name that repeats in one item is a list in every item. */
static void other_forms_become_objects_of_their_fields(void **state)
{
    (void)state;
    static const char squad[] =
        "{\"data\":[{\"title\":\"T\",\"paragraphs\":[{\"context\":\"C\",\"qas\":["
        "{\"id\":\"x\",\"question\":\"Q\",\"answers\":[{\"text\":\"a\"},{\"text\":\"b\"}]},"
        "{\"id\":\"y\",\"question\":\"R\",\"answers\":[{\"text\":\"a\"}]},{\"id\":\"z\",\"question\":\"S\",\"answers\":[]}]}]}]}";
    char     *dir = test_tmpdir(), *path;
    dataset  *d   = read_text(dir, "dev.json", "squad", squad, &path);
    originals o;
    assert_ok(originals_open(&o, path));
    originals_find_lists(&o, d);
    assert_json(original_or_fields(&o, &d->items[0]),
                "{\"id\":\"x\",\"title\":\"T\",\"context\":\"C\",\"question\":\"Q\",\"answer\":[\"a\",\"b\"]}");
    assert_json(original_or_fields(&o, &d->items[1]),
                "{\"id\":\"y\",\"title\":\"T\",\"context\":\"C\",\"question\":\"R\",\"answer\":[\"a\"]}");
    assert_json(original_or_fields(&o, &d->items[2]),
                "{\"id\":\"z\",\"title\":\"T\",\"context\":\"C\",\"question\":\"S\",\"answer\":[]}");
    originals_free(&o);
    dataset_free(d);
    free(path);
    test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(lines_of_objects_are_given_whole),
                                        cmocka_unit_test(other_forms_become_objects_of_their_fields) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
