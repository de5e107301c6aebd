#include "core/file.h"
#include "core/str.h"
#include "core/test.h"
#include "datasets/dataset.h"

static void real_files_have_their_stated_counts(void **state)
{
    (void)state;
    static const struct {
        const char *reader, *path;
        int64_t     n;
    } files[] = {
        { "squad", "squad/dev-v1.1.part.json", 6107 },
        { "squad", "squad/dev-v2.0.part.json", 6078 },
        { "squad", "squad/dev-v2.0.cs224n.json", 6078 },
        { "squad", "squad/xquad.en.part.json", 595 },
        { "squad", "lm-eval-reference/data/squad.docs.json", 50 },
        { "squad", "lm-eval-reference/data/squad.flat.jsonl", 50 },
        { "dialogsum", "dialogsum/dialogsum.dev.jsonl", 500 },
        { "dialogsum", "dialogsum/dialogsum.test.part.jsonl", 250 },
        { "dialogsum", "dialogsum/dialogsum.train.part.jsonl", 400 },
        { "dialogsum", "dialogsum/dialogsum.train.part.csv", 200 },
        { "iwslt", "iwslt/IWSLT16.TED.dev2010.de-en.de", 887 },
        { "iwslt", "iwslt/IWSLT16.TED.dev2010.de-en.de.xml", 887 },
        { "iwslt", "iwslt/IWSLT16.TED.tst2010.de-en.de.xml", 1565 },
        { "iwslt", "iwslt/IWSLT16.TED.tst2011.de-en.de.xml", 1433 },
        { "iwslt", "iwslt/IWSLT16.TED.tst2012.de-en.de.xml", 1700 },
        { "iwslt", "iwslt/IWSLT16.TEDX.dev2012.de-en.de.xml", 1165 },
        { "iwslt", "iwslt/iwslt2017-de-en.validation.json", 888 },
        { "iwslt", "iwslt/train.toy.de", 1000 },
        { "iwslt", "lm-eval-reference/data/iwslt.docs.de", 50 },
        { "iwslt", "lm-eval-reference/data/iwslt.docs.jsonl", 50 },
        { "hellaswag", "hellaswag/hellaswag_val.part.txt", 7030 },
        { "hellaswag", "hellaswag/hellaswag_val.rebuilt.part.jsonl", 212 },
        { "hellaswag", "hellaswag/original_format_sample.test.jsonl", 2 },
        { "hellaswag", "hellaswag/original_format_sample.train.jsonl", 2 },
        { "hellaswag", "lm-eval-reference/data/hellaswag.docs.jsonl", 500 },
        { "gsm8k", "gsm8k/train.part.jsonl", 4000 },
        { "gsm8k", "gsm8k/test.jsonl", 1319 },
        { "text", "lm-eval-reference/data/rolling.docs.jsonl", 31 },
    };
    need_data(root, "squad");
    (void)root;
    for (size_t i = 0; i < sizeof files / sizeof *files; i++) {
        dataset    *d;
        const char *path = test_data(files[i].path);
        assert_non_null(path);
        assert_ok(dataset_read(&d, files[i].reader, path));
        if (d->n != files[i].n) fail_msg("%s: %lld items, stated %lld", files[i].path, (long long)d->n, (long long)files[i].n);
        dataset_free(d);
    }
}

static void the_training_form_skips_its_headers(void **state)
{
    (void)state;
    need_data(path, "iwslt/original_format_sample/train.tags.de-en.de");
    dataset *d;
    assert_ok(dataset_read(&d, "iwslt", path));
    assert_string_equal(record_field(&d->items[0], "de"), "Vielen Dank, Chris.");
    assert_string_equal(record_field(&d->items[0], "en"), "Thank you so much, Chris.");
    dataset_free(d);
}

/* The XML and the plain lines of the same talks hold the same text. */
static void xml_and_lines_agree(void **state)
{
    (void)state;
    need_data(lines, "iwslt/IWSLT16.TED.dev2010.de-en.de");
    need_data(xml, "iwslt/IWSLT16.TED.dev2010.de-en.de.xml");
    dataset *a, *b;
    assert_ok(dataset_read(&a, "iwslt", lines));
    assert_ok(dataset_read(&b, "iwslt", xml));
    for (int64_t i = 0; i < a->n; i++) {
        assert_string_equal(record_field(&a->items[i], "de"), record_field(&b->items[i], "de"));
        assert_string_equal(record_field(&a->items[i], "en"), record_field(&b->items[i], "en"));
    }
    dataset_free(a);
    dataset_free(b);
}

static void csv_and_json_lines_agree(void **state)
{
    (void)state;
    need_data(lines, "dialogsum/dialogsum.train.part.jsonl");
    need_data(csv, "dialogsum/dialogsum.train.part.csv");
    dataset *a, *b;
    assert_ok(dataset_read(&a, "dialogsum", lines));
    assert_ok(dataset_read(&b, "dialogsum", csv));
    for (int64_t i = 0; i < b->n; i++) {
        assert_string_equal(a->items[i].id, b->items[i].id);
        assert_string_equal(record_field(&a->items[i], "dialogue"), record_field(&b->items[i], "dialogue"));
        assert_string_equal(record_field(&a->items[i], "summary"), record_field(&b->items[i], "summary"));
    }
    dataset_free(a);
    dataset_free(b);
}

static int parse(dataset **d, const char *reader, const char *text, const char *target)
{
    return dataset_parse(d, reader, text, strlen(text), target, target ? strlen(target) : 0, "f");
}

