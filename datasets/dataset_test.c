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
        { "hellaswag", "hellaswag/original_format_sample.val.jsonl", 2 },
        { "hellaswag", "lm-eval-reference/data/hellaswag_3shot.docs.jsonl", 100 },
        { "hellaswag", "lm-eval-reference/data/hellaswag_3shot.pool.jsonl", 80 },
        { "hellaswag", "lm-eval-reference/data/hellaswag_edge.docs.jsonl", 12 },
        { "gsm8k", "lm-eval-reference/data/gsm8k.docs.jsonl", 50 },
        { "gsm8k", "lm-eval-reference/data/gsm8k.pool.jsonl", 160 },
        { "dialogsum", "lm-eval-reference/data/dialogsum.docs.jsonl", 30 },
        { "iwslt", "iwslt/original_format_sample/IWSLT17.TED.dev2010.de-en.de.xml", 5 },
        { "iwslt", "iwslt/original_format_sample/IWSLT17.TED.tst2015.de-en.de.xml", 6 },
        { "iwslt", "iwslt/original_format_sample/train.tags.de-en.de", 9 },
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
        if (d->n != files[i].n)
            fail_msg("%s: %lld items, stated %lld", files[i].path, (long long)d->n, (long long)files[i].n);
        dataset_free(d);
    }
}

static void the_training_form_skips_its_headers(void **state)
{
    (void)state;
    need_data(path, "iwslt/original_format_sample/train.tags.de-en.de");
    dataset *d;
    assert_ok(dataset_read(&d, "iwslt", path));
    assert_string_equal(item_field(&d->items[0], "de"), "Vielen Dank, Chris.");
    assert_string_equal(item_field(&d->items[0], "en"), "Thank you so much, Chris.");
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
        assert_string_equal(item_field(&a->items[i], "de"), item_field(&b->items[i], "de"));
        assert_string_equal(item_field(&a->items[i], "en"), item_field(&b->items[i], "en"));
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
        assert_string_equal(item_field(&a->items[i], "dialogue"), item_field(&b->items[i], "dialogue"));
        assert_string_equal(item_field(&a->items[i], "summary"), item_field(&b->items[i], "summary"));
    }
    dataset_free(a);
    dataset_free(b);
}

