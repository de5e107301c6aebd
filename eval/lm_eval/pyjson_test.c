#include "eval/lm_eval/pyjson.h"

#include "core/test.h"

/* Expected: Python 3.11's repr() and json.dumps(ensure_ascii=False). */
static void floats_print_as_python_shows_them(void **state)
{
    static const struct {
        uint64_t    bits;
        const char *repr;
    } cases[] = {
        { 0x0000000000000000u, "0.0" },
        { 0x3ff0000000000000u, "1.0" },
        { 0x8000000000000000u, "-0.0" },
        { 0x3fb999999999999au, "0.1" },
        { 0x4341c37937e08000u, "1e+16" },
        { 0x430c6bf526340000u, "1000000000000000.0" },
        { 0x437b69b4ba630f35u, "1.2345678901234568e+17" },
        { 0x3f1a36e2eb1c432du, "0.0001" },
        { 0x3ee4f8b588e368f1u, "1e-05" },
        { 0x3f202e4b6ce5dc68u, "0.00012345" },
        { 0x0000000000000001u, "5e-324" },
        { 0x7fefffffffffffffu, "1.7976931348623157e+308" },
        { 0xc0632fbbc0000000u, "-153.49166870117188" },
        { 0x442b1ae4d6e2ef50u, "2.5e+20" },
        { 0x3fd5555555555555u, "0.3333333333333333" },
        { 0x4059000000000000u, "100.0" },
        { 0x4340000000000000u, "9007199254740992.0" },
        { 0x3fa6923b027bbb5fu, "0.04408440022768078" },
    };
    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        double x;
        str    text = { 0 };
        memcpy(&x, &cases[i].bits, sizeof x);
        py_repr(x, &text);
        assert_string_equal(text.s, cases[i].repr);
        str_free(&text);
    }
}

static void objects_print_as_python_dumps_them(void **state)
{
    static const char source[] =
        "{\"a\":\"\xC3\xA9\\\"\\\\\\n\\t\\u0001\x7f/ \xE2\x80\xA8\xF0\x9F\x98\x80\",\"b\":[1,2.5,true,null,[],{}],"
        "\"c\":{\"d\":-3,\"e\":[{\"f\":\"\"}]}}";
    json *doc;
    str   line = { 0 }, indented = { 0 };
    (void)state;
    assert_ok(json_parse(&doc, source, strlen(source), "test"));
    py_dumps(doc, 0, &line);
    py_dumps(doc, 2, &indented);
    assert_string_equal(
        line.s,
        "{\"a\": \"\xC3\xA9\\\"\\\\\\n\\t\\u0001\x7f/ \xE2\x80\xA8\xF0\x9F\x98\x80\", \"b\": [1, 2.5, true, null, [], {}], "
        "\"c\": {\"d\": -3, \"e\": [{\"f\": \"\"}]}}");
    assert_string_equal(
        indented.s,
        "{\n  \"a\": \"\xC3\xA9\\\"\\\\\\n\\t\\u0001\x7f/ \xE2\x80\xA8\xF0\x9F\x98\x80\",\n  \"b\": [\n    1,\n    2.5,\n"
        "    true,\n    null,\n    [],\n    {}\n  ],\n  \"c\": {\n    \"d\": -3,\n    \"e\": [\n      {\n"
        "        \"f\": \"\"\n      }\n    ]\n  }\n}");
    str_free(&line);
    str_free(&indented);
    json_free(doc);
}

int main(void)
{
    const struct CMUnitTest tests[] = { cmocka_unit_test(floats_print_as_python_shows_them),
                                        cmocka_unit_test(objects_print_as_python_dumps_them) };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