static void forms_made_by_hand(void **state)
{
    (void)state;
    dataset *d;
    assert_ok(parse(&d, "dialogsum", "fname,dialogue,summary\r\nx,\"a,\n\"\"b\"\"\",s\r\ny,plain,\r\n", NULL));
    assert_int_equal(d->n, 2);
    assert_string_equal(record_field(&d->items[0], "dialogue"), "a,\n\"b\"");
    assert_string_equal(record_field(&d->items[1], "summary"), "");
    assert_int_equal(d->items[1].line, 4);
    dataset_free(d);
    assert_ok(parse(&d, "iwslt", "<doc docid=\"1\"><seg id=\"1\"> a &amp;amp; &lt;b&gt; &#228; </seg></doc>",
                    "<doc docid=\"1\"><seg id=\"1\"> x </seg></doc>"));
    assert_string_equal(record_field(&d->items[0], "de"), "a &amp; <b> \xC3\xA4");
    dataset_free(d);
    assert_ok(parse(&d, "gsm8k",
                    "\xEF\xBB\xBF{\"question\":\"q \xE2\x80\xA8 r\",\"answer\":\"a\\n#### 1\"}\n\n{\"question\":\"\\u2019\",\"answer\":\"\"}", NULL));
    assert_int_equal(d->n, 2);
    assert_int_equal(d->items[1].line, 3);
    assert_string_equal(record_field(&d->items[1], "question"), "\xE2\x80\x99");
    dataset_free(d);
    assert_ok(parse(&d, "tokens", "{\"input_ids\":[1,2,3],\"labels\":[-100,2,3]}", NULL));
    assert_int_equal(d->items[0].n_tokens, 3);
    assert_int_equal(d->items[0].token_labels[0], -100);
    dataset_free(d);
    assert_ok(parse(&d, "text", "one\n\nthree", NULL));
    assert_int_equal(d->n, 3);
    dataset_free(d);
}

static void bad_files_are_refused_with_the_place(void **state)
{
    (void)state;
    static const struct {
        const char *reader, *text, *target, *part;
    } cases[] = {
        { "gsm8k", "", NULL, "no item" },
        { "gsm8k", "{\"question\":\"q\"}", NULL, "f: line 1: \"answer\" is missing" },
        { "gsm8k", "{\"question\":\"q\",\"answer\":\"a\"}\n{\"question\":7,\"answer\":\"a\"}", NULL, "f: line 2: \"question\": 7" },
        { "gsm8k", "{\"question\":\"q\",", NULL, "f: line 1" },
        { "gsm8k", "[1]", NULL, "f: [0]" },
        { "gsm8k", "\xFF", NULL, "line 1, byte 1" },
        { "squad", "{\"data\":[{\"paragraphs\":[{\"context\":\"c\",\"qas\":[{\"id\":\"1\",\"question\":\"q\"}]}]}]}", NULL,
          "data[0].paragraphs[0].qas[0]: \"answers\"" },
        { "squad", "{\"data\":7}", NULL, "\"data\": 7" },
        { "squad", "{\"data\":[[]]}", NULL, "data[0]" },
        { "hellaswag", "A: b\n7\n1\n2\n3\n4\n", NULL, "line 2: the label" },
        { "hellaswag", "A: b\n1\n1\n2\n", NULL, "ends after 4" },
        { "hellaswag", "{\"activity_label\":\"a\",\"ctx_a\":\"\",\"ctx_b\":\"\",\"ctx\":\"\",\"endings\":[\"x\"],\"label\":1}", NULL,
          "has 1 entries" },
        { "hellaswag", "{\"activity_label\":\"a\",\"ctx_a\":\"\",\"ctx_b\":\"\",\"ctx\":\"\",\"endings\":[\"x\",\"\",\"\",\"\"],\"label\":4}", NULL,
          "must be 0, 1, 2 or 3" },
        { "dialogsum", "a,b\n1,2\n", NULL, "header" },
        { "dialogsum", "dialogue,summary\n\"open,2\n", NULL, "never closed" },
        { "dialogsum", "dialogue,summary\na\n", NULL, "line 2: has 1 cells" },
        { "iwslt", "a\nb\n", "x\n", "2 segments" },
        { "iwslt", "a\n", NULL, "English side" },
        { "iwslt", "<doc docid=\"1\"><seg id=\"1\">a</seg>", "<doc docid=\"1\"><seg id=\"2\">a</seg>", "doc 1, seg 1" },
        { "iwslt", "<doc docid=\"1\"><seg id=\"1\">a", "b", "never closed" },
        { "tokens", "{\"input_ids\":[1],\"labels\":[1,2]}", NULL, "1 input_ids but 2 labels" },
        { "tokens", "{\"input_ids\":[-1],\"labels\":[1]}", NULL, "input_ids[0]" },
        { "tokens", "{\"input_ids\":[1],\"labels\":[-7]}", NULL, "labels[0]: -7" },
        { "sqad", "x", NULL, "did you mean squad?" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dataset *d;
        assert_input_error(parse(&d, cases[i].reader, cases[i].text, cases[i].target), cases[i].part);
        assert_null(d);
    }
    char    *dir = test_tmpdir(), *path = path_join(dir, "x.de-en.de.txt");
    dataset *d;
    assert_ok(file_write_atomic(path, "a\n", 2));
    assert_input_error(dataset_read(&d, "iwslt", path), "x.de-en.en.txt: not found");
    assert_input_error(dataset_read(&d, "gsm8k", dir), "is a folder");
    free(path);
    test_rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(real_files_have_their_stated_counts),
        cmocka_unit_test(the_training_form_skips_its_headers),
        cmocka_unit_test(xml_and_lines_agree),
        cmocka_unit_test(csv_and_json_lines_agree),
        cmocka_unit_test(forms_made_by_hand),
        cmocka_unit_test(bad_files_are_refused_with_the_place),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