static void forms_of_published_files_agree(void **state)
{
    xml_and_lines_agree(state);
    csv_and_json_lines_agree(state);
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
    assert_string_equal(item_field(&d->items[0], "dialogue"), "a,\n\"b\"");
    assert_string_equal(item_field(&d->items[1], "summary"), "");
    assert_int_equal(d->items[1].line, 4);
    dataset_free(d);
    assert_ok(parse(&d, "iwslt", "<doc docid=\"1\"><seg id=\"1\"> a &amp;amp; &lt;b&gt; &#228; </seg></doc>",
                    "<doc docid=\"1\"><seg id=\"1\"> x </seg></doc>"));
    assert_string_equal(item_field(&d->items[0], "de"), "a &amp; <b> \xC3\xA4");
    dataset_free(d);
    assert_ok(parse(
        &d, "gsm8k",
        "\xEF\xBB\xBF{\"question\":\"q \xE2\x80\xA8 r\",\"answer\":\"a\\n#### 1\"}\n\n{\"question\":\"\\u2019\",\"answer\":\"\"}",
        NULL));
    assert_int_equal(d->n, 2);
    assert_int_equal(d->items[1].line, 3);
    assert_string_equal(item_field(&d->items[1], "question"), "\xE2\x80\x99");
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
        { "gsm8k", "", NULL, "f: is empty" },
        { "gsm8k", "\n\n", NULL, "no item" },
        { "gsm8k", "{\"question\":\"q\"}", NULL, "f: line 1: \"answer\" is missing" },
        { "gsm8k", "{\"question\":\"q\",\"answer\":\"a\"}\n{\"question\":7,\"answer\":\"a\"}", NULL,
          "f: line 2: \"question\": 7" },
        { "gsm8k", "{\"question\":\"q\",\"answer\":\"a\"}\n{\"question\":\"q\",", NULL, "f: line 2, column" },
        { "gsm8k", "{\"question\":\"q\",\"answer\":\"a\\u0000b\"}", NULL, "f: line 1, column 28: holds \\u0000" },
        { "gsm8k", "{\"question\":\"q\",\"answer\":[[7]]}", NULL, "\"answer\": [[7]]: must be a string" },
        { "gsm8k", "[1]", NULL, "f: [0]" },
        { "gsm8k", "\xFF", NULL, "line 1, byte 1" },
        { "squad", "{\"data\":[{\"paragraphs\":[{\"context\":\"c\",\"qas\":[{\"id\":\"1\",\"question\":\"q\"}]}]}]}",
          NULL, "f: data[0].paragraphs[0].qas[0]: \"answers\" is missing" },
        { "squad", "{\"data\":[{\"paragraphs\":[]},{\"paragraphs\":[{\"context\":7}]}]}", NULL,
          "f: data[1].paragraphs[0]: \"context\": 7" },
        { "squad",
          "{\"data\":[{\"paragraphs\":[{\"context\":\"c\",\"qas\":[{\"id\":\"1\",\"question\":\"q\",\"answers\":[{}]}]}]}]}",
          NULL, "qas[0].answers[0]: must be an object with" },
        { "squad", "{\n \"data\": [\n}", NULL, "f: line 3, column" },
        { "squad", "{\"version\":\"1.1\"}", NULL, "f: \"data\" is missing" },
        { "squad", "{\"id\":\"1\",\"context\":\"c\",\"question\":\"q\",\"answers\":{\"text\":[\"a\",3]}}", NULL,
          "f: line 1: answers.text[1]: must be a string" },
        { "squad", "{\"data\":7}", NULL, "\"data\": 7" },
        { "squad", "{\"data\":[[]]}", NULL, "f: data[0]: must be an object" },
        { "hellaswag", "A: b\n7\n1\n2\n3\n4\n", NULL, "line 2: the label \"7\"" },
        { "hellaswag", "A: b\n1\n1\n2\n", NULL, "ends after 4" },
        { "hellaswag",
          "{\"activity_label\":\"a\",\"ctx_a\":\"\",\"ctx_b\":\"\",\"ctx\":\"\",\"endings\":[\"x\"],\"label\":1}", NULL,
          "has 1 entries" },
        { "hellaswag",
          "{\"activity_label\":\"a\",\"ctx_a\":\"\",\"ctx_b\":\"\",\"ctx\":\"\",\"endings\":[\"x\",\"\",\"\",\"\"],\"label\":4}",
          NULL, "\"label\": 4: must be 0, 1, 2 or 3" },
        { "dialogsum", "a,b\n1,2\n", NULL, "line 1: no column \"dialogue\"" },
        { "dialogsum", "dialogue,summary\n\"a\nb\",s\n\"c\"d,s\n", NULL, "line 4: \"d\" after a closing quote" },
        { "dialogsum", "{\"fname\":\"x\",\"summary\":\"s\"}", NULL, "f: line 1: \"dialogue\" is missing" },
        { "dialogsum", "dialogue,summary\n\"open,2\n", NULL, "never closed" },
        { "dialogsum", "dialogue,summary\na\n", NULL, "line 2: the record that begins here has 1 cells, the header 2" },
        { "iwslt", "a\nb\n", "x\n", "f: line 2: segment 2 has no counterpart: the English side of f ends after 1" },
        { "iwslt", "a\n", "x\ny\n", "the English side of f: line 2: segment 2 has no counterpart" },
        { "iwslt", "a\n", NULL, "English side" },
        { "iwslt", "<doc docid=\"1\"><seg id=\"1\">a</seg>", "<doc docid=\"1\"><seg id=\"2\">a</seg>",
          "talk 1, segment 1 stands beside talk 1, segment 2" },
        { "iwslt", "<doc docid=\"1\">\na\n<doc docid=\"2\">\nb\n", "<doc docid=\"1\">\nx\ny\n<doc docid=\"2\">\nz\n",
          "line 4: talk 2, segment 2 stands beside talk 1, segment 2" },
        { "iwslt", "<doc docid=\"1\"><seg id=\"1\">a</seg>", "a\n", "must have one form" },
        { "iwslt", "<doc docid=\"1\">\n<seg id=\"1\">a<seg id=\"2\">", "a\n", "one form" },
        { "iwslt", "<doc docid=\"1\">\n<seg id=\"1\">a<seg id=\"2\">", "<doc><seg id=\"1\">a</seg>",
          "line 2: a <seg> begins here and is never closed" },
        { "iwslt", "<doc><seg>a</seg>", "<doc><seg id=\"1\">a</seg>", "one form" },
        { "iwslt", "<mteval><seg>a</seg>", "<mteval><seg id=\"1\">a</seg>", "line 1: <seg> must have an id" },
        { "iwslt", "<mteval><seg id=\"1\">&#xD800;</seg>", "<mteval><seg id=\"1\">a</seg>",
          "&#xD800;: is not a character" },
        { "iwslt", "{\"translation\":{\"de\":\"a\"}}", NULL, "f: line 1: \"en\" is missing" },
        { "iwslt", "<doc docid=\"1\"><seg id=\"1\">a", "<doc docid=\"1\"><seg id=\"1\">b</seg>", "never closed" },
        { "tokens", "{\"input_ids\":[1],\"labels\":[1,2]}", NULL, "1 input_ids but 2 labels" },
        { "tokens", "{\"input_ids\":[-1],\"labels\":[1]}", NULL, "input_ids[0]" },
        { "tokens", "{\"input_ids\":[1],\"labels\":[-7]}", NULL, "labels[0]: -7: must be a whole number" },
        { "tokens", "{\"input_ids\":[1.5],\"labels\":[1]}", NULL, "input_ids[0]: 1.5" },
        { "tokens", "{\"input_ids\":[4e9],\"labels\":[1]}", NULL, "input_ids[0]: 4000000000" },
        { "tokens", "{\"input_ids\":[1,2],\"labels\":[1,2],\"attention_mask\":[1,0]}", NULL,
          "attention_mask[1]: must be 1" },
        { "tokens", "{\"input_ids\":[],\"labels\":[]}", NULL, "input_ids is empty" },
        { "text", "{ plain", NULL, "read as JSON lines" },
        { "sqad", "x", NULL, "did you mean squad?" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dataset *d;
        assert_input_error(parse(&d, cases[i].reader, cases[i].text, cases[i].target), cases[i].part);
        assert_null(d);
    }
}

