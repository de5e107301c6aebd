/* Records for tests: core/golden/records holds real ones of each kind and age. Tests run from the
 * repository's root, as scripts/test runs them. */
#ifndef TIEBREAK_CORE_TEST_RECORD_H
#define TIEBREAK_CORE_TEST_RECORD_H
#include "core/record.h"
#include "core/test.h"

#define TEST_RECORDS "core/golden/records"

/* One of them, "eval-base"; the caller's. */
static inline json *test_record(const char *name)
{
    char  path[128];
    json *record;
    snprintf(path, sizeof path, TEST_RECORDS "/%s.json", name);
    assert_ok(record_read(&record, path));
    return record;
}

/* Its parts, to be changed. */
static inline json *test_record_part(json *record, record_field f) { return (json *)(uintptr_t)record_get(record, f); }
static inline void  test_record_set(json *object, record_field f, json *value)
{
    json_replace(object, record_key(f), value);
}

/* After a change of `asked`: the id that fits it again. Returns the record. */
static inline json *test_record_sign(json *record)
{
    char id[17];
    record_id(record_get(record, field_record_asked), id);
    test_record_set(record, field_record_id, json_of_text(id));
    return record;
}
#endif