static void a_file_that_is_not_text_is_refused(void **state)
{
    (void)state;
    dataset *d;
    for (int i = 0; dataset_reader_name(i); i++) {
        const char *reader = dataset_reader_name(i);
        assert_input_error(dataset_parse(&d, reader, "a\nb\0c", 5, "x\ny", 3, "f"), "f: line 2, byte 2: a NUL byte");
        assert_input_error(dataset_parse(&d, reader, "a\nb\xC3", 4, "x\ny", 3, "f"),
                           "f: line 2, byte 2: 0xC3 is not valid UTF-8");
    }
    str deep = { 0 };
    str_puts(&deep, "{\"text\":");
    for (int i = 0; i < 100000; i++) str_putc(&deep, '[');
    assert_input_error(dataset_parse(&d, "text", deep.s, deep.n, NULL, 0, "f"), "deeper than 512");
    str_free(&deep);
}

static void write_text(const char *dir, const char *name, const char *text)
{
    char *path = path_join(dir, name);
    assert_ok(file_write_atomic(path, text, strlen(text)));
    free(path);
}

/* The last ".de" becomes ".en" wherever in the name it stands. */
static void the_english_side_lies_beside_the_german(void **state)
{
    (void)state;
    static const char *const names[][2] = {
        { "a.de", "a.en" },       { "b.de-en.de.xml", "b.de-en.en.xml" },
        { "c.de.de", "c.de.en" }, { "d.de.dev", "d.en.dev" },
        { "e.de-en", "e.en-en" }, { "train.tags.de-en.de", "train.tags.de-en.en" },
    };
    char    *dir = test_tmpdir(), alone[65], pair[65];
    dataset *d;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++) {
        char *de = path_join(dir, names[i][0]), *missing = path_join(dir, names[i][1]);
        write_text(dir, names[i][0], "Haus\r\nBaum\r\n");
        assert_input_error(dataset_read(&d, "iwslt", de), missing);
        assert_non_null(strstr(error_text(), "not found"));
        write_text(dir, names[i][1], "\xEF\xBB\xBFhouse\ntree");
        assert_ok(dataset_read(&d, "iwslt", de));
        assert_int_equal(d->n, 2);
        assert_string_equal(item_field(&d->items[0], "de"), "Haus");
        assert_string_equal(item_field(&d->items[0], "en"), "house");
        assert_string_equal(item_field(&d->items[1], "en"), "tree");
        memcpy(pair, d->sha256, sizeof pair);
        dataset_free(d);
        assert_ok(dataset_read(&d, "text", de));
        memcpy(alone, d->sha256, sizeof alone);
        dataset_free(d);
        assert_string_not_equal(alone, pair); /* the other side is hashed too */
        free(de);
        free(missing);
    }
    write_text(dir, "plain.txt", "a\n");
    char *path = path_join(dir, "plain.txt");
    assert_input_error(dataset_read(&d, "iwslt", path), "must have \".de\" in its name");
    assert_input_error(dataset_read(&d, "gsm8k", dir), "is a folder");
    free(path);
    test_rmdir(dir);
}

/* Every form of a format gives the same item. */
static void forms_of_a_format_agree(void **state)
{
    (void)state;
    static const struct {
        const char *reader, *text, *target, *field, *want;
    } cases[] = {
        { "squad",
          "{\"data\":[{\"title\":\"T\",\"paragraphs\":[{\"context\":\"c\",\"qas\":[{\"id\":\"7\",\"question\":\"q\",\"answers\":[{\"text\":\"a\"}]}]}"
          "]}]}",
          NULL, "answer", "a" },
        { "squad",
          "\n{\"version\":\"v2.0\",\n\"data\":[{\"title\":\"T\",\"paragraphs\":[\n{\"context\":\"c\",\"qas\":[{\"id\":\"7\",\"question\":\"q\","
          "\"answers\":[{\"text\":\"a\"}]}]}]}]}\n",
          NULL, "context", "c" },
        { "squad",
          "\xEF\xBB\xBF{\"id\":\"7\",\"title\":\"T\",\"context\":\"c\",\"question\":\"q\",\"answers\":{\"text\":[\"a\"],\"answer_start\":[0]}}\r\n",
          NULL, "title", "T" },
        { "squad", "[\n{\"id\":\"7\",\"context\":\"c\",\"question\":\"q\",\"answers\":[{\"text\":\"a\"}]}]", NULL,
          "answer", "a" },
        { "dialogsum", "{\"fname\":\"7\",\"dialogue\":\"d\",\"summary1\":\"s\",\"summary2\":\"t\",\"summary3\":\"u\"}",
          NULL, "summary", "s" },
        { "dialogsum", "{\"id\":\"7\",\"dialogue\":\"d\",\"summary\":\"s\",\"topic\":\"t\"}", NULL, "summary", "s" },
        { "dialogsum", "\xEF\xBB\xBF\"fname\",\"dialogue\",\"summary\"\r\n\"7\",\"d\",\"s\"\r\n\r\n", NULL, "dialogue",
          "d" },
        { "dialogsum", "topic,dialogue,id,summary1,summary2\nt,d,7,s,u", NULL, "summary", "s" },
        { "hellaswag",
          "\xEF\xBB\xBF"
          "A: b\r\n2\r\nw\r\nx\r\ny\r\nz\r\n\r\n",
          NULL, "ending", "w" },
        { "hellaswag",
          "{\"activity_label\":\"A\",\"ctx_a\":\"b\",\"ctx_b\":\"\",\"ctx\":\"b\",\"endings\":[\"w\",\"x\",\"y\",\"z\"],\"label\":\"2\"}",
          NULL, "label", "2" },
        { "text", "\xEF\xBB\xBFone\r\n", NULL, "text", "one" },
        { "text", "{\"text\":\"one\"}\r\n\r\n", NULL, "text", "one" },
        { "iwslt", "[{\"translation\":{\"de\":\"a\",\"en\":\"b\"}}]", NULL, "en", "b" },
        { "iwslt",
          "<!DOCTYPE mteval>\n<!-- <seg id=\"0\">no</seg> --><DOC docid='x'>\n<hl>h</hl>\n<SEG id=1>\n a & b &nbsp;\n</SEG></DOC>",
          "<mteval><doc genre=\"x\" docid=\"x\"><seg id=\"1\"> c</seg></doc>", "de", "a & b &nbsp;" },
        { "iwslt", " <doc docid=\"1\">\r\n <url>u</url>\r\n  a &amp; < b \r\n",
          "<doc docid=\"1\" genre=\"g\">\n<title>t</title>\nc\n", "de", "a &amp; < b" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        dataset *d;
        assert_ok(parse(&d, cases[i].reader, cases[i].text, cases[i].target));
        assert_int_equal(d->n, 1);
        assert_string_equal(item_field(&d->items[0], cases[i].field), cases[i].want);
        if (strstr(cases[i].text, "\"7\"") || strstr(cases[i].text, ",7,")) assert_string_equal(d->items[0].id, "7");
        dataset_free(d);
    }
}

static void repeated_and_absent_fields(void **state)
{
    (void)state;
    dataset *d;
    assert_ok(parse(
        &d, "dialogsum",
        "{\"dialogue\":\"d\",\"summary1\":\"s\",\"summary2\":\"t\",\"summary3\":\"u\"}\n{\"dialogue\":\"d\"}", NULL));
    assert_string_equal(item_fields(&d->items[0], "summary", 2)->text, "u");
    assert_null(item_fields(&d->items[0], "summary", 3));
    assert_null(item_field(&d->items[1], "summary"));
    assert_string_equal(d->items[1].id, "1");
    dataset_free(d);
    assert_ok(parse(
        &d, "squad",
        "{\"data\":[{\"paragraphs\":[{\"context\":\"c\",\"qas\":[{\"id\":\"1\",\"question\":\"q\",\"answers\":[],\"is_impossible\":true,"
        "\"plausible_answers\":[{\"text\":\"p\",\"answer_start\":0}]},{\"id\":\"2\",\"question\":\"r\",\"answers\":[{\"text\":\"\"},"
        "{\"text\":\"b\"}]}]}]}]}",
        NULL));
    assert_null(item_field(&d->items[0], "answer"));
    assert_null(item_field(&d->items[0], "title"));
    assert_string_equal(item_field(&d->items[1], "answer"), "");
    assert_string_equal(item_fields(&d->items[1], "answer", 1)->text, "b");
    /* a paragraph that two questions share is kept once */
    assert_ptr_equal(item_field(&d->items[0], "context"), item_field(&d->items[1], "context"));
    dataset_free(d);
    static const char *const hidden[] = { "", ",\"label\":\"\"", ",\"label\":null" };
    for (int i = 0; i < 3; i++) {
        str text = { 0 };
        str_printf(
            &text,
            "{\"activity_label\":\"A\",\"ctx_a\":\"\",\"ctx_b\":\"\",\"ctx\":\"\",\"endings\":[\"w\",\"x\",\"y\",\"z\"]%s}",
            hidden[i]);
        assert_ok(parse(&d, "hellaswag", text.s, NULL));
        assert_null(item_field(&d->items[0], "label"));
        assert_string_equal(item_fields(&d->items[0], "ending", 3)->text, "z");
        dataset_free(d);
        str_free(&text);
    }
}

/* ASan ends this test when a reader looks past its bytes. */
static void nothing_past_the_end_is_read(void **state)
{
    (void)state;
    static const char *const tails[] = { "{",           "{\"",       " ",      "\"",     "<",
                                         "<seg id=\"1", "<doc ",     "&#",     "a: b\n", "\xEF\xBB\xBF",
                                         "[1,",         "a,\"b\"\"", "\\u000", "<!--" };
    for (size_t i = 0; i < sizeof tails / sizeof *tails; i++)
        for (int r = 0; dataset_reader_name(r); r++) {
            size_t   n    = strlen(tails[i]);
            char    *heap = malloc(n);
            dataset *d;
            memcpy(heap, tails[i], n);
            if (!dataset_parse(&d, dataset_reader_name(r), heap, n, heap, n, "f")) dataset_free(d);
            free(heap);
        }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        published_test(real_files_have_their_stated_counts),
        published_test(the_training_form_skips_its_headers),
        published_test(forms_of_published_files_agree),
        cmocka_unit_test(forms_made_by_hand),
        cmocka_unit_test(forms_of_a_format_agree),
        cmocka_unit_test(repeated_and_absent_fields),
        cmocka_unit_test(the_english_side_lies_beside_the_german),
        cmocka_unit_test(bad_files_are_refused_with_the_place),
        cmocka_unit_test(a_file_that_is_not_text_is_refused),
        cmocka_unit_test(nothing_past_the_end_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
